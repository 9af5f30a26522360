import { describe, expect, it } from '@jest/globals';
import { RuleInvalidError, type FieldError } from '../../src/errors.js';
import { toDirectory } from '../../src/recipients/directory.js';
import { parseRule, type RuleContext } from '../../src/rules/rule.schema.js';
import type { Trigger } from '../../src/transcripts/facts.js';

const known: RuleContext = {
  channels: [{ name: 'email', kind: 'email' }],
  templates: [{ name: 'transcript-ready', kinds: ['email'] }],
  directory: toDirectory([], [], []),
  parseRecipient: (_channel, address) => ({ address }),
};

/** What saving the rule answers. */
function errorsOf(when: string, on: Trigger = 'transcript.completed'): FieldError[] {
  const action = { channel: 'email', to: ['a@b.co'], template: 'transcript-ready' };
  try {
    parseRule({ name: 'wrong', on, when, actions: [action] }, known);
  } catch (error) {
    if (error instanceof RuleInvalidError) return error.errors;
    throw error;
  }
  return [];
}

/** condition, line and column of the first problem, part of its message, suggestion where one exists */
type Row = [when: string, place: string, message: string, suggestion?: string];

const MISSPELT: Row[] = [
  ['transcript.duratoin > 30', '1:12', 'no field "duratoin"', 'duration'],
  ['trnascript.duration > 30', '1:1', '"trnascript" is not known', 'transcript'],
  ['duration > 30', '1:1', '"duration" is not known', 'transcript.duration'],
  ["job.tag.tier == 'gold'", '1:5', 'no field "tag"', 'tags'],
  ["speech.says('a') &&\n  speech.mentionz('b')", '2:10', 'no function "mentionz"'],
  ["speech.say('refund')", '1:8', 'no function "say"', 'says'],
  ["speech.byy('1').says('refund')", '1:8', 'no function "byy"', 'by'],
  ["transcript.utterances.exists(u, u.spaeker == '1')", '1:35', 'no field "spaeker"', 'speaker'],
  ["transcript.entities.exists(e, e.lable == 'PERSON')", '1:33', 'no field "lable"', 'label'],
  ['has(transcript.sumary)', '1:16', 'no field "sumary"', 'summary'],
  ['has(job.options.diarise)', '1:17', 'no job has an option "diarise"', 'diarize'],
  ["'diarise' in job.options", '1:1', 'no job has an option "diarise"', 'diarize'],
  ["failure.code == 'x'", '1:1', 'it is known on transcript.failed'],
  ['speech.says(refund)', '1:13', '"refund" is not known', "'refund'"],
  ['job.tags.tier == gold', '1:18', '"gold" is not known', "'gold'"],
  ["transcript.text.toLowerCase().contains('a')", '1:17', 'no function "toLowerCase"', 'lowerAscii'],
];

const WRONG_TYPES: Row[] = [
  ["transcript.duration > '30'", '1:1', 'without quotes', '30'],
  ['job.tags.tier == 3', '1:1', 'in quotes', "'3'"],
  ['speech', '1:1', 'this is speech'],
  ["speech.says('a') == 1", '1:1', 'cannot take true or false and a number'],
  ["speech.says('a') && transcript.duration", '1:21', 'this is a number'],
  ['speech.says(1)', '1:8', 'does not take this', "'1'"],
  ["speech.by(1).says('refund')", '1:8', 'does not take this', "'1'"],
  ["speech.saysAny('refund')", '1:8', 'does not take this', "['refund']"],
  ["transcript.topics == 'billing'", '1:1', 'a list', "'billing' in transcript.topics"],
  ["transcript.topics.contains('billing')", '1:19', 'asked with in', "'billing' in transcript.topics"],
  ["'refund' in transcript.text", '1:1', 'in cannot take', "transcript.text.contains('refund')"],
  ['transcript.speakers > 2', '1:1', 'cannot take a list and a number', 'size(transcript.speakers)'],
  ["job.tags.tier == 'gold' || 'silver'", '1:28', 'this is text', "job.tags.tier == 'silver'"],
  ['transcript.summary != null', '1:1', 'no fact is null', 'has(transcript.summary)'],
];

