import { describe, expect, it } from '@jest/globals';
import { DAY, HOUR } from '../../src/duration.js';
import { compileRule } from '../../src/rules/evaluate.js';
import { adviceFor, ruleFindings, type RuleCounts } from '../../src/rules/rule-health.js';
import type { RuleDefinition } from '../../src/rules/rule.js';
import { rule } from '../support/rules.js';

const NOW = 1_700_000_000_000;
const SAYS = "speech.says('refund')";

function findings(counts: Partial<RuleCounts>, changes: Partial<RuleDefinition> = {}, age = 30 * DAY): string[] {
  const one = { ...rule({ when: SAYS, ...changes }), updatedAt: NOW - age };
  return ruleFindings(compileRule(one), { evaluated: 0, matched: 0, failed: 0, ...counts }, NOW);
}

describe('the health of a rule', () => {
  it('is good when it matches now and then', () => {
    expect(findings({ evaluated: 100, matched: 3 })).toEqual([]);
    expect(adviceFor([], { evaluated: 100, matched: 3, failed: 0 })).toBeNull();
  });

  it('tells of a rule that never fires, once it was looked at often enough', () => {
    expect(findings({ evaluated: 19 })).toEqual([]);
    expect(findings({ evaluated: 20 })).toEqual(['never-fires']);
    expect(findings({ evaluated: 20 }, { enabled: false })).toEqual([]);
  });

  it('tells of a rule that fires on most jobs, unless it is meant to fire on all', () => {
    expect(findings({ evaluated: 100, matched: 50 })).toEqual([]);
    expect(findings({ evaluated: 100, matched: 51 })).toEqual(['fires-on-most']);
    expect(findings({ evaluated: 100, matched: 100 }, { when: 'true' })).toEqual([]);
  });

  it('tells of a rule that fails, be it only once, and does not call it one that never fires', () => {
    const counts = { evaluated: 200, matched: 0, failed: 1 };
    expect(findings(counts)).toEqual(['fails']);
    expect(adviceFor(['fails'], counts)).toContain('1 of 200 jobs');
  });

  it('tells of a condition that is not valid any more, also of a rule that is switched off', () => {
    expect(findings({}, { when: 'transcript.gone == 1' })).toEqual(['fails']);
    expect(findings({}, { when: 'transcript.gone == 1', enabled: false })).toEqual(['disabled-with-problem']);
  });

  it('tells of a rule that was changed in the last two days, after what is graver', () => {
    expect(findings({ evaluated: 30, failed: 30 }, {}, HOUR)).toEqual(['fails', 'changed-lately']);
    expect(findings({}, {}, 2 * DAY)).toEqual([]);
  });
});
