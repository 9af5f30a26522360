import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { RuleInvalidError, type FieldError } from '../../src/errors.js';
import { explainCondition, type Explanation } from '../../src/rules/explain.js';
import { compileCondition, toSubject, type ConditionTree } from '../../src/rules/language.js';
import type { Facts, Trigger } from '../../src/transcripts/facts.js';
import { callSpeech, completedFacts, speechOf, spoken } from '../support/rules.js';

function errorsOf(source: string, on: Trigger = 'transcript.completed'): FieldError[] {
  try {
    compileCondition(source, on);
  } catch (error) {
    if (error instanceof RuleInvalidError) return error.errors;
    throw error;
  }
  return [];
}

function explain(source: string, facts: Facts = completedFacts(), on: Trigger = 'transcript.completed'): Explanation {
  return explainCondition(compileCondition(source, on), toSubject(facts, facts.transcript && callSpeech()));
}

/** condition, column of the first problem (line 1), part of the message, suggestion */
const WRONG: [string, number, string, string?][] = [
  // names
  ['trascript.duration > 3', 1, '"trascript" is not known', 'transcript'],
  ['transcript.duratoin > 3', 12, 'no field "duratoin"', 'duration'],
  ['duration > 30', 1, '"duration" is not known', 'transcript.duration'],
  ["tags.email == 'x'", 1, '"tags" is not known', 'job.tags'],
  ['call.length > 3', 1, '"call" is not known'],
  ['has(transcript.sumary)', 16, 'no field "sumary"', 'summary'],
  ["failure.code == 'x'", 1, 'failure is not known on transcript.completed; it is known on transcript.failed'],
  ["transcript.utterances.exists(u, u.txt == 'x')", 35, 'no field "txt"', 'text'],
  ['transcript.speakers[0].talks > 3', 24, 'no field "talks"', 'talk'],
  ['transcript.speakers.length > 2', 21, 'a list has no field "length"', 'size()'],
  ['job.tags.tier.name == "x"', 15, 'text has no field "name"'],
  ['google.protobuf == 1', 1, '"google" is not known'],
  ['string == 1', 1, '"string" is not known'],
  // prototypes
  ['speech.constructor == 1', 8, 'speech has no field "constructor"'],
  ['job.__proto__ == 1', 5, 'no field "__proto__"'],
  ['constructor == 1', 1, '"constructor" is not known'],
  ['toString()', 1, 'no function "toString"', 'string'],
  ['transcript.toString()', 12, 'no function "toString"'],
  // functions
  ["speech.say('refund')", 8, 'no function "say"', 'says'],
  ["says('refund')", 1, 'speech.says', 'speech.says'],
  ["transcript.text.includes('a')", 17, 'no function "includes"', 'contains'],
  ["transcript.text.toLowerCase() == 'a'", 17, 'no function "toLowerCase"', 'lowerAscii'],
  ["transcript.text.matches('a+')", 17, 'matches() is not available', 'regex'],
  ["matches('a')", 1, 'matches() is not available', 'regex'],
  ['transcript.utterances.map(u, u.text) == []', 23, 'no function "map"', 'exists'],
  ['cel.bind(x, 1, x == 1)', 1, '"cel" is not known'],
  ["timestamp('2020-01-01T00:00:00Z') == timestamp('2020-01-01T00:00:00Z')", 1, 'no function "timestamp"'],
  ['now() > 3', 1, 'no function "now"'],
  ["fetch('http://x')", 1, 'no function "fetch"'],
  ['has(transcript)', 1, 'has() takes one field'],
  // types
  ["transcript.duration > 'x'", 1, 'cannot take a number and text'],
  ["transcript.duration > '30'", 1, 'write the number without quotes: 30', '30'],
  ['job.tags.tier == 3', 1, "write the number in quotes: '3'", "'3'"],
  ['transcript.text > 3', 1, 'cannot take text and a number'],
  ['speech', 1, 'this is speech'],
  ['transcript.duration', 1, 'this is a number'],
  ["'refund'", 1, 'this is text'],
  ['transcript.duration && true', 1, '&& and || join what is true or false; this is a number'],
  ['true || transcript.text', 9, '&& and || join what is true or false; this is text'],
  ['!transcript.duration', 1, '! needs what is true or false'],
  ["speech.says('a') ? 1 : 'b'", 1, 'same type'],
  ['speech.says(1)', 8, "speech.says('refund')", "'1'"],
  ["speech.by(1).says('x')", 8, "speech.by('1')", "'1'"],
  ["speech.near('a', 'b')", 8, "speech.near('cancel', 'contract', 5)"],
  ["transcript.topics + ['a'] == ['a']", 1, 'lists cannot be joined'],
  ['has(job.options.diarize) && job.options', 29, '&& and || join what is true or false; this is a map'],
  // phrases, numbers, patterns
  ["speech.says('')", 13, 'at least one word'],
  ["speech.says('...')", 13, 'at least one word'],
  ["speech.says('re*fund')", 13, 'only at the end or the beginning of a word'],
  ['speech.saysAny([])', 16, 'at least one phrase'],
  ["speech.saysAny(['a', ''])", 22, 'at least one word'],
  ["speech.near('a', '', 3)", 18, 'at least one word'],
  ["speech.near('a', 'b', 1000)", 23, '0 to 100'],
  ["speech.first(0).says('x')", 14, 'above 0'],
  ["speech.last(-5).says('x')", 13, 'above 0'],
  ["speech.channel(-1).says('x')", 16, 'count from 0'],
  ["speech.by('').says('x')", 11, 'needs a speaker'],
  ["regex(transcript.text, '(?=a)')", 24, 'look-ahead and look-behind are not supported'],
  ["regex(transcript.text, '(?<!a)b')", 24, 'look-ahead and look-behind are not supported'],
  [String.raw`regex(transcript.text, r'(a)\1')`, 24, 'back-references'],
  ["regex(transcript.text, 'a++')", 24, 'possessive'],
  ["regex(transcript.text, '(a')", 24, 'missing closing )'],
  ["regex(transcript.text, '')", 24, 'empty pattern'],
  ['regex(transcript.text, job.tags.x)', 24, 'pattern in quotes'],
  ["transcript.text.regex('a')", 17, 'takes the text first', 'regex(text, …)'],
  // facts that may be absent
  ["transcript.language == 'en'", 12, 'may be absent', 'has(transcript.language)'],
  ['transcript.sentiment.score < 0', 12, 'may be absent', 'has(transcript.sentiment)'],
  ["transcript.language == 'en' && has(transcript.language)", 12, 'may be absent', 'has(transcript.language)'],
  ["has(transcript.language) || transcript.language == 'en'", 40, 'may be absent', 'has(transcript.language)'],
  ["!has(transcript.language) && transcript.language == 'en'", 41, 'may be absent', 'has(transcript.language)'],
  ["has(transcript.summary) && transcript.language == 'en'", 39, 'may be absent', 'has(transcript.language)'],
  ['has(transcript.sentiment.score)', 16, 'may be absent', 'has(transcript.sentiment)'],
  ['job.options.diarize == true', 13, 'may be absent', 'has(job.options.diarize)'],
  ["job.options['diarize'] == true", 1, 'may be absent', "'diarize' in job.options"],
  ["transcript.utterances.exists(u, u.speaker == '1')", 35, 'may be absent', 'has(u.speaker)'],
  // comparisons that cannot be
  ['transcript.confidence > 80', 1, 'from 0 to 1, so this is never true'],
  ['transcript.confidence <= 1', 1, 'so this is always true'],
  ['0 > transcript.duration', 1, 'never below 0, so this is never true'],
  ['transcript.words == -1', 1, 'so this is never true'],
  ["job.origin == 'apii'", 15, "one of 'api', 'external'", 'api'],
  ["job.origin in ['api', 'web']", 23, "one of 'api', 'external'"],
  ["has(transcript.sentiment) && transcript.sentiment.label == 'negativ'", 60, 'one of', 'negative'],
  // syntax
  ['', 1, 'a condition is needed', 'true'],
  ['transcript.duration = 3', 21, '"=" does not belong here', '=='],
  ["speech.says('x') and speech.says('y')", 18, '"and" does not belong here', '&&'],
  ["speech.says('x') or true", 18, '"or" does not belong here', '||'],
  ["not speech.says('x')", 1, '"not" does not belong here', '!'],
  ['speech.says(‘x’)', 13, 'does not belong here', "'"],
  ["(speech.says('x')", 18, 'ends too early'],
  ["speech.says('x'))", 17, '")" does not belong here'],
  ["speech.says('x", 13, 'unterminated string'],
  ['true true', 6, '"true" does not belong here'],
  // loops
  ['transcript.utterances.exists(job, true)', 30, '"job" has a meaning already'],
  ['transcript.utterances.exists(u.text, true)', 32, 'takes a new name and a condition'],
  [
    'transcript.topics.exists(a, transcript.topics.exists(b, transcript.topics.exists(c, a == c)))',
    75,
    'inside one other loop',
  ],
];