const IMPOSSIBLE: Row[] = [
  ['transcript.confidence > 80', '1:1', 'so this is never true'],
  ['transcript.duration >= 0', '1:1', 'so this is always true'],
  ['transcript.duration > 60 && transcript.duration < 30', '1:29', 'are never true together'],
  ["job.tags.tier == 'gold' && job.tags.tier == 'silver'", '1:28', 'are never true together', '||'],
  ["job.tags.tier != 'gold' || job.tags.tier != 'silver'", '1:28', 'whatever the facts', '&&'],
  ["speech.says('a') && !speech.says( 'a' )", '1:21', 'are never true together'],
  ["!(speech.says('a')) && speech.says('a')", '1:24', "this and !(speech.says('a')) are never true together"],
  ['transcript.talk == transcript.talk', '1:1', 'a thing with itself'],
  ['1 < 2', '1:1', 'never change'],
  ['false', '1:1', 'never met', 'true'],
  ['true || speech.says("refund")', '1:1', 'always true'],
  ['transcript.words == 10.5', '1:21', 'a whole number', '11'],
  ['size(transcript.topics) < 0', '1:1', 'so this is never true'],
  ["speech.count('refund') >= 0", '1:1', 'so this is always true'],
  ["job.origin == 'apii'", '1:15', 'one of', 'api'],
  ["has(transcript.language) && transcript.language == 'english'", '1:52', 'BCP-47', "'en'"],
  ["speech.by('agent').says('refund')", '1:11', 'nobody is called this'],
  ["speech.by('Speaker 0').says('refund')", '1:11', 'nobody is called this', "'Speaker 1'"],
  ["speech.by('0').by('1').says('refund')", '1:19', 'said by both'],
  ["job.tags.tier.lowerAscii() == 'Gold'", '1:31', 'no capitals', "'gold'"],
  ["transcript.text.contains('')", '1:26', 'always true'],
  ['job.createdAt > 1700000000', '1:17', 'in milliseconds', '1700000000000'],
  ['transcript.talk / 0 > 1', '1:19', 'divides by zero'],
  ['transcript.utterances.exists(u, transcript.duration > 30)', '1:30', 'never looks at "u"'],
];

const UNGUARDED: Row[] = [
  ["transcript.summary.contains('refund')", '1:12', 'may be absent', 'has(transcript.summary)'],
  ['transcript.sentiment.score < -0.5', '1:12', 'may be absent', 'has(transcript.sentiment)'],
  ["transcript.language == 'en' && has(transcript.language)", '1:12', 'may be absent', 'has(transcript.language)'],
  ["transcript.utterances.exists(u, u.speaker == '1')", '1:35', 'may be absent', 'has(u.speaker)'],
  ['job.options.diarize == true', '1:13', 'may be absent', 'has(job.options.diarize)'],
];

const PHRASES: Row[] = [
  ["speech.says('')", '1:13', 'at least one word'],
  ["speech.says('—')", '1:13', 'at least one word'],
  ['speech.saysAny([])', '1:16', 'at least one phrase'],
  ["speech.saysAny(['refund', ' '])", '1:27', 'at least one word'],
  ["speech.says('re*fund')", '1:13', 'only at the end or the beginning of a word'],
  ["speech.says('* refund')", '1:13', 'leave it out'],
  ["speech.says('refund || cancel')", '1:13', 'words in a row', "saysAny(['refund', 'cancel'])"],
  ["speech.says('refund.*')", '1:13', 'not a pattern', "'refund*'"],
  [String.raw`speech.says('/refund/i')`, '1:13', 'not a pattern', "'refund'"],
  [`speech.says('${'very '.repeat(31).trim()}')`, '1:13', 'at most 30 words'],
  ["speech.near('cancel', 'contract', 1000)", '1:35', 'from 0 to 100'],
  ["speech.then('agree', 'yes', 0)", '1:29', 'above 0'],
  ["speech.anyForm('xx').says('cancel')", '1:16', 'word forms are known of'],
  ["speech.confident(80).says('cancel')", '1:18', 'from 0 to 1'],
];

