import type { CompiledRule } from './evaluate.js';
import type { Rule } from './rule.js';

/** A rule as the API shows it; times are ISO 8601. */
export type ShownRule = Omit<Rule, 'createdAt' | 'updatedAt'> & {
  createdAt: string;
  updatedAt: string;
  /** Why the rule, valid when it was saved, cannot run any more. */
  problem?: string;
};

export function showRule({ rule, fault }: CompiledRule): ShownRule {
  return {
    ...rule,
    createdAt: new Date(rule.createdAt).toISOString(),
    updatedAt: new Date(rule.updatedAt).toISOString(),
    ...(fault === undefined ? {} : { problem: fault }),
  };
}
