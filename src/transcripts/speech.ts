import type { Phrase, PhraseTerm } from './phrase.js';
import { tokenize } from './phrase.js';
import type { Transcript, Word } from './transcript.js';

/** Words that were looked for and found. Seconds from the start of the audio. */
export interface SpeechMatch {
  text: string;
  /** Absent when nothing tells speakers apart, or when the words are of several speakers. */
  speaker?: string;
  channel: number;
  start: number;
  end: number;
}

/** One search reports at most this many hits, the earliest of the lowest channel first: enough to see why a rule matched. */
export const MATCHES_MAX = 20;

/** Word index of one transcript. Channels lie behind each other, an empty token between them, so that no phrase crosses. */
interface Index {
  /** Words in the order of `tokens`: by channel, then as spoken. */
  words: readonly Word[];
  tokens: readonly string[];
  /** Index into `words` of each token. */
  wordOf: readonly number[];
  /** Ascending places of each token. */
  places: ReadonlyMap<string, readonly number[]>;
  /** Distinct tokens in order, for `*`; sorted when first needed. */
  vocabulary: () => readonly string[];
  speakers: Transcript['speakers'];
  duration: number;
  isOneChannel: boolean;
}

interface Scope {
  speakers?: ReadonlySet<string>;
  channel?: number;
  /** Seconds; a word is inside when it starts in [from, until). */
  from: number;
  until: number;
}

/** First and last token of a hit. */
type Span = readonly [number, number];

const EVERYTHING: Scope = { from: Number.NEGATIVE_INFINITY, until: Number.POSITIVE_INFINITY };

/** Indexes the words of a transcript, once; every question after that costs about as much as it has hits. */
export function toSpeech(transcript: Pick<Transcript, 'words' | 'speakers' | 'duration'>): Speech {
  return new Speech(buildIndex(transcript), EVERYTHING);
}

/**
 * What was said, by whom and when. Immutable: `by`, `channel`, `first` and `last` return a narrower view, and narrowing
 * twice means both. A phrase never runs across speakers or channels; words of one channel follow each other in that channel.
 */
export class Speech {
  readonly #index: Index;
  readonly #scope: Scope;

  constructor(index: Index, scope: Scope) {
    this.#index = index;
    this.#scope = scope;
  }