describe('a condition that is wrong', () => {
  it.each(WRONG.map(([source, column, message, suggestion = '']) => [source, column, message, suggestion] as const))(
    'is refused with its place: %s',
    (source, column, message, suggestion) => {
      const [first] = errorsOf(source);
      expect(first).toMatchObject({ pointer: '/when', line: 1, column });
      expect(first?.message).toContain(message);
      expect(first?.suggestion ?? '').toBe(suggestion);
    },
  );

  it('is refused with all unknown names at once, each on its line', () => {
    const errors = errorsOf("transcript.foo == 'a' &&\n  speach.says('x') &&\n  job.tag.x == 'y'");
    expect(errors.map(({ line, column }) => [line, column])).toEqual([
      [1, 12],
      [2, 3],
      [3, 7],
    ]);
  });

  it('names the facts of the trigger it is for', () => {
    expect(errorsOf("failure.code == 'x'", 'transcript.failed')).toEqual([]);
    expect(errorsOf("delivery.channel == 'sms'", 'delivery.dead')).toEqual([]);
    expect(errorsOf("job.origin == 'api'", 'job.overdue')).toEqual([]);
    expect(errorsOf("speech.says('x')", 'transcript.failed')[0]?.message).toContain('speech is not known on');
    expect(errorsOf('transcript.duration > 3', 'job.overdue')[0]?.message).toContain('transcript is not known on');
  });
});

