import type { RuleMatch } from './rule.js';

/**
 * A match with the actions of one of its steps in the place of the rule's own.
 * @param step from 1
 * @returns undefined when the rule has no such step
 */
export function atStep(match: RuleMatch, step: number): (RuleMatch & { step: number }) | undefined {
  const actions = match.rule.escalate?.[step - 1]?.actions;
  return actions && { ...match, rule: { ...match.rule, actions }, step };
}

/** A match once for its own actions, and once for each step that would follow. */
export function withSteps(match: RuleMatch): RuleMatch[] {
  return [match, ...(match.rule.escalate ?? []).flatMap((_step, index) => atStep(match, index + 1) ?? [])];
}