  /** @param speaker id (`"1"`) or label (`"Speaker 2"`), letter case aside; nobody of that name gives an empty view */
  by(speaker: string): Speech {
    const wanted = speaker.trim().toLowerCase();
    const named = this.#index.speakers.filter(({ id, label }) => id === wanted || label.toLowerCase() === wanted);
    const ids = named.map(({ id }) => id).filter((id) => this.#scope.speakers?.has(id) ?? true);
    return this.#narrow({ speakers: new Set(ids) });
  }

  /** @param channel from 0 */
  channel(channel: number): Speech {
    const both = this.#scope.channel ?? channel;
    return this.#narrow({ channel: both === channel ? channel : -1 });
  }

  /** Words that start in the first `seconds` of the audio. */
  first(seconds: number): Speech {
    return this.#narrow({ until: Math.min(this.#scope.until, seconds) });
  }

  /** Words that start in the last `seconds` of the audio. */
  last(seconds: number): Speech {
    return this.#narrow({ from: Math.max(this.#scope.from, this.#index.duration - seconds) });
  }

  /** Every place where the phrase is said, by start. */
  says(phrase: Phrase): SpeechMatch[] {
    return this.#matches(this.#find(phrase, MATCHES_MAX));
  }

  /** Every place where one of the phrases is said, by start. */
  saysAny(phrases: readonly Phrase[]): SpeechMatch[] {
    const [only] = phrases;
    if (only !== undefined && phrases.length === 1) return this.says(only);
    return this.#matches(distinct(phrases.flatMap((phrase) => this.#find(phrase, MATCHES_MAX))));
  }

  /**
   * Both phrases in one channel, in either order, with at most `words` words between them; any speaker of this view.
   * Each match runs from the first phrase to the second, with what lies between.
   */
  near(a: Phrase, b: Phrase, words: number): SpeechMatch[] {
    const others = this.#find(b);
    const spans = this.#find(a).flatMap((span) => this.#neighbours(span, others, words));
    return this.#matches(distinct(spans));
  }

  #narrow(scope: Partial<Scope>): Speech {
    return new Speech(this.#index, { ...this.#scope, ...scope });
  }

  /**
   * Looks only where the rarest word of the phrase is.
   * @returns in the order of the index, at most `limit`
   */
  #find({ terms }: Phrase, limit = Number.POSITIVE_INFINITY): Span[] {
    const { places, offset } = rarest(this.#index, terms);
    const spans: Span[] = [];
    for (let i = this.#firstInside(places); i < places.length; i++) {
      const start = (places[i] ?? 0) - offset;
      if (!this.#standsAt(terms, start)) continue;
      spans.push([start, start + terms.length - 1]);
      if (spans.length >= limit) break;
    }
    return spans;
  }

  /** Where `last()` begins: in a single channel, places ascend in time. */
  #firstInside(places: readonly number[]): number {
    const { from } = this.#scope;
    if (from === Number.NEGATIVE_INFINITY || !this.#index.isOneChannel) return 0;
    return bisect(places.length, (i) => (this.#wordAt(places[i] ?? 0)?.start ?? 0) >= from);
  }

  #standsAt(terms: readonly PhraseTerm[], start: number): boolean {
    const speaker = this.#wordAt(start)?.speaker;
    // A plain loop: this runs for every place of every phrase of every rule.
    let place = start;
    for (const { token, prefix } of terms) {
      const here = this.#index.tokens[place];
      if (here === undefined || !(prefix ? here.startsWith(token) : here === token)) return false;
      const word = this.#wordAt(place);
      if (word === undefined || word.speaker !== speaker || !isInside(word, this.#scope)) return false;
      place++;
    }
    return true;
  }

  /** The nearest hit on either side that is near enough. */
  #neighbours(span: Span, others: Span[], words: number): Span[] {
    const after = others[lowerBound(others, span[1] + 1)];
    const before = lastEndingBefore(others, span[0]);
    const near: Span[] = [];
    if (before && this.#areNear(before[1], span[0], words)) near.push([before[0], span[1]]);
    if (after && this.#areNear(span[1], after[0], words)) near.push([span[0], after[1]]);
    return near;
  }

  #areNear(end: number, start: number, words: number): boolean {
    const { wordOf } = this.#index;
    const between = (wordOf[start] ?? 0) - (wordOf[end] ?? 0) - 1;
    return between <= words && this.#wordAt(end)?.channel === this.#wordAt(start)?.channel;
  }

  #wordAt(place: number): Word | undefined {
    const word = this.#index.wordOf[place];
    return word === undefined ? undefined : this.#index.words[word];
  }

  /** @param spans in the order of the index, each once */
  #matches(spans: Span[]): SpeechMatch[] {
    const matches = spans.slice(0, MATCHES_MAX).map((span) => this.#match(span));
    return matches.length > 1 ? matches.sort((a, b) => a.start - b.start || a.end - b.end) : matches;
  }

  #match([first, last]: Span): SpeechMatch {
    const { words, wordOf } = this.#index;
    const spoken = words.slice(wordOf[first], (wordOf[last] ?? 0) + 1);
    const speaker = spoken[0]?.speaker;
    const isOneSpeaker = spoken.every((word) => word.speaker === speaker);
    return {
      text: spoken.map((word) => word.text).join(' '),
      ...(speaker === undefined || !isOneSpeaker ? {} : { speaker }),
      channel: spoken[0]?.channel ?? 0,
      start: spoken[0]?.start ?? 0,
      end: spoken.at(-1)?.end ?? 0,
    };
  }
}

function buildIndex({ words, speakers, duration }: Pick<Transcript, 'words' | 'speakers' | 'duration'>): Index {
  const ordered = words.toSorted((a, b) => a.channel - b.channel || a.start - b.start);
  const tokens: string[] = [];
  const wordOf: number[] = [];
  const places = new Map<string, number[]>();
  ordered.forEach((word, i) => {
    if (i > 0 && ordered[i - 1]?.channel !== word.channel) {
      tokens.push('');
      wordOf.push(i);
    }
    for (const token of tokenize(word.text)) {
      const known = places.get(token);
      if (known) known.push(tokens.length);
      else places.set(token, [tokens.length]);
      tokens.push(token);
      wordOf.push(i);
    }
  });
  let vocabulary: string[] | undefined;
  const lastEnd = words.reduce((latest, { end }) => Math.max(latest, end), 0);
  return {
    words: ordered,
    tokens,
    wordOf,
    places,
    vocabulary: () => (vocabulary ??= [...places.keys()].sort()),
    speakers,
    duration: Math.max(duration, lastEnd),
    isOneChannel: ordered[0]?.channel === ordered.at(-1)?.channel,
  };
}

/** Where the word of a phrase is that occurs least, and how far inside the phrase it stands. */
function rarest(index: Index, terms: readonly PhraseTerm[]): { places: readonly number[]; offset: number } {
  let least: { places: readonly number[]; offset: number } | undefined;
  for (const [offset, term] of terms.entries()) {
    const places = placesOf(index, term);
    if (least === undefined || places.length < least.places.length) least = { places, offset };
    if (places.length === 0) break;
  }
  return least ?? { places: [], offset: 0 };
}

/** In the order of the index, each once. */
function distinct(spans: Span[]): Span[] {
  const ordered = spans.toSorted((a, b) => a[0] - b[0] || a[1] - b[1]);
  return ordered.filter((span, i) => span[0] !== ordered[i - 1]?.[0] || span[1] !== ordered[i - 1]?.[1]);
}

function placesOf({ places, vocabulary }: Index, { token, prefix }: PhraseTerm): readonly number[] {
  if (!prefix) return places.get(token) ?? [];
  const all = vocabulary();
  const found: number[][] = [];
  for (let i = firstFrom(all, token); all[i]?.startsWith(token); i++) found.push([...(places.get(all[i] ?? '') ?? [])]);
  return found.length === 1 ? (found[0] ?? []) : found.flat().sort((a, b) => a - b);
}

function isInside(word: Word, { speakers, channel, from, until }: Scope): boolean {
  if (word.start < from || word.start >= until) return false;
  if (channel !== undefined && word.channel !== channel) return false;
  return speakers === undefined || (word.speaker !== undefined && speakers.has(word.speaker));
}

/** Index of the first token that is not before `token`. */
function firstFrom(sorted: readonly string[], token: string): number {
  return bisect(sorted.length, (i) => (sorted[i] ?? '') >= token);
}

/** Index of the first span that starts at or after `place`. */
function lowerBound(spans: Span[], place: number): number {
  return bisect(spans.length, (i) => (spans[i]?.[0] ?? 0) >= place);
}

/** Hits of one phrase are equally long, so their ends ascend as their starts do. */
function lastEndingBefore(spans: Span[], place: number): Span | undefined {
  return spans[bisect(spans.length, (i) => (spans[i]?.[1] ?? 0) >= place) - 1];
}

/** Smallest index for which `holds` is true, given that it stays true once it is; `length` when it never is. */
function bisect(length: number, holds: (index: number) => boolean): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