/** condition, words it matches when it is true */
const RIGHT: [string, string[]?][] = [
  ['true'],
  ['true // a comment'],
  ["speech.says('refund')", ['Refund,']],
  ['speech.says("full refund")', ['full Refund,']],
  ["speech.by('1').says('refund')", ['Refund,']],
  ["speech.by('Speaker 2').says('refund')", ['Refund,']],
  ["speech.channel(0).says('refund')", ['Refund,']],
  ["speech.first(60).says('thank you')", ['Thank you']],
  ["speech.last(10.5).says('resolved')", ['resolved']],
  ["speech.saysAny(['refund', 'money back'])", ['Refund,']],
  ["speech.saysAny(['refund', job.tags.tier])", ['Refund,']],
  ["speech.near('want', 'refund', 3)", ['want a full Refund,']],
  ["speech.near('refund*', 'want', 3)", ['want a full Refund,']],
  ["speech.then('refund', 'resolved', 80)", ['Refund,', 'resolved']],
  ["speech.then('refund', job.tags.tier, 80) || speech.then('refund', 'goodbye', 80.5)", ['Refund,', 'Goodbye!']],
  ["speech.count('want') == 2", ['want', 'want']],
  ["speech.count('want') * 2 >= 4 && speech.count(job.tags.tier) == 0", ['want', 'want']],
  ["speech.saysWithout('want', ['don’t'], 1)", ['want']],
  ["speech.saysWithout('want', ['not', job.tags.tier], 1, 2)", ['want', 'want']],
  ["speech.anyForm().says('refunds')", ['Refund,']],
  ["speech.anyAccent().says('réfund')", ['Refund,']],
  ["speech.confident(0.9).says('full * please')", ['full Refund, please.']],
  ['speech.silence(60)', ['[silence, 70 s]']],
  ['speech.longestSilence() > 70 && speech.longestSilence() < 72.5', ['[silence, 70 s]']],
  ["speech.by('0').talk() > 0 && speech.by('0').talk() < speech.talk()"],
  ['speech.interruptions() == 0 && speech.lowConfidence(0.5) == 0'],
  ["!speech.heard('refund') && !speech.heard('refund', 0.2)"],
  ["speech.by('1').says('refund') && speech.last(20).says('resolved')", ['Refund,', 'resolved']],
  ["speech.by('1').says('refund') && !speech.last(5).says('resolved')", ['Refund,']],
  ["!speech.says('lawyer')"],
  ["speech.says('lawyer') || speech.says('refund')", ['Refund,']],
  ["(speech.says('refund') || false) && (transcript.duration > 30)", ['Refund,']],
  ["speech.says('refund') ? transcript.duration > 3 : false", ['Refund,']],
  ["job.tags.tier == 'gold'"],
  ["job.tags.absent != 'gold'"],
  ["job.tags.absent == ''"],
  ["job.tags['no-such'] == ''"],
  ['!has(job.tags.absent) && has(job.tags.tier)'],
  ["!('absent' in job.tags) && 'tier' in job.tags"],
  ["job.tags.tier in ['gold', 'silver']"],
  ["job.tags.exists(name, name == 'tier')"],
  ['size(job.tags) == 2'],
  ['transcript.channels == 1'],
  ['transcript.channels != 2'],
  ['1 == transcript.channels'],
  ['transcript.channels in [1, 2]'],
  ['transcript.talk * 2 < transcript.duration'],
  ['transcript.talk / transcript.duration < 0.5'],
  ['transcript.duration - transcript.talk == transcript.silence'],
  ["'billing' in transcript.topics"],
  ["transcript.topics.exists(t, t.startsWith('ref'))"],
  ['transcript.speakers.all(s, s.talk > 1)'],
  ["transcript.speakers[0].label == 'Speaker 1'"],
  ["transcript.utterances.exists(u, has(u.speaker) && u.speaker == '0')"],
  ['transcript.utterances.exists_one(u, u.confidence < 0.7)'],
  ['size(transcript.utterances.filter(u, u.end - u.start > 3.5)) == 1'],
  ["transcript.utterances.exists(u, transcript.topics.exists(t, u.text.contains('Refund') && t == 'refunds'))"],
  ["transcript.entities.exists(e, e.label == 'PERSON' && e.value == 'Ann')"],
  ['has(job.options.diarize) && job.options.diarize == true'],
  ["'diarize' in job.options && job.options['diarize'] == true"],
  ['has(job.options.channels) && job.options.channels == 2'],
  ["!has(transcript.language) || transcript.language == 'en'"],
  ["has(transcript.language) ? transcript.language == 'en' : true"],
  ["!(has(transcript.summary) && transcript.summary.contains('x'))"],
  ["transcript.text.lowerAscii().contains('full refund')"],
  ["regex(transcript.text, '(?i)full\\\\s+refund')"],
  ["regex(transcript.text, r'\\bwant\\b')"],
  ["regex(job.tags.email, '@example[.]com$')"],
  ["job.origin == 'api'"],
  ['job.createdAt > 1600000000000'],
];

