import { wellFormed } from './preview.js';

/** Characters of a snippet on each side of the word that was found. */
const SIDE = 80;

/**
 * The part of a text in which the first of the words stands, as one line, with an ellipsis where it was cut.
 * Accents and case are ignored as the index ignores them; when no word is found as it was typed, the beginning is shown.
 */
export function snippetOf(text: string, words: readonly string[]): string {
  const at = firstWord(text, words);
  const start = at <= SIDE ? 0 : wordStart(text, at - SIDE);
  const until = Math.max(at + SIDE, 2 * SIDE);
  const end = until >= text.length ? text.length : wordEnd(text, until);
  const shown = wellFormed(text.slice(start, end)).replace(/\s+/gu, ' ').trim();
  return `${start > 0 ? '\u2026' : ''}${shown}${end < text.length ? '\u2026' : ''}`;
}

function firstWord(text: string, words: readonly string[]): number {
  const wanted = new Set(words.map(folded));
  for (const { 0: word, index } of text.matchAll(/[\p{L}\p{N}\p{M}]+/gu)) if (wanted.has(folded(word))) return index;
  return 0;
}

function folded(word: string): string {
  return word
    .normalize('NFD')
    .replace(/\p{M}+/gu, '')
    .toLowerCase();
}

function wordStart(text: string, at: number): number {
  const space = text.indexOf(' ', at);
  return space >= 0 && space - at < 20 ? space + 1 : at;
}

function wordEnd(text: string, at: number): number {
  const space = text.lastIndexOf(' ', at);
  return space >= 0 && at - space < 20 ? space : at;
}
