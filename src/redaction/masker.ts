import { RE2JS } from 're2js';
import { findCards, findNumbers, findPhones, type Place } from './digits.js';
import { findEmails } from './emails.js';
import { Phrases } from './phrases.js';
import {
  MIN_DIGITS,
  MOST_RULES,
  replacementOf,
  type AppliedPolicy,
  type RedactionKind,
  type RedactionRule,
} from './policy.js';
import { toReadable } from './readable.js';

/** A place of a text that a rule masks. */
export interface Span extends Place {
  /** Index in the policy. */
  rule: number;
}

/**
 * What is masked before a message is rendered becomes one character, so that no cut leaves half of it: a noncharacter of Unicode's for each
 * rule, which no text holds. {@link spellMarks} turns it into the rule's replacement.
 */
const FIRST_MARK = 0xfdd0;
const MARKS = /[\ufdd0-\ufdef]/g;
/** Stands in the place of what must not be read: nothing goes on over it. */
const HOLE = '\uffff';

type Finder = (text: string) => Place[];

/** A policy made ready. Pure, and without a memory of what it masked. */
export class Masker {
  private readonly finders: Finder[];
  private readonly rules: readonly RedactionRule[];

  /** @throws Error for a rule that cannot be applied: too many, of an unknown kind, or with a pattern that re2 does not take */
  constructor(policy: AppliedPolicy) {
    if (policy.rules.length > MOST_RULES) throw new RangeError('too many rules');
    this.finders = policy.rules.map((rule) => finderOf(rule, policy));
    this.rules = policy.rules;
  }

  kindOf(rule: number): RedactionKind {
    return this.rules[rule]?.kind ?? 'pattern';
  }

  /**
   * Places to mask, in order and apart. Where several rules meet they are one place, of the rule that comes first in the policy.
   * @param keep texts that stay as they are, wherever they stand: Herald's own links
   */
  find(text: string, keep: readonly string[] = []): Span[] {
    const kept = placesOf(text, keep);
    const { text: readable, sourceOf } = toReadable(withHoles(text, kept));
    const spans: Span[] = [...readable.matchAll(MARKS)].map(({ 0: mark, index }) => ({
      ...sourceOf(index, index + 1),
      rule: mark.charCodeAt(0) - FIRST_MARK,
    }));
    this.finders.forEach((find, rule) => {
      for (const { start, end } of find(readable)) if (end > start) spans.push({ ...sourceOf(start, end), rule });
    });
    return apart(joined(spans), kept);
  }

  /** The text with a mark in each place, for {@link spellMarks}. */
  mark(text: string): string {
    return spread([text], '', this.find(text), markOf)[0] ?? '';
  }

  replacement(rule: number): string {
    const known = this.rules[rule];
    return known ? replacementOf(known) : '';
  }
}

/** The text with its marks as people read them. @param each told of the rule of each mark */
export function spellMarks(
  text: string,
  rules: readonly RedactionRule[],
  each?: (rule: RedactionRule) => void,
): string {
  return text.replace(MARKS, (mark) => {
    const rule = rules[mark.charCodeAt(0) - FIRST_MARK];
    if (!rule) return '';
    each?.(rule);
    return replacementOf(rule);
  });
}

export function isMarked(text: string): boolean {
  return text.search(MARKS) >= 0;
}

export function markOf({ rule }: Pick<Span, 'rule'>): string {
  return String.fromCharCode(FIRST_MARK + rule);
}

/** Takes out of a text what would look like a mark. */
export function withoutMarks(text: string): string {
  return text.replace(MARKS, '');
}

/**
 * Writes over the places of pieces that people read as one text, each replacement into the piece in which its place begins.
 * @param between what stands between two pieces
 */
export function spread(
  pieces: readonly string[],
  between: string,
  spans: readonly Span[],
  replacement: (span: Span) => string,
): string[] {
  if (spans.length === 0) return [...pieces];
  const written: string[] = [];
  let offset = 0;
  let next = 0;
  for (const piece of pieces) {
    const end = offset + piece.length;
    let text = '';
    let at = offset;
    for (; next < spans.length; next++) {
      const span = spans[next];
      if (!span || span.start >= end) break;
      text += piece.slice(at - offset, Math.max(at, span.start) - offset);
      if (span.start >= offset) text += replacement(span);
      at = Math.max(at, Math.min(end, span.end));
      if (span.end > end) break;
    }
    written.push(text + piece.slice(at - offset));
    offset = end + between.length;
  }
  return written;
}

function finderOf(
  { kind, minDigits = MIN_DIGITS, pattern = '' }: AppliedPolicy['rules'][number],
  policy: AppliedPolicy,
): Finder {
  switch (kind) {
    case 'cards':
      return findCards;
    case 'numbers':
      return (text) => findNumbers(text, minDigits);
    case 'phones':
      return findPhones;
    case 'emails':
      return findEmails;
    case 'names': {
      const names = new Phrases(policy.names, true);
      return (text) => names.find(text);
    }
    case 'addresses': {
      const addresses = new Phrases(policy.addresses, false);
      return (text) => addresses.find(text);
    }
    case 'pattern': {
      const compiled = RE2JS.compile(pattern);
      return (text) => findPattern(compiled, text);
    }
    default:
      throw new TypeError(`unknown kind ${String(kind)}`);
  }
}

function findPattern(pattern: RE2JS, text: string): Place[] {
  const matcher = pattern.matcher(text);
  const found: Place[] = [];
  while (matcher.find()) found.push({ start: matcher.start(), end: matcher.end() });
  return found;
}

/** Where these texts stand. A link goes on to the place in the transcript that it leads to. */
function placesOf(text: string, keep: readonly string[]): Place[] {
  const places: Place[] = [];
  for (const one of keep) {
    if (one === '') continue;
    for (let start = text.indexOf(one); start >= 0; start = text.indexOf(one, start + one.length)) {
      const anchor = /^#t\d{1,9}(?!\w)/.exec(text.slice(start + one.length, start + one.length + 12))?.[0] ?? '';
      places.push({ start, end: start + one.length + anchor.length });
    }
  }
  return places;
}

function withHoles(text: string, places: readonly Place[]): string {
  let read = text;
  for (const { start, end } of places) read = read.slice(0, start) + HOLE.repeat(end - start) + read.slice(end);
  return read;
}

function joined(spans: Span[]): Span[] {
  const all: Span[] = [];
  for (const span of spans.sort((a, b) => a.start - b.start || b.end - a.end)) {
    const last = all.at(-1);
    if (last && span.start < last.end) {
      last.end = Math.max(last.end, span.end);
      last.rule = Math.min(last.rule, span.rule);
    } else {
      all.push({ ...span });
    }
  }
  return all;
}

/** What a pattern took of a kept place is given back. */
function apart(spans: Span[], kept: readonly Place[]): Span[] {
  return kept.reduce(
    (rest, { start, end }) =>
      rest.flatMap((span) =>
        span.end <= start || span.start >= end
          ? [span]
          : [
              ...(span.start < start ? [{ ...span, end: start }] : []),
              ...(span.end > end ? [{ ...span, start: end }] : []),
            ],
      ),
    spans,
  );
}