describe('a condition that is right', () => {
  it.each(RIGHT)('is met, with the words that it found: %s', (source, words = []) => {
    const { matched, matches, error } = explain(source);
    expect({ matched, error, words: matches.map(({ text }) => text) }).toEqual({
      matched: true,
      error: undefined,
      words,
    });
  });

  it('explains each part: true, false with the words against it, and not reached', () => {
    const source = "speech.says('refund') && !speech.says('resolved') && job.tags.tier == 'gold'";
    const { matched, conditions, matches } = explain(source);
    expect(matched).toBe(false);
    expect(conditions).toEqual([
      {
        text: "speech.says('refund')",
        result: true,
        matches: [{ text: 'Refund,', speaker: '1', channel: 0, start: 18, end: 18.8 }],
      },
      {
        text: "!speech.says('resolved')",
        result: false,
        matches: [{ text: 'resolved', speaker: '0', channel: 0, start: 92, end: 92.8 }],
      },
      { text: "job.tags.tier == 'gold'", result: undefined, matches: [] },
    ]);
    expect(matches.map(({ text }) => text)).toEqual(['Refund,']);
  });

  it('keeps the text of a part as it was written, with its parentheses and line breaks', () => {
    const { conditions } = explain(
      "( (transcript.duration + 1) > 3 ) &&\n  (job.tags.tier\n == 'gold' ? true : false)",
    );
    expect(conditions.map(({ text }) => text)).toEqual([
      '( (transcript.duration + 1) > 3 )',
      "(job.tags.tier\n == 'gold' ? true : false)",
    ]);
  });

  it('reads operators inside strings as text', () => {
    const { conditions } = explain(
      `job.tags.tier != 'a && b' && job.tags.tier != "it's || (" && job.tags.tier != r'\\\\'`,
    );
    expect(conditions).toHaveLength(3);
  });

  it('reads an absent fact of a guarded condition as not met, without an error', () => {
    const result = explain("has(transcript.language) && transcript.language == 'en'");
    expect(result).toMatchObject({ matched: false, conditions: [{ result: false }, { result: undefined }] });
    expect(result.error).toBeUndefined();
  });
});

