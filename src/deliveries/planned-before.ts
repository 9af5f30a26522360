import { createHash } from 'node:crypto';
import type { Notification } from '../rules/plan.js';

/** A rule that a delivery speaks for beside its own. */
export interface AlsoFor {
  ruleId: string;
  ruleName: string;
  ruleVersion: number;
  /** Index into the actions of the rule. */
  action: number;
  /** Stands for the dedupe key of the notification, which holds the address. */
  key: string;
}

/** What is kept of a stored delivery's plan. */
export interface PlannedRow {
  ruleId: string;
  action: number;
  to: string;
  dedupeKey: string;
  alsoFor: AlsoFor[];
  /** Of a rule that escalates; null: of one that did not. */
  step: number | null;
}

/**
 * What of a job was planned before, be it as a delivery or as a part of one.
 * @param anyVersion also what an earlier version of the rule has planned for the same recipient counts, as on a replay
 * @returns whether a notification, which is not merged, is among it
 */
export function plannedBefore(
  rows: readonly PlannedRow[],
  anyVersion: boolean,
): (notification: Notification) => boolean {
  const keys = new Set<string>();
  for (const { ruleId, action, to, dedupeKey, alsoFor, step } of rows) {
    keys.add(keyOf(dedupeKey));
    for (const other of alsoFor) keys.add(other.key);
    if (anyVersion) for (const one of [{ ruleId, action }, ...alsoFor]) keys.add(placeOf(one, to, step));
  }
  return (notification) => {
    const { to, step = 0 } = notification;
    return (
      keys.has(keyOf(notification.dedupeKey)) ||
      (anyVersion && [step, null].some((of) => keys.has(placeOf(notification, to, of))))
    );
  };
}

/** The other rules and actions that a merged notification speaks for. */
export function alsoForOf({ parts = [] }: Notification): AlsoFor[] {
  return parts.slice(1).map(({ ruleId, ruleName, ruleVersion, action, dedupeKey }) => ({
    ruleId,
    ruleName,
    ruleVersion,
    action,
    key: keyOf(dedupeKey),
  }));
}

function keyOf(dedupeKey: string): string {
  return createHash('sha256').update(dedupeKey).digest('base64url').slice(0, 22);
}

function placeOf({ ruleId, action }: { ruleId: string; action: number }, to: string, step: number | null): string {
  return JSON.stringify([ruleId, action, to, step]);
}
