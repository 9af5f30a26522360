/** How spoken words and the phrases of rules are made comparable: the same function folds both. */

/** Words of a phrase, at most; a phrase is something that a person says in one breath. */
export const PHRASE_WORDS_MAX = 30;

export interface PhraseTerm {
  /** Folded; `""` for any word. */
  token: string;
  /** `refund`, `refund*` (begins so), `*fund` (ends so), and `*` between words (any one word). */
  kind: 'word' | 'prefix' | 'suffix' | 'any';
}

/** A sequence of words to listen for. Made by {@link parsePhrase} only, so it is never empty. */
export class Phrase {
  readonly text: string;
  readonly terms: readonly PhraseTerm[];
  /** The same for phrases that stand for the same words. */
  readonly key: string;

  constructor(text: string, terms: PhraseTerm[]) {
    this.text = text;
    this.terms = terms;
    this.key = terms.map(shown).join(' ');
  }
}

function shown({ token, kind }: PhraseTerm): string {
  if (kind === 'word') return token;
  return kind === 'prefix' ? `${token}*` : `*${token}`;
}

/** The text is no phrase; `message` says why, for the person who writes the rule. */
export class PhraseError extends Error {}

// Scripts written without spaces count by character, on both sides: a provider cuts their words as it likes.
const UNSPACED =
  '[\\p{scx=Han}\\p{scx=Hiragana}\\p{scx=Katakana}\\p{scx=Thai}\\p{scx=Lao}\\p{scx=Khmer}\\p{scx=Myanmar}]';
const LETTER = '[\\p{L}\\p{N}\\p{M}]';
const WORD = `(?:(?=${LETTER})${UNSPACED}\\p{M}*|(?:(?!${UNSPACED})${LETTER})+(?:'(?:(?!${UNSPACED})${LETTER})+)*)`;
const TOKEN = new RegExp(WORD, 'gu');
const TERM = new RegExp(`(?<![^\\s])\\*(?![^\\s])|((?<!${LETTER}|\\*)\\*)?(${WORD})(\\*(?!${LETTER}|\\*))?`, 'gu');
const APOSTROPHES = /[\u2018\u2019\u201B\u02BC\u02B9\u2032\uFF07\u0060\u00B4]/g;
const INVISIBLE = /\p{Cf}/gu;
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
  return fold(text).match(TOKEN) ?? [];
}

/**
 * @param text one or more words; a word may begin or end in `*`, and a `*` between words stands for any one word
 * @throws PhraseError when it holds no word, too many words, or a `*` elsewhere
 */
export function parsePhrase(text: string): Phrase {
  const folded = fold(text);
  const found = terms(folded);
  if (!found.some(({ kind }) => kind !== 'any')) throw new PhraseError('a phrase needs at least one word');
  const stars = folded.match(/\*/g)?.length ?? 0;
  if (stars !== found.filter(({ kind }) => kind !== 'word').length) {
    throw new PhraseError(
      '* may stand only at the end or the beginning of a word, as in "refund*", or alone between two words',
    );
  }
  if (found[0]?.kind === 'any' || found.at(-1)?.kind === 'any') {
    throw new PhraseError('* alone stands for one word between two others; leave it out at the beginning and the end');
  }
  if (found.length > PHRASE_WORDS_MAX) {
    throw new PhraseError(
      `a phrase has at most ${String(PHRASE_WORDS_MAX)} words, this one has ${String(found.length)}`,
    );
  }
  return new Phrase(text, found);
}

function terms(folded: string): PhraseTerm[] {
  return Array.from(folded.matchAll(TERM), ([, before, token, after]): PhraseTerm => {
    if (token === undefined) return { token: '', kind: 'any' };
    if (before !== undefined && after !== undefined) return { token, kind: 'word' };
    return { token, kind: before === undefined ? (after === undefined ? 'word' : 'prefix') : 'suffix' };
  });
}
