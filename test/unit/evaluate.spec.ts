import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { DEFAULT_RULES } from '../../src/rules/default-rules.js';
import { compileRule, evaluateRules } from '../../src/rules/evaluate.js';
import type { Rule } from '../../src/rules/rule.js';
import type { Facts } from '../../src/transcripts/facts.js';
import { callSpeech, completedFacts, rule } from '../support/rules.js';

function evaluate(rules: Rule[], facts: Facts = completedFacts()): ReturnType<typeof evaluateRules> {
  return evaluateRules(rules.map(compileRule), facts, facts.transcript && callSpeech());
}

describe('evaluating rules', () => {
  it('goes by order, then by name', () => {
    const { evaluations, matches } = evaluate([
      rule({ name: 'b' }),
      rule({ name: 'z', order: 1 }),
      rule({ name: 'a' }),
      rule({ name: 'B' }),
    ]);
    expect(evaluations.map(({ ruleName }) => ruleName)).toEqual(['z', 'B', 'a', 'b']);
    expect(matches.map(({ rule: { name } }) => name)).toEqual(['z', 'B', 'a', 'b']);
  });

  it('leaves disabled rules out', () => {
    expect(evaluate([rule({ enabled: false })]).evaluations).toEqual([]);
  });

  it('keeps an evaluation for a rule that did not match, with the reason', () => {
    const { evaluations, matches } = evaluate([rule({ name: 'r', version: 7, when: "speech.says('lawyer')" })]);
    expect(matches).toEqual([]);
    expect(evaluations).toEqual([
      {
        ruleId: 'r',
        ruleName: 'r',
        ruleVersion: 7,
        matched: false,
        conditions: [{ text: "speech.says('lawyer')", result: false, matches: [] }],
        matches: [],
      },
    ]);
  });

  it('hands the words that matched to the match', () => {
    const { matches } = evaluate([rule({ when: "speech.says('refund') && speech.says('resolved')" })]);
    expect(matches[0]?.evaluation.matches.map(({ text, start }) => [text, start])).toEqual([
      ['Refund,', 18],
      ['resolved', 92],
    ]);
  });

  it('names the same words once, although two conditions found them', () => {
    const { matches } = evaluate([rule({ when: "speech.says('refund') && speech.says('refund*')" })]);
    expect(matches[0]?.evaluation.matches).toHaveLength(1);
  });

  it('looks at no rule after one that matched with stop, and says which one it was', () => {
    const { evaluations, matches } = evaluate([
      rule({ name: 'first', order: 1, stop: true, when: 'false' }),
      rule({ name: 'second', order: 2, stop: true }),
      rule({ name: 'third', order: 3, stop: true }),
    ]);
    expect(matches.map(({ rule: { name } }) => name)).toEqual(['second']);
    expect(evaluations.map(({ skippedBy }) => skippedBy)).toEqual([undefined, undefined, 'second']);
    expect(evaluations[2]).toMatchObject({ matched: false, conditions: [] });
  });

  it('counts a rule that fails as not matched, even with stop, and goes on', () => {
    const { evaluations, matches } = evaluate([
      rule({ name: 'a', stop: true, when: 'transcript.speakers[9].talk > 1' }),
      rule({ name: 'b' }),
    ]);
    expect(matches.map(({ rule: { name } }) => name)).toEqual(['b']);
    expect(evaluations[0]).toMatchObject({ matched: false, error: 'there is no such item in transcript.speakers[9]' });
  });

  it('shows a stored rule that is not valid any more, and goes on', () => {
    const { evaluations, matches } = evaluate([rule({ name: 'a', when: 'transcript.gone == 1' }), rule({ name: 'b' })]);
    expect(evaluations[0]?.error).toContain('no field "gone"');
    expect(matches).toHaveLength(1);
  });

  it('survives facts that are not what they are declared to be', () => {
    const facts = completedFacts({ transcript: { duration: 'long' as unknown as number } });
    const { evaluations } = evaluate([rule({ when: 'transcript.duration > 3' })], facts);
    expect(evaluations[0]).toMatchObject({
      matched: false,
      error: 'a fact is of another type than the comparison needs in transcript.duration',
    });
  });

  it('puts no tag into an error', () => {
    const facts = completedFacts({ job: { tags: { amount: 'secret' } } });
    const { evaluations } = evaluate([rule({ when: 'double(job.tags.amount) > 3.0' })], facts);
    expect(evaluations[0]?.error).toBeDefined();
    expect(JSON.stringify(evaluations)).not.toContain('secret');
  });

  it('evaluates rules on failures without speech', () => {
    const facts: Facts = { job: completedFacts().job, failure: { code: 'UNREADABLE', message: 'no audio' } };
    const { matches } = evaluate([rule({ on: 'transcript.failed', when: "failure.code == 'UNREADABLE'" })], facts);
    expect(matches).toHaveLength(1);
  });

  it('gives the same result every time, whatever ran before', () => {
    const rules = [rule({ when: "speech.says('refund') || transcript.topics.exists(t, t == 'x')" })].map(compileRule);
    const run = (): unknown => evaluateRules(rules, completedFacts(), callSpeech());
    expect(run()).toEqual(run());
    const other = completedFacts({ transcript: { topics: ['x'] } });
    expect(evaluateRules(rules, other, callSpeech()).matches).toHaveLength(1);
  });
});

