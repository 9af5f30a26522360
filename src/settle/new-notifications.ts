import type { Notification } from '../rules/plan.js';

/** What tells a message of a job from another, whatever version of its rule planned it. */
export type Planned = Pick<Notification, 'ruleId' | 'kind' | 'to' | 'template'>;

/**
 * Those of a plan that nobody was told of before. A rule that has sent one message to a person sends a second one only when it
 * plans two: one that was changed, or has its actions in another order, tells nobody twice.
 * @param plan not merged: a message may tell of a rule that told before, and of one that did not
 * @param before everything that was planned for the job, in any state
 */
export function newNotifications<N extends Planned>(plan: readonly N[], before: readonly Planned[]): N[] {
  const told = new Map<string, Planned[]>();
  for (const one of before) told.set(keyOf(one), [...(told.get(keyOf(one)) ?? []), one]);
  // The same template is the same message; what is left over stands for one whose template was changed.
  const others = plan.filter((one) => !take(told.get(keyOf(one)), ({ template }) => template === one.template));
  return others.filter((one) => !take(told.get(keyOf(one)), () => true));
}

function keyOf({ ruleId, kind, to }: Planned): string {
  return JSON.stringify([ruleId, kind, to.toLowerCase()]);
}

function take(from: Planned[] | undefined, fits: (one: Planned) => boolean): boolean {
  const index = from?.findIndex(fits) ?? -1;
  if (index >= 0) from?.splice(index, 1);
  return index >= 0;
}
