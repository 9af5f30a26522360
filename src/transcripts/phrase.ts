/** How spoken words and the phrases of rules are made comparable: the same function folds both. */

/** Words of a phrase, at most; a phrase is something that a person says in one breath. */
export const PHRASE_WORDS_MAX = 30;

export interface PhraseTerm {
  /** Folded. */
  token: string;
  /** Written with a trailing `*`: every word that begins so. */
  prefix: boolean;
}

/** A sequence of words to listen for. Made by {@link parsePhrase} only, so it is never empty. */
export class Phrase {
  readonly text: string;
  readonly terms: readonly PhraseTerm[];

  constructor(text: string, terms: PhraseTerm[]) {
    this.text = text;
    this.terms = terms;
  }
}

/** The text is no phrase; `message` says why, for the person who writes the rule. */
export class PhraseError extends Error {}

// Scripts written without spaces count by character, on both sides: a provider cuts their words as it likes.
const UNSPACED =
  '[\\p{scx=Han}\\p{scx=Hiragana}\\p{scx=Katakana}\\p{scx=Thai}\\p{scx=Lao}\\p{scx=Khmer}\\p{scx=Myanmar}]';
const LETTER = '[\\p{L}\\p{N}\\p{M}]';
const TOKEN = new RegExp(
  `(?:(?=${LETTER})${UNSPACED}\\p{M}*|(?:(?!${UNSPACED})${LETTER})+(?:'(?:(?!${UNSPACED})${LETTER})+)*)(\\*?)`,
  'gu',
);
const APOSTROPHES = /[\u2018\u2019\u201B\u02BC\u02B9\u2032\uFF07\u0060\u00B4]/g;
const INVISIBLE = /\p{Cf}/gu;
const MISPLACED_STAR = /(?:^|[^\p{L}\p{N}\p{M}])\*|\*[\p{L}\p{N}\p{M}*]/u;
const PLAIN_WORD = /^([A-Za-z0-9]+)[.,?!;:]?$/;

/** Letter case, width, composition, invisible marks and kinds of apostrophe made equal. */
function fold(text: string): string {
  return text
    .replace(APOSTROPHES, "'")
    .normalize('NFKC')
    .replace(INVISIBLE, '')
    .toUpperCase()
    .toLowerCase()
    .normalize('NFKC')
    .replaceAll('ς', 'σ');
}

/** Folded words of a text, without punctuation: `"Don’t, e-mail"` gives `don't`, `e`, `mail`. */
export function tokenize(text: string): string[] {
  const plain = PLAIN_WORD.exec(text)?.[1];
  if (plain !== undefined) return [plain.toLowerCase()];
  return terms(fold(text)).map(({ token }) => token);
}

/**
 * @param text one or more words; a word may end in `*`
 * @throws PhraseError when it holds no word, too many words, or a `*` that is not at the end of a word
 */
export function parsePhrase(text: string): Phrase {
  const folded = fold(text);
  const found = terms(folded);
  if (found.length === 0) throw new PhraseError('a phrase needs at least one word');
  if (MISPLACED_STAR.test(folded)) throw new PhraseError('* may stand only at the end of a word, as in "refund*"');
  if (found.length > PHRASE_WORDS_MAX) {
    throw new PhraseError(
      `a phrase has at most ${String(PHRASE_WORDS_MAX)} words, this one has ${String(found.length)}`,
    );
  }
  return new Phrase(text, found);
}

function terms(folded: string): PhraseTerm[] {
  return Array.from(folded.matchAll(TOKEN), ([match, star]) => ({
    token: star ? match.slice(0, -1) : match,
    prefix: star === '*',
  }));
}
