/** What can be masked. */
export const REDACTION_KINDS = ['cards', 'numbers', 'phones', 'emails', 'names', 'addresses', 'pattern'] as const;
export type RedactionKind = (typeof REDACTION_KINDS)[number];

export interface RedactionRule {
  kind: RedactionKind;
  /** Stands in the place of what is masked; absent: {@link REPLACEMENTS}. */
  replacement?: string | undefined;
  /** `numbers`: runs of fewer digits stay; absent: {@link MIN_DIGITS}. */
  minDigits?: number | undefined;
  /** `pattern`: re2 syntax. */
  pattern?: string | undefined;
}

/** A policy in force, with what its rules have to know for one message. Plain data: it goes to the threads that apply it. */
export interface AppliedPolicy {
  version: number;
  rules: RedactionRule[];
  /** Of people, as they are written. */
  names: string[];
  /** Postal addresses, as they were said. */
  addresses: string[];
}

/** How many places of a message were masked. */
export interface Masked {
  kind: RedactionKind;
  count: number;
}

/** One character each stands for what a rule masked; see `masker.ts`. */
export const MOST_RULES = 20;

export const MIN_DIGITS = 5;

export const REPLACEMENTS: Readonly<Record<RedactionKind, string>> = {
  cards: '[card]',
  numbers: '[number]',
  phones: '[phone]',
  emails: '[email]',
  names: '[name]',
  addresses: '[address]',
  pattern: '[redacted]',
};

export function replacementOf(rule: RedactionRule): string {
  return rule.replacement ?? REPLACEMENTS[rule.kind];
}

/** Sums by kind, in one order; kinds without any are left out. */
export function maskedOf(counts: ReadonlyMap<RedactionKind, number>): Masked[] {
  return REDACTION_KINDS.flatMap((kind) => {
    const count = counts.get(kind) ?? 0;
    return count > 0 ? [{ kind, count }] : [];
  });
}

export function sumOf(...lists: readonly (readonly Masked[])[]): Masked[] {
  const counts = new Map<RedactionKind, number>();
  for (const { kind, count } of lists.flat()) counts.set(kind, (counts.get(kind) ?? 0) + count);
  return maskedOf(counts);
}
