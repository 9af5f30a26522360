import { describe, expect, it } from '@jest/globals';
import { directoryOf, USUAL_CHANNELS } from '../../src/code/check.js';
import { normalAddress } from '../../src/code/definitions.js';
import { problemLine } from '../../src/code/problem-place.js';
import { parseRuleTests, type RuleTest } from '../../src/code/rule-test.js';
import { runRuleTest, type TestBench } from '../../src/code/run-rule-test.js';
import { saidTranscript } from '../../src/code/said-transcript.js';
import { YamlSource } from '../../src/code/yaml-source.js';
import type { RuleDefinition } from '../../src/rules/rule.js';
import { rule } from '../support/rules.js';

const BENCH: TestBench = {
  directory: directoryOf({
    contacts: [
      { name: 'ann', email: 'ann@example.com', phone: '+12125550145' },
      { name: 'bob', email: 'bob@example.com', quiet: { from: '11:00', until: '14:00' } },
    ],
    groups: [{ name: 'team', members: ['ann', 'bob'] }],
  }),
  channels: USUAL_CHANNELS.map(({ name, kind }) => ({
    name,
    kind,
    parseRecipient: (address) => ({ address: normalAddress(kind, address) }),
  })),
  render: ({ ruleName, matches }) => `${ruleName}:\n${matches.map(({ text }) => text).join(', ')}`,
};

const REFUND = {
  name: 'refund',
  when: "speech.by('1').says('full refund')",
  actions: [{ channel: 'email', to: ['group:team'], template: 'short' }],
};

const sourceOf = (text: string) => new YamlSource('rules/refund.test.yaml', text);

function testsOf(text: string): RuleTest[] {
  const { tests, problems } = parseRuleTests(sourceOf(text));
  expect(problems.map(problemLine)).toEqual([]);
  return tests;
}

function faultsOf(text: string, changes: Partial<RuleDefinition> = {}): string[] {
  const [test] = testsOf(text);
  if (!test) throw new Error('no test');
  return runRuleTest(rule({ ...REFUND, ...changes }), test, test.transcript && saidTranscript(test.transcript), BENCH);
}

const SAID = `
- name: a customer who wants money back
  transcript:
    turns:
      - { speaker: 0, text: 'How can I help?' }
      - { speaker: 1, text: 'I want a full refund, please.' }
`;

