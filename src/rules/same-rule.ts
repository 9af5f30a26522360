import { canonicalJson, isObject } from '../json.js';
import type { RuleDefinition } from './rule.js';
import { RuleSchema } from './rule.schema.js';

/**
 * The saved rule of that name, when the input says the same. It needs no other check: what it names may be gone since, and it is there
 * all the same.
 */
export function sameAsSaved(
  input: unknown,
  saved: (name: string) => RuleDefinition | undefined,
): RuleDefinition | undefined {
  const there = isObject(input) && typeof input.name === 'string' ? saved(input.name) : undefined;
  if (!there) return undefined;
  const parsed = RuleSchema.safeParse(input);
  return parsed.success && canonicalJson(parsed.data) === canonicalJson(there) ? there : undefined;
}
