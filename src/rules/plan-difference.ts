import { apart } from './merge.js';
import type { Notification } from './plan.js';

/** The same notification in both plans, but not the same message or time. */
export interface Change {
  before: Notification;
  after: Notification;
}

/** What one plan of an occasion has that another has not, each in the order of its plan. */
export interface PlanDifference {
  added: Notification[];
  removed: Notification[];
  changed: Change[];
}

/**
 * Compares by what makes a notification the same whatever the version of its rule: rule, action, kind and address. A message for several
 * rules is the same as one for some of them.
 * @param before the plan of the rules in force
 */
export function differenceOf(before: readonly Notification[], after: readonly Notification[]): PlanDifference {
  const had = byPart(before);
  const has = byPart(after);
  return {
    added: after.filter((one) => !foundIn(had, one)),
    removed: before.filter((one) => !foundIn(has, one)),
    changed: after.flatMap((one) => {
      const old = foundIn(had, one);
      return old === undefined || contentOf(old) === contentOf(one) ? [] : [{ before: old, after: one }];
    }),
  };
}

function byPart(plan: readonly Notification[]): Map<string, Notification> {
  return new Map(plan.flatMap((one) => apart(one).map((part) => [identityOf(part), one] as const)));
}

function foundIn(plan: ReadonlyMap<string, Notification>, one: Notification): Notification | undefined {
  for (const part of apart(one)) {
    const found = plan.get(identityOf(part));
    if (found) return found;
  }
  return undefined;
}

function identityOf({ ruleId, action, kind, to }: Notification): string {
  return JSON.stringify([ruleId, action, kind, to]);
}

/** What the recipient would notice; other words that matched are no other message. */
function contentOf({
  dedupeKey: _key,
  ruleVersion: _version,
  ruleName: _name,
  matches: _words,
  parts: _parts,
  alone: _alone,
  throttle: _throttle,
  ruleId: _rule,
  action: _action,
  ...content
}: Notification) {
  return JSON.stringify(content);
}