describe('a condition that fails at run time', () => {
  it('says why, in the words of the rule and not of the transcript', () => {
    const { matched, error, conditions } = explain("transcript.speakers[7].label == 'x'");
    expect(matched).toBe(false);
    expect(error).toBe('there is no such item in transcript.speakers[7]');
    expect(conditions[0]).toMatchObject({ result: undefined, error });
  });

  it('never shows what a conversion could not read', () => {
    const facts = completedFacts({ job: { tags: { amount: 'a secret' } } });
    expect(explain('int(job.tags.amount) > 3', facts).error).toBe('it could not be evaluated in int(job.tags.amount)');
  });

  it('is met all the same when another part decides', () => {
    expect(explain("transcript.speakers[7].label == 'x' || true")).toMatchObject({ matched: true });
    expect(explain("transcript.speakers[7].label == 'x' || true").error).toBeUndefined();
    expect(explain("transcript.speakers[7].label == 'x' && false").error).toBeUndefined();
    expect(explain("transcript.speakers[7].label == 'x' && true").error).toContain('no such item');
  });

  it('compares an option of another type without failing', () => {
    expect(explain('has(job.options.model) && job.options.model == true')).toMatchObject({ matched: false });
  });
});

describe('a condition that is a bomb', () => {
  const BOMBS: [string, string][] = [
    ['100,000 parentheses', '('.repeat(100_000)],
    ['5,000 parentheses', '('.repeat(5000) + 'true' + ')'.repeat(5000)],
    ['9,000 brackets', '['.repeat(9000)],
    ['9,990 negations', `${'!'.repeat(9990)}true`],
    ['9,000 minus signs', `${'-'.repeat(9000)}1 == 1`],
    ['a path of 4,000 fields', `job${'.a'.repeat(4000)}`],
    ['1,000 nested choices', `${'true ? '.repeat(1000)}true`],
    ['400 operands', Array(400).fill('true').join(' && ')],
    ['a megabyte', `'${'a'.repeat(1_000_000)}' == 'a'`],
    ['a megabyte of quotes', '"'.repeat(1_000_000)],
    ['9,900 backslashes', `"${'\\'.repeat(9900)}`],
    ['repeats of repeats', "regex(transcript.text, '((a{100}){100}){100}')"],
    ['a long pattern', `regex(transcript.text, '${'a?'.repeat(400)}')`],
    ['three loops', 'transcript.topics.all(a, transcript.topics.all(b, transcript.topics.all(c, a == b)))'],
  ];

  it.each(BOMBS)('is refused at once: %s', (_name, source) => {
    const started = performance.now();
    expect(errorsOf(source).length).toBeGreaterThan(0);
    expect(performance.now() - started).toBeLessThan(250);
  });

  it.each([
    String.raw`(a+)+$`,
    '(a|aa)+$',
    String.raw`\d+\d+x`,
    '(.*,){20}x',
    '(x+x+)+y',
    '(a|a?)+$',
    String.raw`(\d+)+[^\d,]{2}$`,
  ])('does not backtrack over 50,000 characters: %s (T1)', (pattern) => {
    const text = `${'a'.repeat(25_000)}${'1,'.repeat(12_500)}!`;
    const condition = compileCondition(`regex(transcript.text, r'${pattern}')`, 'transcript.completed');
    const subject = toSubject(completedFacts({ transcript: { text } }), callSpeech());
    const started = performance.now();
    const { error } = explainCondition(condition, subject);
    expect(error).toBeUndefined();
    expect(performance.now() - started).toBeLessThan(1000);
  });

  it('is stopped before it runs when it loops over long lists twice', () => {
    const utterances = Array.from({ length: 3000 }, (_, i) => ({
      text: `word ${String(i)}`,
      start: i,
      end: i + 1,
      confidence: 1,
      channel: 0,
    }));
    const facts = completedFacts({ transcript: { utterances } });
    const source = 'transcript.utterances.all(a, transcript.utterances.all(b, a.text != b.text + "!"))';
    const started = performance.now();
    expect(explain(source, facts).error).toContain('too much work');
    expect(performance.now() - started).toBeLessThan(250);
    expect(explain("transcript.utterances.all(a, a.text.contains('word'))", facts).matched).toBe(true);
  });

  it('is stopped when its parts together search too much', () => {
    const facts = completedFacts({ transcript: { text: 'a '.repeat(30_000) } });
    const source = Array.from({ length: 40 }, (_, i) => `regex(transcript.text, 'b${String(i)}')`).join(' || ');
    expect(explain(source, facts).error).toContain('too much work');
  });
});

