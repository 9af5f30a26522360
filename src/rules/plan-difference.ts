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
 * Compares by what makes a notification the same whatever the version of its rule: rule, action, kind and address.
 * @param before the plan of the rules in force
 */
export function differenceOf(before: readonly Notification[], after: readonly Notification[]): PlanDifference {
  const had = new Map(before.map((one) => [identityOf(one), one]));
  const has = new Map(after.map((one) => [identityOf(one), one]));
  return {
    added: after.filter((one) => !had.has(identityOf(one))),
    removed: before.filter((one) => !has.has(identityOf(one))),
    changed: after.flatMap((one) => {
      const old = had.get(identityOf(one));
      return old === undefined || contentOf(old) === contentOf(one) ? [] : [{ before: old, after: one }];
    }),
  };
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
  ...content
}: Notification) {
  return JSON.stringify(content);
}
