import { z } from 'zod';
import { pageQuery } from '../http/page.js';
import type { Rule } from './rule.js';

/** Where a list of rules goes on: after the rule that stood there, whether it still exists or not. */
export interface Place {
  order: number;
  name: string;
}

const place = z.strictObject({ order: z.int(), name: z.string().max(100) });

const cursor = z
  .string()
  .max(500)
  .transform((text, context): Place => {
    const parsed = place.safeParse(decode(text));
    if (parsed.success) return parsed.data;
    context.addIssue({ code: 'custom', message: 'must be a nextCursor of an earlier page' });
    return z.NEVER;
  });

export const listRules = z.strictObject({ limit: pageQuery.limit, cursor: cursor.optional() });
export type ListRules = z.output<typeof listRules>;

/** Rules in the order in which they are evaluated: `order`, then name. Names are unique. */
export function compareRules(a: Place, b: Place): number {
  return a.order - b.order || (a.name === b.name ? 0 : a.name < b.name ? -1 : 1);
}

/** @param rules in order; @returns those of the page, and the cursor of the next one */
export function pageOfRules<R extends { rule: Rule }>(
  rules: readonly R[],
  { limit, cursor: after }: ListRules,
): { items: R[]; nextCursor?: string } {
  const rest = after === undefined ? rules : rules.filter(({ rule }) => compareRules(rule, after) > 0);
  const items = rest.slice(0, limit);
  const last = items.at(-1);
  return { items, ...(rest.length > limit && last ? { nextCursor: encode(last.rule) } : {}) };
}

function encode({ order, name }: Place): string {
  return Buffer.from(JSON.stringify({ order, name })).toString('base64url');
}

function decode(text: string): unknown {
  try {
    return JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
  } catch {
    return undefined;
  }
}