// Conditions over three facts whose values are known, in every nesting of &&, ||, ! and parentheses.
const { expression } = fc.letrec<{ expression: { text: string; value: boolean } }>((tie) => ({
  expression: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc
      .constantFrom(
        { text: 'true', value: true },
        { text: 'false', value: false },
        { text: "job.tags.tier == 'gold'", value: true },
        { text: "speech.says('lawyer')", value: false },
        { text: 'true ? false : true', value: false },
      )
      .map(({ text, value }) => ({ text: text.includes('?') ? `(${text})` : text, value })),
    tie('expression').map(({ text, value }) => ({ text: `(${text})`, value })),
    tie('expression').map(({ text, value }) => ({ text: `!(${text})`, value: !value })),
    fc
      .tuple(tie('expression'), tie('expression'))
      .map(([a, b]) => ({ text: `(${a.text}) && (${b.text})`, value: a.value && b.value })),
    fc
      .tuple(tie('expression'), tie('expression'))
      .map(([a, b]) => ({ text: `(${a.text}) || ${b.text}`, value: a.value || b.value })),
  ),
}));

function leaves(tree: ConditionTree): number {
  return tree.op === 'leaf' ? 1 : tree.parts.reduce((sum, part) => sum + leaves(part), 0);
}

describe('the tree of conditions', () => {
  it('comes out as the whole expression does, with one outcome for each part', () => {
    fc.assert(
      fc.property(expression, ({ text, value }) => {
        fc.pre(text.length < 2000);
        const condition = compileCondition(text, 'transcript.completed');
        const { matched, conditions } = explainCondition(condition, toSubject(completedFacts(), callSpeech()));
        expect(matched).toBe(value);
        expect(conditions).toHaveLength(leaves(condition.tree));
      }),
      { numRuns: 300 },
    );
  });

  it('refuses or runs whatever is thrown at it, and never throws anything else', () => {
    const piece = fc.constantFrom(
      '(',
      ')',
      '[',
      ']',
      '!',
      '&&',
      '||',
      '?',
      ':',
      '==',
      '>',
      'speech',
      '.says',
      "('a')",
      'job',
      '.tags',
      '.x',
      'true',
      '1',
      '"',
      "'",
      '\\',
      'has',
      ',',
      '-',
      '\n',
      '//',
      'transcript.duration',
      '𝒳',
      '\u0000',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const source = pieces.join('');
        if (errorsOf(source).length === 0) expect(typeof explain(source).matched).toBe('boolean');
      }),
      { numRuns: 2000 },
    );
  });
});

it('evaluates against silence', () => {
  const subject = toSubject(completedFacts({ transcript: { text: '', words: 0, duration: 0 } }), speechOf([]));
  const { matched } = explainCondition(compileCondition("!speech.says('a*')", 'transcript.completed'), subject);
  expect(matched).toBe(true);
});

it('matches a phrase that a tag names, and nothing when the tag is absent', () => {
  const speech = speechOf(spoken('this is Ann speaking'));
  const condition = compileCondition('speech.says(job.tags.client)', 'transcript.completed');
  const met = (tags: Record<string, string>): boolean =>
    explainCondition(condition, toSubject(completedFacts({ job: { tags } }), speech)).matched;
  expect(met({ client: 'ANN' })).toBe(true);
  expect(met({})).toBe(false);
});