const PATTERNS: Row[] = [
  ["regex(transcript.text, '(a')", '1:24', 'missing closing )'],
  ["regex(transcript.text, '(?=a)b')", '1:24', 'look-ahead'],
  [String.raw`regex(transcript.text, r'(a)\1')`, '1:24', 'back-references'],
  ["regex(transcript.text, '')", '1:24', 'empty pattern'],
  ["regex(transcript.text, 'a*')", '1:24', 'found in every text', "'a+'"],
  ["regex(transcript.text, '/refund/i')", '1:24', 'no slashes', "'(?i)refund'"],
  ["transcript.text.matches('(a+)+$')", '1:17', 'can run for hours', 'regex'],
];

const BOMBS: Row[] = [
  ['('.repeat(5_000), '1:41', 'nests deeper'],
  [`${'!'.repeat(9_000)}true`, '1:41', 'nests deeper'],
  [Array(400).fill("speech.says('a')").join(' && '), '1:2513', 'at most|too long'],
  [`'${'a'.repeat(100_000)}' == 'a'`, '1:1', 'at most 10000 characters'],
  ["regex(transcript.text, '((a{100}){100}){100}')", '1:24', 'the pattern is wrong'],
  [
    'transcript.topics.all(a, transcript.topics.all(b, transcript.topics.all(c, a == b && b == c)))',
    '1:69',
    'inside one other loop',
  ],
  ['speech.says("refund"', '1:21', 'ends too early'],
  ["speech.says('x') and speech.says('y')", '1:18', 'does not belong here', '&&'],
  ['transcript.duration = 30', '1:21', 'does not belong here', '=='],
];

const TABLE: [kind: string, rows: Row[]][] = [
  ['a misspelt name', MISSPELT],
  ['a wrong type', WRONG_TYPES],
  ['a comparison that nothing decides', IMPOSSIBLE],
  ['a fact that may be absent', UNGUARDED],
  ['a phrase that is none', PHRASES],
  ['a pattern that cannot be meant', PATTERNS],
  ['a bomb, or no condition at all', BOMBS],
];

describe.each(TABLE)('a rule with %s', (_kind, rows) => {
  it.each(rows.map(([when, place, message, suggestion]) => [when.slice(0, 100), when, place, message, suggestion]))(
    'is refused when it is saved, with line, column and suggestion: %s',
    (_shown, when = '', place = '', message = '', suggestion) => {
      const [first] = errorsOf(when);
      expect(first?.pointer).toBe('/when');
      expect(`${String(first?.line)}:${String(first?.column)}`).toBe(place);
      expect(first?.message).toMatch(new RegExp(message.replace(/[()*+?.[\]]/g, String.raw`\$&`)));
      expect(first?.suggestion).toBe(suggestion);
    },
  );
});

it('the table holds at least sixty rules', () => {
  expect(TABLE.flatMap(([, rows]) => rows).length).toBeGreaterThanOrEqual(60);
});

describe('a rule that is right', () => {
  it.each([
    'true',
    "speech.by('1').says('refund') && !speech.by('1').says('resolved')",
    "speech.by('Speaker 2').by('1').says('refund')",
    'transcript.duration > 30 && transcript.duration < 60',
    'transcript.duration >= 30 && transcript.duration <= 30',
    "job.tags.tier == 'gold' || job.tags.tier == 'silver'",
    "job.tags.tier != 'gold' && job.tags.tier != 'silver'",
    "job.tags.tier in ['gold', 'silver'] && job.tags.tier != 'gold'",
    "has(transcript.language) && transcript.language == 'pt-BR'",
    'has(job.options.diarize) && job.options.diarize == true',
    "job.tags.tier.lowerAscii() == 'gold'",
    "regex(job.tags.email, '^[^@]*$')",
    "regex(transcript.text, '(?i)refund|money back')",
    "speech.says('how can I help?') || speech.says('50% off') || speech.says('either or neither')",
    "speech.says('cancel * contract') || speech.says('*vertrag')",
    "transcript.utterances.exists(u, has(u.speaker) && u.speaker == '0' && u.end - u.start > 30)",
    'size(transcript.topics) > 0 && transcript.words > 10',
    'job.createdAt > 1700000000000',
  ])('is taken: %s', (when) => {
    expect(errorsOf(when)).toEqual([]);
  });
});