// Questions that differ in one view, word, number or order of arguments: the answer of one must never be given to another.
const view = fc.constantFrom(
  ...[
    '',
    ".by('0')",
    ".by('1')",
    ".by('1').first(15)",
    '.first(15)',
    '.first(1)',
    '.last(15)',
    '.last(1)',
    '.channel(0)',
  ],
  ...['.channel(1)', '.anyForm()', ".anyForm('de')", '.anyAccent()', '.confident(0.5)', '.confident(1)'],
);
const heard = fc.constantFrom(
  'refund',
  'refunds',
  'want',
  "don't want",
  'I * want',
  'resolved',
  'thank you',
  're*',
  '*olved',
);
const question = fc.oneof(
  heard.map((a) => `says("${a}")`),
  fc.tuple(heard, heard).map(([a, b]) => `saysAny(["${a}", "${b}"])`),
  fc.tuple(heard, heard, fc.constantFrom('0', '2', '5')).map(([a, b, n]) => `near("${a}", "${b}", ${n})`),
  fc.tuple(heard, heard, fc.constantFrom('2', '90.5')).map(([a, b, n]) => `then("${a}", "${b}", ${n})`),
  fc.tuple(heard, heard, fc.constantFrom('1', '3')).map(([a, b, n]) => `saysWithout("${a}", ["${b}"], ${n})`),
  fc.constantFrom('silence(3)', 'silence(71)', 'heard("refund")', 'heard("refund", 0.1)'),
);

describe('questions on speech', () => {
  it('come to the same whether they are asked alone, after many others, or inside an expression', () => {
    const asked = fc
      .tuple(fc.constantFrom('', '!'), view, question)
      .map(([not, on, what]) => `${not}speech${on}.${what}`);
    fc.assert(
      fc.property(fc.array(asked, { minLength: 1, maxLength: 30 }), (conditions) => {
        const named = conditions.map((when, i) => rule({ name: `rule ${String(i).padStart(2, '0')}`, when }));
        const together = evaluate(named).evaluations.map(({ matched, matches }) => ({ matched, matches }));
        const alone = named.map((one) => evaluate([one]).evaluations[0]);
        expect(together).toEqual(alone.map((one) => ({ matched: one?.matched, matches: one?.matches })));
        const inside = named.map((one) => evaluate([{ ...one, when: `(${one.when}) == true` }]).matches.length > 0);
        expect(inside).toEqual(together.map(({ matched }) => matched));
      }),
      { numRuns: 60 },
    );
  });
});

describe('the default rules', () => {
  const stored = DEFAULT_RULES.map((definition) => rule(definition));
  const on = (trigger: string): Rule[] => stored.filter((one) => one.on === trigger);

  it('e-mail when the job has an address, send an SMS when it has a number, and else nothing', () => {
    const names = (tags: Record<string, string>): string[] =>
      evaluate(on('transcript.completed'), completedFacts({ job: { tags } })).matches.map((match) => match.rule.name);
    expect(names({})).toEqual([]);
    expect(names({ email: 'a@b.co' })).toEqual(['email-on-completion']);
    expect(names({ email: 'a@b.co', phone: '+14155550100' })).toEqual(['email-on-completion', 'sms-preview']);
  });

  it('tell the operator of every failure', () => {
    const facts: Facts = { job: completedFacts().job, failure: { code: 'X', message: 'y' } };
    expect(evaluate(on('transcript.failed'), facts).matches).toHaveLength(1);
  });
});
