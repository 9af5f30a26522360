import { tokenize, type Phrase } from './phrase.js';
import { bisect, SEVERAL, SpeechIndex, type Folding, type Spoken, type Term } from './speech-index.js';
import { interruptionsOf, silencesOf, stretchesOf, type Stretch, type Turn } from './speech-time.js';
import type { Word } from './transcript.js';

/** Words that were looked for and found. Seconds from the start of the audio. */
export interface SpeechMatch {
  text: string;
  /** Absent when nothing tells speakers apart, or when the words are of several speakers. */
  speaker?: string;
  channel: number;
  start: number;
  end: number;
  /** Of the least certain word, or of the hit; where a confidence was asked for. 0 to 1. */
  confidence?: number;
}

/** One search reports at most this many hits, the earliest of the lowest channel first: enough to see why a rule matched. */
export const MATCHES_MAX = 20;
/** Words of an interruption that a match shows. */
const SHOWN_WORDS = 12;

interface Scope {
  speakers?: ReadonlySet<string>;
  channel?: number;
  /** Seconds; a word is inside when it starts in [from, until). */
  from: number;
  until: number;
  /** Words that were recognised with less are not there. */
  confidence?: number;
  folding: Folding;
}

/** First and last place of a hit. */
type Span = readonly [number, number];

const EVERYTHING: Scope = { from: Number.NEGATIVE_INFINITY, until: Number.POSITIVE_INFINITY, folding: 'exact' };
const NOTHING: Span[] = [];

/** Indexes the words of a transcript, once; every question after that costs about as much as it has hits. */
export function toSpeech(spoken: Spoken): Speech {
  return new Speech(new SpeechIndex(spoken), EVERYTHING);
}

/**
 * What was said, by whom and when. Immutable: `by`, `channel`, `first`, `last`, `confident`, `anyForm` and `anyAccent` return another
 * view, and narrowing twice means both. A phrase never runs across speakers or channels; words of one channel follow each other in
 * that channel.
 */
export class Speech {
  readonly #index: SpeechIndex;
  readonly #scope: Scope;

  constructor(index: SpeechIndex, scope: Scope) {
    this.#index = index;
    this.#scope = scope;
  }

