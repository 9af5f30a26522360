import type { CompiledRule } from './evaluate.js';
import { DAY } from '../duration.js';

/** What is worth a look at a rule. */
export const FINDINGS = ['never-fires', 'fires-on-most', 'fails', 'changed-lately', 'disabled-with-problem'] as const;
export type Finding = (typeof FINDINGS)[number];

/** What came of a version of a rule. Jobs at which an earlier rule had stopped are left out. */
export interface RuleCounts {
  evaluated: number;
  matched: number;
  /** The condition could not be evaluated. */
  failed: number;
}

/** Fewer evaluations say nothing of a rule. */
const ENOUGH = 20;
/** Above this share a rule fires on most calls. */
const MOST = 0.5;
const LATELY = 2 * DAY;

const ADVICE: Readonly<Record<Finding, (counts: RuleCounts) => string>> = {
  fails: ({ failed, evaluated }) =>
    failed === 0
      ? 'Its condition is not valid any more: open the rule for its problem, and save it anew.'
      : `Its condition could not be evaluated for ${String(failed)} of ${String(evaluated)} jobs, which count as not matched: GET /v1/jobs/{id}/evaluations?outcome=failed shows where, and has() guards what may be absent.`,
  'disabled-with-problem': () =>
    'It is switched off, and its condition is not valid any more: mend it before it is switched on, or delete it.',
  'never-fires': ({ evaluated }) =>
    `It matched none of ${String(evaluated)} jobs: GET /v1/jobs/{id}/explain?rule=… on one that it should have matched says which part is in the way.`,
  'fires-on-most': ({ matched, evaluated }) =>
    `It matched ${String(matched)} of ${String(evaluated)} jobs: if that is not meant, its condition is too wide.`,
  'changed-lately': () =>
    'It was changed in the last two days: look at what it does; POST /v1/rules/{id}/rollback undoes the change.',
};

/**
 * What is to be said of a rule, the gravest first.
 * @param counts of the version in force, over the window that was asked for
 * @param now epoch milliseconds
 */
export function ruleFindings({ rule, fault }: CompiledRule, counts: RuleCounts, now: number): Finding[] {
  const { evaluated, matched, failed } = counts;
  const found: Record<Finding, boolean> = {
    fails: rule.enabled && (failed > 0 || fault !== undefined),
    'disabled-with-problem': !rule.enabled && fault !== undefined,
    'never-fires': rule.enabled && matched === 0 && failed === 0 && evaluated >= ENOUGH,
    // One that always holds is meant to.
    'fires-on-most': rule.enabled && evaluated >= ENOUGH && matched > MOST * evaluated && rule.when.trim() !== 'true',
    'changed-lately': now - rule.updatedAt < LATELY,
  };
  return (Object.keys(found) as Finding[]).filter((finding) => found[finding]);
}

/** What to do about it, one sentence for each finding; null when there is nothing to do. */
export function adviceFor(findings: readonly Finding[], counts: RuleCounts): string | null {
  return findings.length === 0 ? null : findings.map((finding) => ADVICE[finding](counts)).join(' ');
}
