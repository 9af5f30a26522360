import { findDigits, findGroups } from './digits.js';
import { markOf, spread, withoutMarks, type Masker, type Span } from './masker.js';
import { toReadable } from './readable.js';

/** Fewer digits of a masked number than this tell nothing. */
const TELLING_DIGITS = 3;
const TELLING_LETTERS = 3;
/** The same among other digits, of which some are by chance as in the number. */
const TELLING_AMONG_OTHERS = 5;
/** Longer texts are no quotes: they are masked place by place. */
const LONGEST_QUOTE = 200;

interface Taken {
  /** Its words as they are compared. */
  words: string;
  /** All its digits, also those said. */
  digits: string;
  rule: number;
}

/**
 * Texts that were cut out of what was said, or made of it (matched words, snippets, summaries): half of a card number is no card number,
 * but it stands in one. So what is part of something that was masked in the whole is masked here too.
 */
export class Fragments {
  private readonly taken = new Map<string, Taken>();

  constructor(private readonly masker: Masker) {}

  /** Learns what is masked in a whole. */
  learn(whole: string, spans: readonly Span[]): void {
    for (const { start, end, rule } of spans) {
      const { text } = toReadable(withoutMarks(whole.slice(start, end)));
      const words = wordsOf(text);
      if (words === '' || this.taken.has(words)) continue;
      const digits = findDigits(text).map((run) => run.digits);
      this.taken.set(words, { words, digits: digits.join(''), rule });
    }
  }

  mark(fragment: string): string {
    const marked = this.masker.mark(withoutMarks(fragment));
    if (this.taken.size === 0) return marked;
    const told = this.markDigits(this.markGroups(marked));
    const rule = told.length <= LONGEST_QUOTE ? this.ruleOf(wordsOf(told)) : undefined;
    return rule === undefined ? told : markOf({ rule });
  }

  private markDigits(text: string): string {
    const { text: readable, sourceOf } = toReadable(text);
    const spans: Span[] = [];
    for (const { start, end, digits } of findDigits(readable)) {
      if (digits.length < TELLING_DIGITS) continue;
      for (const taken of this.taken.values()) {
        if (!taken.digits.includes(digits)) continue;
        spans.push({ ...sourceOf(start, end), rule: taken.rule });
        break;
      }
    }
    return spread([text], '', spans, markOf)[0] ?? '';
  }

  /** Groups in a row that a list is written like (`4, 00, 04`), with or without others around them. */
  private markGroups(text: string): string {
    const { text: readable, sourceOf } = toReadable(text);
    const spans: Span[] = [];
    for (const groups of findGroups(readable)) {
      for (let first = 0; first < groups.length; first++) {
        const found = this.longestFrom(groups, first);
        if (!found) continue;
        spans.push({ ...sourceOf(groups[first]?.start ?? 0, groups[found.last]?.end ?? 0), rule: found.rule });
        first = found.last;
      }
    }
    return spread([text], '', spans, markOf)[0] ?? '';
  }

  private longestFrom(
    groups: readonly { digits: string }[],
    first: number,
  ): { last: number; rule: number } | undefined {
    let longest: { last: number; rule: number } | undefined;
    for (const taken of this.taken.values()) {
      let digits = '';
      for (let i = first; i < groups.length; i++) {
        digits += groups[i]?.digits ?? '';
        if (!taken.digits.includes(digits)) break;
        const isFurther = i > (longest?.last ?? -1);
        if (isFurther && digits.length >= TELLING_AMONG_OTHERS) longest = { last: i, rule: taken.rule };
      }
    }
    return longest;
  }

  private ruleOf(words: string): number | undefined {
    if (words.length < TELLING_LETTERS) return undefined;
    for (const taken of this.taken.values()) {
      const isPart = ` ${taken.words} `.includes(` ${words} `);
      if (isPart || endsInto(words, taken.words) || endsInto(taken.words, words)) return taken.rule;
    }
    return undefined;
  }
}

/** Whether the first ends with whole words that the second begins with. */
function endsInto(first: string, second: string): boolean {
  for (let length = Math.min(first.length, second.length); length >= TELLING_LETTERS; length--) {
    const isWhole = first.length === length || first[first.length - length - 1] === ' ';
    const goesOn = second.length === length || second[length] === ' ';
    if (isWhole && goesOn && first.endsWith(second.slice(0, length))) return true;
  }
  return false;
}

/** In lower case, one blank between. */
function wordsOf(text: string): string {
  const words = toReadable(text).text.toLowerCase();
  return words.match(/[\p{L}\p{N}\p{M}]+/gu)?.join(' ') ?? '';
}
