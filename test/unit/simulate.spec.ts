import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { compileRule, evaluateRules } from '../../src/rules/evaluate.js';
import type { Evaluation, Rule } from '../../src/rules/rule.js';
import { compileSets, judge, triggersOf, type RuleSets } from '../../src/rules/simulate.js';
import { toFacts } from '../../src/transcripts/facts.js';
import { toSpeech } from '../../src/transcripts/speech.js';
import type { Transcript } from '../../src/transcripts/transcript.js';
import { randomCall, randomRules, type RandomCall } from '../support/random-rules.js';
import { rule, spoken } from '../support/rules.js';
import { callTranscript } from '../support/transcript.js';

function occasionOf({ turns, tags }: RandomCall) {
  const words = turns.flatMap((turn, i) => spoken(turn.join(' '), { speaker: String(i % 2), from: i * 5 }));
  const transcript: Transcript = callTranscript(turns.map((turn) => turn.join(' ')).join('. '), {
    words,
    duration: turns.length * 5,
  });
  const job = { id: 'job-1', origin: 'api' as const, tags, options: {}, createdAt: 0 };
  return { facts: toFacts(job, { transcript }), speech: toSpeech(transcript) };
}

/** What a settle makes of it: every enabled rule of the set, in order. */
function settled(rules: readonly Rule[], { facts, speech }: ReturnType<typeof occasionOf>): Evaluation[] {
  const of = rules.filter(({ on }) => on === 'transcript.completed').map(compileRule);
  return evaluateRules(of, facts, speech).evaluations;
}

const matching = (evaluations: Evaluation[]): Evaluation[] => evaluations.filter(({ matched }) => matched);
const sets = randomRules.map((rules) => rules.map((one, i) => rule({ ...one, id: `id ${String(i)}`, version: 3 })));

describe('judging what has been by two sets of rules', () => {
  it('says of one rule what a settle under either set makes of it, and nothing of jobs where that is the same', () => {
    fc.assert(
      fc.property(
        sets,
        sets,
        fc.array(randomCall, { minLength: 1, maxLength: 4 }),
        fc.boolean(),
        (rules, drafts, calls, isNew) => {
          const [saved] = rules;
          const [draft] = drafts;
          if (!saved || !draft) return;
          const focus = isNew ? 'new' : saved.id;
          const changed: Rule = { ...draft, id: focus, version: 4, enabled: true, name: isNew ? 'z new' : saved.name };
          const proposed = isNew ? [...rules, changed] : rules.map((one) => (one === saved ? changed : one));
          const compiled = compileSets({ proposed, inForce: rules, focus });
          for (const call of calls) {
            const occasion = occasionOf(call);
            const judged = judge(compiled, 'transcript.completed', occasion.facts, occasion.speech);
            const would = matching(settled(proposed, occasion));
            const are = matching(settled(rules, occasion));
            const idle = judged.proposed.length === 0 && judged.inForce === undefined;
            // Left out only where there is nothing to tell: the rule plans nothing, and all others plan what they do.
            if (idle) {
              expect(would.some(({ ruleId }) => ruleId === focus)).toBe(false);
              expect(would).toEqual(are);
            } else {
              expect(judged.proposed).toEqual(would);
              expect(judged.inForce ?? judged.proposed).toEqual(are);
            }
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  it('says of a whole set what a settle makes of every job, under it and under the rules in force', () => {
    fc.assert(
      fc.property(sets, sets, randomCall, (proposed, inForce, call) => {
        const occasion = occasionOf(call);
        const compiled = compileSets({ proposed, inForce });
        const judged = judge(compiled, 'transcript.completed', occasion.facts, occasion.speech);
        expect(judged.proposed).toEqual(matching(settled(proposed, occasion)));
        expect(judged.inForce ?? judged.proposed).toEqual(matching(settled(inForce, occasion)));
        const faults = settled(proposed, occasion).filter(({ error }) => error !== undefined);
        expect(judged.faults).toEqual(faults.map(({ ruleName, error }) => ({ ruleName, error })));
      }),
      { numRuns: 300 },
    );
  });

  const REFUND = occasionOf({ turns: [['refund', 'thanks']], tags: { amount: 'many' } });
  const judgeRefund = (set: RuleSets) => judge(compileSets(set), 'transcript.completed', REFUND.facts, REFUND.speech);
  const listens = (changes: Parameters<typeof rule>[0]): Rule => rule({ when: "speech.says('refund')", ...changes });

  it('tells which rule with stop kept the one that is looked at from being reached', () => {
    const first = listens({ name: 'first', stop: true, order: 1 });
    const focus = listens({ name: 'focus', order: 2 });
    const judged = judgeRefund({ proposed: [first, focus], inForce: [first], focus: 'focus' });
    expect(judged.stoppedBy).toBe('first');
    expect(judged.proposed.map(({ ruleName }) => ruleName)).toEqual(['first']);
  });

  it('tells what a rule that gets a stop takes from those behind it', () => {
    const behind = listens({ name: 'behind', order: 2 });
    const before = listens({ name: 'focus', order: 1 });
    const after = { ...before, stop: true, version: 2 };
    const judged = judgeRefund({ proposed: [after, behind], inForce: [before, behind], focus: 'focus' });
    expect(judged.proposed.map(({ ruleName }) => ruleName)).toEqual(['focus']);
    expect(judged.inForce?.map(({ ruleName }) => ruleName)).toEqual(['focus', 'behind']);
  });

  it('tells of a rule in force that would not match any more', () => {
    const before = listens({ name: 'focus' });
    const after = { ...before, when: "speech.says('parcel')", version: 2 };
    const judged = judgeRefund({ proposed: [after], inForce: [before], focus: 'focus' });
    expect(judged.proposed).toEqual([]);
    expect(judged.inForce?.map(({ ruleName }) => ruleName)).toEqual(['focus']);
  });

  it('tells of a rule that fails, and looks only at the rules of the trigger', () => {
    const fails = rule({ name: 'focus', when: 'int(job.tags.amount) > 3' });
    const other = rule({ name: 'other', on: 'job.overdue' });
    const set = { proposed: [fails, other], inForce: [other], focus: 'focus' };
    expect(judgeRefund(set).faults).toEqual([{ ruleName: 'focus', error: expect.any(String) }]);
    expect(triggersOf(set)).toEqual(['transcript.completed']);
    expect(triggersOf({ proposed: set.proposed, inForce: set.inForce })).toEqual([
      'transcript.completed',
      'job.overdue',
    ]);
  });
});
