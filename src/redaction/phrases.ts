import type { Place } from './digits.js';

interface Word extends Place {
  key: string;
  isCapital: boolean;
}

/** Words of one phrase stand no further apart than this, and no sentence ends between them. */
const BETWEEN = /^[^\p{L}\p{N}!?;:]{1,3}$/u;
const SHORTEST_PART = 3;

/** Finds names and other known phrases, without regard to case and accents. Time grows with the text, not with the phrases. */
export class Phrases {
  private readonly byFirst = new Map<string, string[][]>();
  private readonly parts = new Set<string>();

  /** @param withParts a part of several words counts as well where it is written with a capital: `Miller` of `Anna Miller` */
  constructor(phrases: readonly string[], withParts: boolean) {
    for (const phrase of phrases) {
      const words = wordsOf(phrase);
      const [first, ...rest] = words.map(({ key }) => key);
      if (first === undefined) continue;
      const known = this.byFirst.get(first) ?? [];
      known.push(rest);
      this.byFirst.set(first, known);
      if (!withParts || words.length < 2) continue;
      for (const { key, isCapital } of words) if (isCapital && key.length >= SHORTEST_PART) this.parts.add(key);
    }
  }

  /** @param text readable, see `readable.ts` */
  find(text: string): Place[] {
    if (this.byFirst.size === 0) return [];
    const words = wordsOf(text);
    const found: Place[] = [];
    for (let i = 0; i < words.length; i++) {
      const length = this.lengthAt(text, words, i);
      if (length === 0) continue;
      found.push({ start: words[i]?.start ?? 0, end: words[i + length - 1]?.end ?? 0 });
      i += length - 1;
    }
    return found;
  }

  /** Number of words of the longest phrase that begins here. */
  private lengthAt(text: string, words: Word[], at: number): number {
    const word = words[at];
    if (!word) return 0;
    let longest = word.isCapital && this.parts.has(word.key) ? 1 : 0;
    for (const rest of this.byFirst.get(word.key) ?? []) {
      const isHere = rest.every((key, i) => {
        const [before, next] = [words[at + i], words[at + i + 1]];
        return before && next?.key === key && BETWEEN.test(text.slice(before.end, next.start));
      });
      if (isHere) longest = Math.max(longest, 1 + rest.length);
    }
    return longest;
  }
}

function wordsOf(text: string): Word[] {
  return [...text.matchAll(/[\p{L}\p{N}\p{M}]+/gu)].map(({ 0: word, index }) => ({
    key: word
      .normalize('NFD')
      .replace(/\p{M}+/gu, '')
      .toLowerCase(),
    isCapital: /^\p{Lu}/u.test(word),
    start: index,
    end: index + word.length,
  }));
}
