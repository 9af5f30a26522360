import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { HOUR, MINUTE } from '../../src/duration.js';
import { afterStep, startsOf, stepTaken, subjectOf } from '../../src/escalations/escalation.js';
import type { EscalationStep, RuleMatch } from '../../src/rules/rule.js';
import { rule } from '../support/rules.js';

const NOW = 1_700_000_000_000;
const STEPS: EscalationStep[] = [
  { after: '15m', actions: [] },
  { after: '2h', actions: [] },
];

function match(changes: Partial<RuleMatch['rule']>, step?: number): RuleMatch {
  const evaluation = { ruleId: 'r', ruleName: 'r', ruleVersion: 1, matched: true, conditions: [], matches: [] };
  return { rule: rule(changes), evaluation, ...(step === undefined ? {} : { step }) };
}

describe('what begins to escalate', () => {
  it('is every rule with steps that matched, with the wait for its first', () => {
    const matches = [match({ name: 'plain' }), match({ name: 'urgent', version: 7, escalate: STEPS })];
    expect(startsOf(matches)).toEqual([
      { ruleId: 'urgent', ruleName: 'urgent', ruleVersion: 7, steps: 2, waitMs: 15 * MINUTE },
    ]);
  });

  it('is not a step itself: an escalation does not begin anew with each', () => {
    expect(startsOf([match({ name: 'urgent', escalate: STEPS }, 1)])).toEqual([]);
  });
});

describe('what stands after a step', () => {
  it('is the next one, its wait counted from now, and after the last one nothing', () => {
    expect(afterStep(STEPS, 1, NOW)).toEqual({ state: 'open', nextAt: NOW + 2 * HOUR });
    expect(afterStep(STEPS, 2, NOW)).toEqual({ state: 'exhausted', nextAt: null });
  });

  it('comes to an end after as many steps as there are, each after the one before', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 5 }), (minutes) => {
        const steps = minutes.map((wait) => ({ after: `${String(wait)}m`, actions: [] }));
        let at = NOW;
        for (let step = 1; step <= steps.length; step++) {
          const { state, nextAt } = afterStep(steps, step, at);
          expect(state).toBe(step === steps.length ? 'exhausted' : 'open');
          if (nextAt !== null) expect(nextAt).toBeGreaterThan(at);
          at = nextAt ?? at;
        }
        expect(at - NOW).toBe(minutes.slice(1).reduce((sum, wait) => sum + wait, 0) * MINUTE);
      }),
    );
  });
});

describe('what is kept of a step', () => {
  it('does not grow with the group that nobody of could be reached', () => {
    const skipped = Array.from({ length: 10_000 }, (_, action) => ({ action, to: 'group:all', reason: 'no phone' }));
    const taken = stepTaken(1, NOW, 0, skipped);
    expect(taken).toMatchObject({ step: 1, at: NOW, deliveries: 0 });
    expect(taken.skipped).toHaveLength(50);
  });
});

describe('what an escalation is about', () => {
  it('is the job, or the delivery of it that died', () => {
    expect(subjectOf('job', undefined)).toBe('job');
    expect(subjectOf('job', null)).toBe('job');
    expect(subjectOf('job', 'delivery')).toBe('job:delivery');
  });
});
