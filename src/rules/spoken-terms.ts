import type { JsonObject } from '../json.js';
import type { CompiledRule } from './evaluate.js';

/** Phrases of rules as terms of a request: the provider recognises a `keyterm` better, and searches the sound for a `search` term. */
export type TermKind = 'keyterm' | 'search';

/** Deepgram takes about 100 key terms of 500 tokens in all, and 50 search terms. */
const TERMS_MAX: Readonly<Record<TermKind, number>> = { keyterm: 100, search: 50 };
/** Below Deepgram's bound: how it counts tokens is not told, and a request over it fails. */
const TOKENS_MAX = 400;
const CHARACTERS_PER_TOKEN = 3;

/**
 * Literal phrases without wildcards, those of most rules first. `search` takes those of `heard()` only: nothing else looks at the hits.
 * @param rules enabled ones
 */
export function termsOf(rules: readonly CompiledRule[], kind: TermKind): string[] {
  const uses = new Map<string, { text: string; rules: number }>();
  for (const { condition } of rules) {
    const mine = new Map(
      (condition?.phrases ?? [])
        .filter(
          ({ phrase, searched }) =>
            searched === (kind === 'search') && phrase.terms.every((term) => term.kind === 'word'),
        )
        .map(({ phrase }) => [phrase.key, phrase.text.trim()]),
    );
    for (const [key, text] of mine) {
      const known = uses.get(key);
      if (known) known.rules++;
      else uses.set(key, { text, rules: 1 });
    }
  }
  return [...uses.values()].sort((a, b) => b.rules - a.rules || (a.text < b.text ? -1 : 1)).map(({ text }) => text);
}

/**
 * The options of a job with as many terms as the provider takes; the job's own come first. Key terms go only where they are
 * understood: one known language, and nova-3.
 */
export function withTerms(options: JsonObject, kind: TermKind, terms: readonly string[]): JsonObject {
  if (terms.length === 0 || (kind === 'keyterm' && !takesKeyterms(options))) return options;
  const given = options[kind];
  const chosen = Array.isArray(given) ? [...given] : given === undefined || given === null ? [] : [given];
  let tokens = chosen.reduce<number>((sum, term) => sum + (typeof term === 'string' ? tokensOf(term) : 1), 0);
  for (const term of terms) {
    if (chosen.length >= TERMS_MAX[kind]) break;
    tokens += tokensOf(term);
    if (kind === 'keyterm' && tokens > TOKENS_MAX) break;
    if (!chosen.includes(term)) chosen.push(term);
  }
  return chosen.length === 0 ? options : { ...options, [kind]: chosen };
}

function takesKeyterms({ model, language, detect_language: detect }: JsonObject): boolean {
  const isOneLanguage = language !== 'multi' && (detect === undefined || detect === false);
  return typeof model === 'string' && /^nova-3(?:-|$)/.test(model) && isOneLanguage;
}

function tokensOf(term: string): number {
  return Math.ceil(term.length / CHARACTERS_PER_TOKEN) + 1;
}
