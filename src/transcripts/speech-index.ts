import type { Phrase, PhraseTerm } from './phrase.js';
import { tokenize } from './phrase.js';
import type { SearchHit, Speaker, Transcript, Word } from './transcript.js';
import { accentKeys, baseOf, formKeys } from './word-forms.js';

/** What an index is made of. */
export type Spoken = Pick<Transcript, 'words' | 'speakers' | 'duration'> &
  Partial<Pick<Transcript, 'search' | 'language'>>;

/** How words and phrases are made equal: as they are written, without accents, or in any form of a language. */
export type Folding = 'exact' | 'accents' | `forms:${string}`;

/** Where a word of a phrase is said. */
export interface Term {
  /** Ascending. */
  places: readonly number[];
  /** The one token that it stands for; {@link SEVERAL}: those of `tokens`, and any when there are none. */
  token: number;
  tokens?: ReadonlySet<number>;
}

/** Not a token. */
export const SEVERAL = -2;

/** A word that was looked for and is not said. */
const NOWHERE = Symbol('nowhere');
/** Token between channels: no phrase crosses it. */
const BOUNDARY = -1;
/** Languages of one recording that word forms are looked up in. */
const LANGUAGES_MAX = 8;
/** Deepgram's, when a request names none. */
const LANGUAGE_DEFAULT = 'en';

/**
 * Word index of one transcript, made once. Words are cut into tokens, and tokens are numbered. Channels lie behind each other, a boundary
 * between them. What a term of a phrase stands for is looked up once.
 */
export class SpeechIndex {
  /** By channel, then as spoken. */
  readonly words: readonly Word[];
  /** Number of the token at each place. */
  readonly tokenAt: readonly number[];
  /** Index into `words` of each place. */
  readonly wordAt: readonly number[];
  readonly speakers: readonly Speaker[];
  readonly search: readonly SearchHit[];
  /** Seconds. */
  readonly duration: number;
  readonly isOneChannel: boolean;
  /** Of the whole recording, for questions that look at every word; by question. */
  readonly remembered = new Map<string, unknown>();
  readonly #tokens: string[] = [];
  readonly #numbers = new Map<string, number>();
  readonly #places: number[][] = [];
  readonly #language: string;
  /** By number of the token. */
  readonly #exact: (Term | undefined)[] = [];
  readonly #terms = new Map<Folding, Map<string, Term | typeof NOWHERE>>();
  readonly #lexicons = new Map<Folding, Lexicon>();
  #languages: string[] | undefined;