  /** @param speaker id (`"1"`) or label (`"Speaker 2"`), letter case aside; nobody of that name gives an empty view */
  by(speaker: string): Speech {
    const wanted = speaker.trim().toLowerCase();
    const named = this.#index.speakers.filter(({ id, label }) => id === wanted || label.toLowerCase() === wanted);
    const ids = named.map(({ id }) => id).filter((id) => this.#scope.speakers?.has(id) ?? true);
    return this.#with({ speakers: new Set(ids) });
  }

  /** @param channel from 0 */
  channel(channel: number): Speech {
    const both = this.#scope.channel ?? channel;
    return this.#with({ channel: both === channel ? channel : -1 });
  }

  /** Words that start in the first `seconds` of the audio. */
  first(seconds: number): Speech {
    return this.#with({ until: Math.min(this.#scope.until, seconds) });
  }

  /** Words that start in the last `seconds` of the audio. */
  last(seconds: number): Speech {
    return this.#with({ from: Math.max(this.#scope.from, this.#index.duration - seconds) });
  }

  /** Words that were recognised with at least this confidence. */
  confident(confidence: number): Speech {
    return this.#with({ confidence: Math.max(this.#scope.confidence ?? 0, confidence) });
  }

  /** Phrases stand for every form of their words, accents aside. @param language BCP-47; absent: those of the recording */
  anyForm(language?: string): Speech {
    return this.#with({ folding: this.#index.formsOf(language) });
  }

  /** Phrases stand for their words with or without accents. */
  anyAccent(): Speech {
    return this.#scope.folding === 'exact' ? this.#with({ folding: 'accents' }) : this;
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

  /** How often the phrase is said, and the first places. */
  count(phrase: Phrase): { count: number; matches: SpeechMatch[] } {
    const spans = this.#find(phrase);
    return { count: spans.length, matches: this.#matches(spans) };
  }

  /**
   * Both phrases in one channel, in either order, with at most `words` words between them; any speaker of this view.
   * Each match runs from the first phrase to the second, with what lies between.
   */
  near(a: Phrase, b: Phrase, words: number): SpeechMatch[] {
    const others = this.#find(b);
    if (others.length === 0) return [];
    const spans = this.#find(a).flatMap((span) => this.#neighbours(span, others, words));
    return this.#matches(distinct(spans));
  }

  /**
   * `a`, and after its end `b` within so many seconds; any speakers and channels of this view.
   * @returns a match for each of the two
   */
  then(a: Phrase, b: Phrase, seconds: number): SpeechMatch[] {
    const later = this.#find(b).sort((one, other) => this.#start(one) - this.#start(other));
    if (later.length === 0) return [];
    const pairs = this.#find(a).flatMap((span) => {
      const end = this.#wordAt(span[1])?.end ?? 0;
      const next = later[bisect(later.length, (i) => this.#start(later[i]) >= end)];
      return next && this.#start(next) <= end + seconds ? [span, next] : [];
    });
    return this.#matches(distinct(pairs));
  }

  /** The phrase where its speaker says none of `others` at most `before` words before it or `after` words after it. */
  saysWithout(phrase: Phrase, others: readonly Phrase[], before: number, after: number): SpeechMatch[] {
    const spans = this.#find(phrase);
    if (spans.length === 0) return [];
    const { folding } = this.#scope;
    // What is said just outside of the view, or was hardly understood, speaks against it all the same.
    const everywhere = new Speech(this.#index, { ...EVERYTHING, folding });
    const against = distinct(others.flatMap((other) => everywhere.#find(other)));
    return this.#matches(spans.filter((span) => !this.#isWithin(span, against, before, after)));
  }

  /** Hits of the provider's own search for the phrase, which listens to the sound. @param confidence 0 to 1, at least */
  heard({ key }: Phrase, confidence: number): SpeechMatch[] {
    const { from, until } = this.#scope;
    const hits = this.#index.search.filter(
      (hit) =>
        hit.confidence >= confidence && hit.start >= from && hit.start < until && tokenize(hit.query).join(' ') === key,
    );
    const found = hits.flatMap((hit): SpeechMatch[] => {
      const word = this.#inside().find(({ start, end }) => end > hit.start && start < hit.end);
      if (word === undefined && this.#isNarrowed()) return [];
      const speaker = word?.speaker === undefined ? {} : { speaker: word.speaker };
      const { start, end } = hit;
      return [{ text: hit.snippet, ...speaker, channel: word?.channel ?? 0, start, end, confidence: hit.confidence }];
    });
    return found.sort(byStart).slice(0, MATCHES_MAX);
  }

  /** Seconds in which somebody of this view speaks; short pauses count as speech. */
  talk(): number {
    return this.#stretches().reduce((sum, { start, end }) => sum + end - start, 0);
  }

  /** Gaps of at least `seconds` in which nobody of this view speaks. */
  silence(seconds: number): SpeechMatch[] {
    return this.#silences(seconds).slice(0, MATCHES_MAX).map(silenceMatch);
  }

  /** The longest gap in seconds in which nobody of this view speaks, and where it is. */
  longestSilence(): { seconds: number; matches: SpeechMatch[] } {
    const longest = this.#silences(0).reduce<Stretch | undefined>(
      (best, gap) => (best === undefined || gap.end - gap.start > best.end - best.start ? gap : best),
      undefined,
    );
    if (longest === undefined) return { seconds: 0, matches: [] };
    return { seconds: longest.end - longest.start, matches: [silenceMatch(longest)] };
  }

  /** How often somebody of this view begins to speak while another is in the middle of it, and the first places. */
  interruptions(): { count: number; matches: SpeechMatch[] } {
    const found = this.#remember('interruptions', '', () => interruptionsOf(byTime(this.#index)));
    const inside = found.filter(({ words: [word] }) => word !== undefined && isInside(word, this.#scope));
    return { count: inside.length, matches: inside.slice(0, MATCHES_MAX).map(turnMatch) };
  }

  /** Share of the words of this view that were recognised with less than `confidence`; 0 when there are none. */
  lowConfidence(confidence: number): number {
    const words = this.#inside();
    return words.length === 0 ? 0 : words.filter((word) => word.confidence < confidence).length / words.length;
  }

  #with(scope: Partial<Scope>): Speech {
    return new Speech(this.#index, { ...this.#scope, ...scope });
  }

  #isNarrowed(): boolean {
    const { speakers, channel, confidence } = this.#scope;
    return speakers !== undefined || channel !== undefined || confidence !== undefined;
  }

  /** What is computed from every word of a view is computed once. */
  #remember<T>(question: string, scope: string, answer: () => T): T {
    const { remembered } = this.#index;
    const key = `${question} ${scope}`;
    if (!remembered.has(key)) remembered.set(key, answer());
    return remembered.get(key) as T;
  }

  #key(): string {
    const { speakers, channel, from, until, confidence } = this.#scope;
    return JSON.stringify([speakers && [...speakers], channel, String(from), String(until), confidence]);
  }

  /** Words of this view, by channel and start. */
  #inside(): readonly Word[] {
    if (this.#scope === EVERYTHING) return this.#index.words;
    return this.#remember('words', this.#key(), () => this.#index.words.filter((word) => isInside(word, this.#scope)));
  }

  #stretches(): readonly Stretch[] {
    return this.#remember('stretches', this.#key(), () =>
      stretchesOf(this.#index.isOneChannel ? this.#inside() : this.#inside().toSorted((a, b) => a.start - b.start)),
    );
  }

  #silences(seconds: number): Stretch[] {
    const { from, until } = this.#scope;
    const within = { start: Math.max(0, from), end: Math.min(this.#index.duration, until) };
    return silencesOf(this.#stretches(), within, seconds);
  }

  /**
   * Looks only where the rarest word of the phrase is.
   * @returns in the order of the index, at most `limit`
   */
  #find(phrase: Phrase, limit = Number.POSITIVE_INFINITY): Span[] {
    const terms = this.#index.termsOf(phrase, this.#scope.folding);
    if (terms === undefined) return NOTHING;
    const offset = rarest(terms);
    const places = terms[offset]?.places ?? [];
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

  #standsAt(terms: readonly Term[], start: number): boolean {
    const { tokenAt } = this.#index;
    const speaker = this.#wordAt(start)?.speaker;
    // A plain loop: this runs for every place of every phrase of every rule.
    let place = start;
    for (const { token, tokens } of terms) {
      const here = tokenAt[place];
      if (here === undefined || here < 0) return false;
      if (token === SEVERAL ? tokens?.has(here) === false : token !== here) return false;
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

  /** Negations of several lengths lie in the order of their starts; few of them are near enough to be looked at. */
  #isWithin(span: Span, against: Span[], before: number, after: number): boolean {
    for (let i = lowerBound(against, span[0]) - 1; i >= 0; i--) {
      const other = against[i];
      if (other === undefined || !this.#areNear(other[0], span[0], before + LONGEST)) break;
      if (other[1] < span[0] && this.#areOfOne(other, span) && this.#areNear(other[1], span[0], before - 1))
        return true;
    }
    for (let i = lowerBound(against, span[1] + 1); i < against.length; i++) {
      const other = against[i];
      if (other === undefined || !this.#areNear(span[1], other[0], after - 1)) break;
      if (this.#areOfOne(other, span)) return true;
    }
    return false;
  }

  #areOfOne(a: Span, b: Span): boolean {
    return this.#wordAt(a[0])?.speaker === this.#wordAt(b[0])?.speaker;
  }

  #areNear(end: number, start: number, words: number): boolean {
    const { wordAt } = this.#index;
    const between = (wordAt[start] ?? 0) - (wordAt[end] ?? 0) - 1;
    return between <= words && this.#wordAt(end)?.channel === this.#wordAt(start)?.channel;
  }

  #start(span: Span | undefined): number {
    return (span && this.#wordAt(span[0])?.start) ?? 0;
  }

  #wordAt(place: number): Word | undefined {
    const word = this.#index.wordAt[place];
    return word === undefined ? undefined : this.#index.words[word];
  }

  /** @param spans in the order of the index, each once */
  #matches(spans: readonly Span[]): SpeechMatch[] {
    if (spans.length === 0) return [];
    const matches = spans.slice(0, MATCHES_MAX).map((span) => this.#match(span));
    return matches.length > 1 ? matches.sort(byStart) : matches;
  }

  #match([first, last]: Span): SpeechMatch {
    const { words, wordAt } = this.#index;
    const spoken = words.slice(wordAt[first], (wordAt[last] ?? 0) + 1);
    const match = matchOf(spoken);
    if (this.#scope.confidence === undefined) return match;
    return { ...match, confidence: Math.min(...spoken.map(({ confidence }) => confidence)) };
  }
}

/** Words of the longest phrase. */
const LONGEST = 30;

function matchOf(spoken: readonly Word[]): SpeechMatch {
  const [first] = spoken;
  const speaker = first?.speaker;
  const isOneSpeaker = spoken.every((word) => word.speaker === speaker);
  return {
    text: spoken.map((word) => word.text).join(' '),
    ...(speaker === undefined || !isOneSpeaker ? {} : { speaker }),
    channel: first?.channel ?? 0,
    start: first?.start ?? 0,
    end: spoken.at(-1)?.end ?? 0,
  };
}

function turnMatch({ words }: Turn): SpeechMatch {
  return matchOf(words.slice(0, SHOWN_WORDS));
}

function silenceMatch({ start, end }: Stretch): SpeechMatch {
  return { text: `[silence, ${String(Math.round(end - start))} s]`, channel: 0, start, end };
}

function byStart(a: SpeechMatch, b: SpeechMatch): number {
  return a.start - b.start || a.end - b.end;
}

function byTime({ words, isOneChannel }: SpeechIndex): readonly Word[] {
  return isOneChannel ? words : words.toSorted((a, b) => a.start - b.start);
}

/** Which word of a phrase occurs least. */
function rarest(terms: readonly Term[]): number {
  let best = 0;
  let least = Number.POSITIVE_INFINITY;
  for (const [i, { places, token, tokens }] of terms.entries()) {
    const isAny = token === SEVERAL && tokens === undefined;
    if (isAny || places.length >= least) continue;
    best = i;
    least = places.length;
  }
  return best;
}

/** In the order of the index, each once. */
function distinct(spans: Span[]): Span[] {
  const ordered = spans.toSorted((a, b) => a[0] - b[0] || a[1] - b[1]);
  return ordered.filter((span, i) => span[0] !== ordered[i - 1]?.[0] || span[1] !== ordered[i - 1]?.[1]);
}

function isInside(word: Word, { speakers, channel, from, until, confidence }: Scope): boolean {
  if (word.start < from || word.start >= until) return false;
  if (channel !== undefined && word.channel !== channel) return false;
  if (confidence !== undefined && word.confidence < confidence) return false;
  return speakers === undefined || (word.speaker !== undefined && speakers.has(word.speaker));
}

/** Index of the first span that starts at or after `place`. */
function lowerBound(spans: Span[], place: number): number {
  return bisect(spans.length, (i) => (spans[i]?.[0] ?? 0) >= place);
}

/** Hits of one phrase are equally long, so their ends ascend as their starts do. */
function lastEndingBefore(spans: Span[], place: number): Span | undefined {
  return spans[bisect(spans.length, (i) => (spans[i]?.[1] ?? 0) >= place) - 1];
}