describe('a test beside a rule', () => {
  it('passes when rule, words and messages are as it says', () => {
    const expected = `
  expect:
    matched: true
    words: [full refund]
    messages:
      - { channel: email, to: bob@example.com, state: waiting }
      - { channel: email, to: ann@example.com, contains: [Refund, 'refund: full refund'] }
`;
    expect(faultsOf(SAID + expected)).toEqual([]);
  });

  it('tells each condition of a rule that did not match', () => {
    const expected = `  expect: { matched: true }\n`;
    const when = "speech.by('1').says('full refund') && transcript.duration > 60.0";
    expect(faultsOf(SAID + expected, { when })).toEqual([
      'the rule did not match',
      "  speech.by('1').says('full refund'): true",
      '  transcript.duration > 60.0: false',
    ]);
  });

  it('fails when the rule matched and should not', () => {
    expect(faultsOf(`${SAID}  expect: { matched: false }\n`)[0]).toBe('the rule matched');
  });

  it('tells messages that are missing, those that are too many, and words that are not in one', () => {
    const expected = `
  expect:
    matched: true
    messages:
      - { channel: email, to: ann@example.com, contains: 42 }
      - { channel: sms, to: '+12125550145' }
`;
    expect(faultsOf(SAID + expected)).toEqual([
      'the message email to ann@example.com does not hold "42"',
      'there is no message sms to +12125550145',
      expect.stringMatching(/^there is one more: email to bob@example\.com \(waiting\): /),
    ]);
  });

  it('tells words that are not among those that matched', () => {
    expect(faultsOf(`${SAID}  expect: { matched: true, words: [cancel] }\n`)).toEqual([
      '"cancel" is not among the words that matched: "full refund"',
    ]);
  });

  it('tries a rule that is switched off, and the steps of one that escalates', () => {
    const escalate = [{ after: '15m', actions: [{ channel: 'sms', to: ['contact:ann'], template: 'short' }] }];
    const actions = [{ channel: 'email', to: ['contact:ann'], template: 'short' }];
    const expected = `
  expect:
    matched: true
    messages:
      - { channel: email, to: ann@example.com, step: 0 }
      - { channel: sms, to: '+12125550145', step: 1 }
`;
    expect(faultsOf(SAID + expected, { enabled: false, actions, escalate })).toEqual([]);
    const again = [{ after: '15m', actions }];
    const both = (step: number) => `      - { channel: email, to: ann@example.com, step: ${String(step)} }\n`;
    const twice = `  expect:\n    matched: true\n    messages:\n${both(0)}${both(1)}`;
    expect(faultsOf(SAID + twice, { actions, escalate: again })).toEqual([]);
  });

  it('tells of failures and of jobs that are overdue', () => {
    const failed = `- { name: a, failure: { code: X, message: broken }, expect: { matched: true } }`;
    const late = `- { name: a, overdue: { minutes: 90 }, expect: { matched: true } }`;
    expect(faultsOf(failed, { on: 'transcript.failed', when: "failure.code == 'X'" })).toEqual([]);
    expect(faultsOf(late, { on: 'job.overdue', when: 'overdue.minutes > 60' })).toEqual([]);
    expect(faultsOf(late)).toEqual(['the rule is on transcript.completed, and the test tells of job.overdue']);
  });

  it('takes people from tags', () => {
    const actions = [{ channel: 'email', to: ['{{job.tags.email}}'], template: 'short' }];
    const tagged = (tags: string) =>
      `${SAID}  tags: ${tags}\n  expect: { matched: true, messages: [{ channel: email, to: eve@example.com }] }\n`;
    expect(faultsOf(tagged('{ email: eve@example.com }'), { actions })).toEqual([]);
    expect(faultsOf(tagged('{}'), { actions })).toEqual([
      'there is no message email to eve@example.com',
      'nothing for {{job.tags.email}}: job.tags.email is absent',
    ]);
  });

  it.each([
    ['that tells of nothing', '- name: a\n  expect: { matched: true }\n', /:1:3 needs one of transcript, deepgram/],
    ['that expects nothing', "- name: a\n  transcript: { text: 'hello' }\n", /expected object/],
    [
      'with a misspelt field',
      "- name: a\n  transcrpt: { text: 'a' }\n  expect: { matched: true }\n",
      /did you mean transcript/,
    ],
    ['that is no list', 'name: a\n', /expected array/],
    [
      'with a tag that is no text',
      '- name: a\n  transcript: { text: a }\n  tags: { n: 5 }\n  expect: { matched: true }\n',
      /:3:14 must be a text/,
    ],
  ])('is refused with its place: one %s', (_what, text, message) => {
    const { tests, problems } = parseRuleTests(sourceOf(text));
    expect(tests).toEqual([]);
    expect(problems.map(problemLine).join('\n')).toMatch(message);
  });
});

describe('what a test says', () => {
  it('is spoken one turn after the other, unless a turn says when', () => {
    const turns = [
      { speaker: '0', text: 'one two' },
      { speaker: '1', text: 'three' },
      { speaker: '0', text: 'four', start: 60 },
    ];
    const { utterances, words, duration, speakers } = saidTranscript({ turns });
    const [first, second, third] = utterances;
    expect(words.map(({ text }) => text)).toEqual(['one', 'two', 'three', 'four']);
    expect(second?.start).toBeGreaterThan(first?.end ?? 0);
    expect(third?.start).toBe(60);
    expect(duration).toBe(third?.end);
    expect(speakers.map(({ id }) => id)).toEqual(['0', '1']);
  });

  it('may be nothing', () => {
    expect(saidTranscript({ text: '' })).toMatchObject({ words: [], utterances: [], duration: 0, text: '' });
  });
});