  constructor({ words, speakers, duration, search = [], language = LANGUAGE_DEFAULT }: Spoken) {
    this.words = inOrder(words);
    this.speakers = speakers;
    this.search = search;
    this.#language = baseOf(language);
    const tokenAt: number[] = [];
    const wordAt: number[] = [];
    const known = new Map<string, readonly number[]>();
    let channel = this.words[0]?.channel;
    let lastEnd = 0;
    for (const [i, word] of this.words.entries()) {
      if (word.channel !== channel) {
        tokenAt.push(BOUNDARY);
        wordAt.push(i);
        ({ channel } = word);
      }
      if (word.end > lastEnd) lastEnd = word.end;
      let numbers = known.get(word.text);
      if (numbers === undefined)
        known.set(word.text, (numbers = tokenize(word.text).map((token) => this.#number(token))));
      for (const number of numbers) {
        this.#places[number]?.push(tokenAt.length);
        tokenAt.push(number);
        wordAt.push(i);
      }
    }
    this.tokenAt = tokenAt;
    this.wordAt = wordAt;
    this.duration = Math.max(duration, lastEnd);
    this.isOneChannel = this.words[0]?.channel === this.words.at(-1)?.channel;
  }

  /** @returns undefined when a word of the phrase is nowhere said */
  termsOf({ terms }: Phrase, folding: Folding): Term[] | undefined {
    const [first, ...others] = terms;
    // Most phrases of most rules are said nowhere, and their first word tells it.
    const found = first && this.#termOf(first, folding);
    if (found === undefined) return undefined;
    const all = [found];
    for (const term of others) {
      const one = this.#termOf(term, folding);
      if (one === undefined) return undefined;
      all.push(one);
    }
    return all;
  }

  #termOf(term: PhraseTerm, folding: Folding): Term | undefined {
    if (term.kind === 'word' && folding === 'exact') {
      const number = this.#numbers.get(term.token);
      return number === undefined ? undefined : (this.#exact[number] ??= this.#term([number]));
    }
    let known = this.#terms.get(folding);
    if (!known) this.#terms.set(folding, (known = new Map<string, Term | typeof NOWHERE>()));
    const key = `${term.kind} ${term.token}`;
    let found = known.get(key);
    if (found === undefined) known.set(key, (found = this.#lookUp(term, folding) ?? NOWHERE));
    return found === NOWHERE ? undefined : found;
  }

  /** Folding by the forms of a language, or of those that are spoken here. @param language BCP-47 */
  formsOf(language: string | undefined): Folding {
    return `forms:${language === undefined ? '' : baseOf(language)}`;
  }

  #number(token: string): number {
    const known = this.#numbers.get(token);
    if (known !== undefined) return known;
    const number = this.#tokens.push(token) - 1;
    this.#numbers.set(token, number);
    this.#places.push([]);
    return number;
  }

  #lookUp({ token, kind }: PhraseTerm, folding: Folding): Term | undefined {
    if (kind === 'any') return { places: [], token: SEVERAL };
    // A word that is cut off has no form: its letters are looked for.
    const cut = kind !== 'word' && folding !== 'exact';
    const lexicon = this.#lexicon(cut ? 'accents' : folding);
    const keys = cut ? accentKeys(token, this.#spoken('accents')) : this.#keysOf(token, folding);
    const numbers = keys.flatMap((key) => lexicon.find(key, kind));
    return numbers.length === 0 ? undefined : this.#term([...new Set(numbers)]);
  }

  #term(numbers: number[]): Term {
    const [token] = numbers;
    if (token !== undefined && numbers.length === 1) return { places: this.#places[token] ?? [], token };
    const places = numbers.flatMap((number) => this.#places[number] ?? []).sort((a, b) => a - b);
    return { places, token: SEVERAL, tokens: new Set(numbers) };
  }

  #keysOf(token: string, folding: Folding): string[] {
    if (folding === 'exact') return [token];
    const languages = this.#spoken(folding);
    return folding === 'accents' ? accentKeys(token, languages) : formKeys(token, languages);
  }

  /** Languages of the recording, or the one that was asked for. */
  #spoken(folding: Folding): readonly string[] {
    const asked = folding.startsWith('forms:') ? folding.slice(6) : '';
    if (asked !== '') return [asked];
    this.#languages ??= [
      ...new Set([
        this.#language,
        ...this.words.flatMap(({ language }) => (language === undefined ? [] : [baseOf(language)])),
      ]),
    ].slice(0, LANGUAGES_MAX);
    return this.#languages;
  }

  #lexicon(folding: Folding): Lexicon {
    const known = this.#lexicons.get(folding);
    if (known) return known;
    const made = new Lexicon(this.#tokens.map((token) => this.#keysOf(token, folding)));
    this.#lexicons.set(folding, made);
    return made;
  }
}

/** Numbers of tokens by what they are equal to. */
class Lexicon {
  readonly #byKey = new Map<string, number[]>();
  #sorted: string[] | undefined;
  #backwards: string[] | undefined;

  /** @param keys of each token */
  constructor(keys: readonly string[][]) {
    for (const [number, ofOne] of keys.entries()) {
      for (const key of ofOne) {
        const known = this.#byKey.get(key);
        if (known) known.push(number);
        else this.#byKey.set(key, [number]);
      }
    }
  }

  find(key: string, kind: PhraseTerm['kind']): number[] {
    if (kind === 'prefix')
      return this.#beginning(key, (this.#sorted ??= [...this.#byKey.keys()].sort()), (text) => text);
    if (kind !== 'suffix') return this.#byKey.get(key) ?? [];
    this.#backwards ??= [...this.#byKey.keys()].map(reversed).sort();
    return this.#beginning(reversed(key), this.#backwards, reversed);
  }

  #beginning(start: string, sorted: readonly string[], toKey: (text: string) => string): number[] {
    const numbers: number[] = [];
    for (let i = bisect(sorted.length, (at) => (sorted[at] ?? '') >= start); sorted[i]?.startsWith(start); i++) {
      for (const number of this.#byKey.get(toKey(sorted[i] ?? '')) ?? []) numbers.push(number);
    }
    return numbers;
  }
}

function reversed(text: string): string {
  return Array.from(text).reverse().join('');
}

/** The words of most recordings are in order. */
function inOrder(words: readonly Word[]): readonly Word[] {
  const isOrdered = words.every((word, i) => {
    const before = words[i - 1];
    return (
      before === undefined ||
      before.channel < word.channel ||
      (before.channel === word.channel && before.start <= word.start)
    );
  });
  return isOrdered ? words : words.toSorted((a, b) => a.channel - b.channel || a.start - b.start);
}

/** Smallest index for which `holds` is true, given that it stays true once it is; `length` when it never is. */
export function bisect(length: number, holds: (index: number) => boolean): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
