import { RE2JS } from 're2js';
import { z } from 'zod';
import { MOST_RULES, REDACTION_KINDS } from './policy.js';

export const channelName = z.string().min(1).max(64);

const replacement = z
  .string()
  .min(1, { error: 'must not be empty: a reader should see that something was there' })
  .max(50, { error: 'has at most 50 characters' })
  .refine((text) => !/[<>\p{Cc}\p{Cn}\p{Surrogate}\u2028\u2029]/u.test(text), {
    error: 'is one line without < and >',
  });

const rule = z
  .strictObject({
    kind: z.enum(REDACTION_KINDS),
    replacement: replacement.optional(),
    /** `numbers` only: runs of fewer digits stay. */
    minDigits: z.int().min(2).max(30).optional(),
    /** `pattern` only: re2 syntax. */
    pattern: z.string().min(1).max(500, { error: 'has at most 500 characters' }).optional(),
  })
  .superRefine(({ kind, minDigits, pattern }, context) => {
    const problem = (path: string, message: string): void => {
      context.addIssue({ code: 'custom', path: [path], message });
    };
    if (minDigits !== undefined && kind !== 'numbers')
      problem('minDigits', 'is for the kind "numbers" only: leave it out');
    if (pattern !== undefined && kind !== 'pattern') problem('pattern', 'is for the kind "pattern" only: leave it out');
    if (kind !== 'pattern') return;
    const wrong =
      pattern === undefined ? 'is missing: the kind "pattern" needs one, in re2 syntax' : problemOf(pattern);
    if (wrong !== undefined) problem('pattern', wrong);
  });

const rules = z
  .array(rule)
  .min(1, { error: 'needs at least one rule; delete the policy to mask nothing' })
  .max(MOST_RULES, { error: `has at most ${String(MOST_RULES)} rules` })
  .superRefine((all, context) => {
    all.forEach(({ kind }, i) => {
      const isTwice = kind !== 'pattern' && all.findIndex((other) => other.kind === kind) < i;
      if (isTwice) context.addIssue({ code: 'custom', path: [i, 'kind'], message: `"${kind}" is there twice` });
    });
  });

const EXAMPLE = [
  { kind: 'cards' as const },
  { kind: 'numbers' as const, minDigits: 6 },
  { kind: 'pattern' as const, pattern: '(?i)project [a-z]+', replacement: '[project]' },
];

export const policyBody = z
  .strictObject({ enabled: z.boolean().default(true), rules })
  .meta({ examples: [{ enabled: true, rules: EXAMPLE }] });
export type PolicyBody = z.output<typeof policyBody>;

export const checkBody = z
  .strictObject({ rules, text: z.string().max(20_000, { error: 'has at most 20000 characters' }) })
  .meta({ examples: [{ rules: EXAMPLE, text: 'My card is 4111 1111 1111 1111.' }] });
export type CheckBody = z.output<typeof checkBody>;

export const shownMasked = z.array(z.object({ kind: z.enum(REDACTION_KINDS), count: z.int() }));

export const shownChecked = z.object({ text: z.string(), masked: shownMasked });
export type ShownChecked = z.infer<typeof shownChecked>;

export const shownPolicy = z.object({
  channel: z.string(),
  version: z.int(),
  enabled: z.boolean(),
  rules: z.array(
    z.object({
      kind: z.enum(REDACTION_KINDS),
      replacement: z.string().optional(),
      minDigits: z.int().optional(),
      pattern: z.string().optional(),
    }),
  ),
  author: z.string(),
  updatedAt: z.iso.datetime(),
});
export type ShownPolicy = z.infer<typeof shownPolicy>;

/** @returns what is wrong with a pattern, in plain words */
function problemOf(pattern: string): string | undefined {
  try {
    return RE2JS.compile(pattern).matcher('').find() ? 'must not match the empty text' : undefined;
  } catch (error) {
    const reason = error instanceof Error ? error.message.replace(/^error parsing regexp: /, '') : 'it cannot be read';
    return `is not re2 syntax: ${reason}`;
  }
}
