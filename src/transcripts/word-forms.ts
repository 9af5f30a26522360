import { stemmer as danish } from '@orama/stemmers/danish';
import { stemmer as dutch } from '@orama/stemmers/dutch';
import { stemmer as english } from '@orama/stemmers/english';
import { stemmer as finnish } from '@orama/stemmers/finnish';
import { stemmer as french } from '@orama/stemmers/french';
import { stemmer as german } from '@orama/stemmers/german';
import { stemmer as italian } from '@orama/stemmers/italian';
import { stemmer as norwegian } from '@orama/stemmers/norwegian';
import { stemmer as portuguese } from '@orama/stemmers/portuguese';
import { stemmer as russian } from '@orama/stemmers/russian';
import { stemmer as spanish } from '@orama/stemmers/spanish';
import { stemmer as swedish } from '@orama/stemmers/swedish';

/** Forms of one word made equal: by the Snowball stemmer of its language, and without accents. */

const STEMMERS: Readonly<Record<string, (word: string) => string>> = {
  da: danish,
  de: german,
  en: english,
  es: spanish,
  fi: finnish,
  fr: french,
  it: italian,
  nb: norwegian,
  nl: dutch,
  no: norwegian,
  pt: portuguese,
  ru: russian,
  sv: swedish,
};

/** Languages whose word forms are known, as ISO 639-1 codes. */
export const FORM_LANGUAGES: readonly string[] = Object.keys(STEMMERS);

/** @param tag BCP-47 */
export function hasForms(tag: string): boolean {
  return Object.hasOwn(STEMMERS, baseOf(tag));
}

/** `pt` of `pt-BR`. */
export function baseOf(tag: string): string {
  return tag.split('-')[0]?.toLowerCase() ?? '';
}

const MARKS = /[\u0300-\u036f]/g;
const OTHER_LATIN = new Map(
  Object.entries({ ø: 'o', ł: 'l', đ: 'd', ð: 'd', þ: 'th', æ: 'ae', œ: 'oe', ı: 'i', ħ: 'h' }),
);
const NEEDS_FOLDING = /[^a-z0-9']/;
/** Letters that people of a language write as two where the keyboard has no accents. */
const WRITTEN_OUT: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  de: { ä: 'ae', ö: 'oe', ü: 'ue' },
  da: { å: 'aa', ø: 'oe' },
  nb: { å: 'aa', ø: 'oe' },
  no: { å: 'aa', ø: 'oe' },
};
/** `l'abonnement`: an article or pronoun that runs into its word. */
const ELISION = /^(?:[ldjmtsncç]|qu|jusqu|lorsqu|puisqu|quoiqu|un|dell|nell|all|dall|sull|quest|quell)'(?=.{2})/;
const ELIDING = ['fr', 'it'];

/** @param token folded @param languages base codes; what is in none of them keeps its form */
export function accentKeys(token: string, languages: readonly string[]): string[] {
  const keys = new Set([withoutAccents(token)]);
  for (const language of languages) {
    const table = WRITTEN_OUT[language];
    if (table) keys.add(withoutAccents(token.replace(/[^a-z]/g, (letter) => table[letter] ?? letter)));
    if (ELIDING.includes(language)) keys.add(withoutAccents(token.replace(ELISION, '')));
  }
  return [...keys];
}

/**
 * Words are forms of each other when they share a key. Stems are taken both before and after the accents go, because people write phrases
 * without the accents that the rules of a stemmer look for.
 * @param token folded @param languages base codes
 */
export function formKeys(token: string, languages: readonly string[]): string[] {
  const keys = new Set<string>();
  for (const language of languages) {
    const stem = STEMMERS[language];
    if (!stem) continue;
    const word = ELIDING.includes(language) ? token.replace(ELISION, '') : token;
    keys.add(`${language}:${withoutAccents(stem(word))}`);
    for (const key of accentKeys(word, [language])) keys.add(`${language}:${withoutAccents(stem(key))}`);
  }
  return keys.size > 0 ? [...keys] : accentKeys(token, languages);
}

function withoutAccents(token: string): string {
  if (!NEEDS_FOLDING.test(token)) return token;
  const bare = token.normalize('NFD').replace(MARKS, '').normalize('NFC');
  return bare.replace(/\P{ASCII}/gu, (letter) => OTHER_LATIN.get(letter) ?? letter);
}
