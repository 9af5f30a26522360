import { DAY, parseDuration } from '../duration.js';
import type { EscalationStep, RuleMatch } from '../rules/rule.js';

/**
 * `open`: a step is still to come; `acknowledged`: somebody takes care of it; `exhausted`: all steps were sent and nobody has
 * acknowledged yet; `stopped`: its rule is not there any more.
 */
export const ESCALATION_STATES = ['open', 'acknowledged', 'exhausted', 'stopped'] as const;
export type EscalationState = (typeof ESCALATION_STATES)[number];

/** A recipient of a step that nothing was planned for. */
export interface SkippedInStep {
  action: number;
  /** As the rule names it. */
  to: string;
  reason: string;
}

/** A step that was planned. */
export interface StepTaken {
  /** From 1. */
  step: number;
  /** Epoch milliseconds. */
  at: number;
  /** How many deliveries it made. */
  deliveries: number;
  skipped: SkippedInStep[];
}

/** An escalation that begins with the messages of a rule. */
export interface EscalationStart {
  ruleId: string;
  ruleName: string;
  ruleVersion: number;
  /** How many steps follow. */
  steps: number;
  /** Milliseconds until the first of them. */
  waitMs: number;
}

/** How an escalation stands after a step. */
export interface AfterStep {
  state: 'open' | 'exhausted';
  /** Epoch milliseconds. */
  nextAt: number | null;
}

/** Skipped recipients that are kept of one step. */
const SKIPPED_MAX = 50;

/** What begins with these matches: one escalation for each rule that has steps. */
export function startsOf(matches: readonly RuleMatch[]): EscalationStart[] {
  return matches.flatMap(({ rule, step }) => {
    const [first] = rule.escalate ?? [];
    if (first === undefined || step !== undefined) return [];
    return [
      {
        ruleId: rule.id,
        ruleName: rule.name,
        ruleVersion: rule.version,
        steps: rule.escalate?.length ?? 0,
        waitMs: waitOf(first),
      },
    ];
  });
}

/** Milliseconds for which a step waits after the one before it. The time was checked when the rule was saved. */
function waitOf({ after }: EscalationStep): number {
  return parseDuration(after) ?? DAY;
}

/**
 * What stands after a step was taken.
 * @param steps of the rule, in their order
 * @param step the one that is taken now, from 1
 * @param now epoch milliseconds; the next wait is counted from here, so that steps that are late do not come all at once
 */
export function afterStep(steps: readonly EscalationStep[], step: number, now: number): AfterStep {
  const next = steps[step];
  return next === undefined ? { state: 'exhausted', nextAt: null } : { state: 'open', nextAt: now + waitOf(next) };
}

/** A step as it is kept in the history: a group of thousands must not make the row large. */
export function stepTaken(step: number, at: number, deliveries: number, skipped: readonly SkippedInStep[]): StepTaken {
  return {
    step,
    at,
    deliveries,
    skipped: skipped.slice(0, SKIPPED_MAX).map(({ action, to, reason }) => ({ action, to, reason })),
  };
}

/** Job, or job and the delivery that the rule fired for. */
export function subjectOf(jobId: string, aboutDeliveryId: string | null | undefined): string {
  return aboutDeliveryId ? `${jobId}:${aboutDeliveryId}` : jobId;
}
