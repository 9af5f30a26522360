import { Fragments } from './fragments.js';
import { isMarked, markOf, spellMarks, spread, withoutMarks, type Masker } from './masker.js';
import type { RedactionRule } from './policy.js';

/** Something said, at a time, by somebody. */
interface Timed {
  text: string;
  channel: number;
  speaker?: string;
}

interface Said {
  text: string;
  utterances: Timed[];
}

/** Members that name, link or set something and hold nothing of a person's. */
const UNREAD = new Set([
  ...['id', 'jobId', 'requestId', 'sha256', 'link', 'ack', 'origin', 'created', 'models', 'speaker'],
  ...['language', 'locale', 'timeZone', 'content'],
  // Masked where it is read: its excerpts are cut there.
  'digest',
]);

/** Their members have names that somebody chose: a tag `id` may hold anything. */
const FREE = new Set(['tags', 'options', 'extra']);
const NONE: ReadonlySet<string> = new Set();

/**
 * What is known when a message is rendered, with a mark in each place that the policy masks. Done on the whole, before anything is cut
 * to what a message can hold.
 */
export function maskFacts<T extends object>(data: T, masker: Masker): T {
  const { transcript, ...rest } = data as { transcript?: Said; matches?: unknown };
  const plain = (text: string): string => masker.mark(withoutMarks(text));
  if (!transcript) return walk(data, plain) as T;
  const fragments = new Fragments(masker);
  const masked = maskSaid(transcript, masker, fragments);
  const { matches, ...others } = rest;
  return {
    ...(walk(others, plain) as object),
    ...(matches === undefined ? {} : { matches: walk(matches, (text) => fragments.mark(text)) }),
    transcript: masked,
  } as T;
}

/** A transcript with its words, for files. */
export function maskTranscript<T extends Said & { words: Timed[] }>(transcript: T, masker: Masker): T {
  return maskSaid(transcript, masker, new Fragments(masker));
}

/** The same with the replacements in the place of the marks. */
export function spellOut<T>(data: T, rules: readonly RedactionRule[]): T {
  return walk(data, (text) => spellMarks(text, rules), NONE) as T;
}

function maskSaid<T extends Said>(said: T, masker: Masker, fragments: Fragments): T {
  const { text, utterances, ...rest } = said;
  const { words } = rest as { words?: unknown };
  const maskedUtterances = maskTimed(utterances, masker, fragments);
  const maskedWords = Array.isArray(words) ? maskTimed(words as Timed[], masker, fragments) : words;
  const isMasked = maskedUtterances.some((utterance) => isMarked(utterance.text));
  return {
    ...(walk({ ...rest, words: undefined }, (one) => fragments.mark(one)) as object),
    words: maskedWords,
    // As it was said by turns: in the text of both, what one says between two groups of the other's number would part them.
    text: isMasked ? linesOf(maskedUtterances) : masker.mark(withoutMarks(text)),
    utterances: maskedUtterances,
  } as unknown as T;
}

/** Read twice: as each speaker says it, whoever speaks in between, and as it is heard. What nothing is left of is left out. */
function maskTimed<T extends Timed>(all: readonly T[], masker: Masker, fragments: Fragments): T[] {
  const bySpeaker = maskGroups(
    all.map((one) => ({ ...one, text: withoutMarks(one.text) })),
    ({ channel, speaker = '' }) => `${String(channel)}:${speaker}`,
    masker,
    fragments,
  );
  return maskGroups(bySpeaker, ({ channel }) => String(channel), masker, fragments).filter(({ text }) => text !== '');
}

function maskGroups<T extends Timed>(
  all: readonly T[],
  keyOf: (one: T) => string,
  masker: Masker,
  fragments: Fragments,
): T[] {
  const groups = new Map<string, number[]>();
  all.forEach((one, i) => {
    const key = keyOf(one);
    const group = groups.get(key);
    if (group) group.push(i);
    else groups.set(key, [i]);
  });
  const masked = [...all];
  for (const indexes of groups.values()) {
    const texts = indexes.map((i) => all[i]?.text ?? '');
    const whole = texts.join(' ');
    const spans = masker.find(whole);
    fragments.learn(whole, spans);
    spread(texts, ' ', spans, markOf).forEach((text, i) => {
      const index = indexes[i] ?? 0;
      const one = masked[index];
      if (one && one.text !== text) masked[index] = { ...one, text: text.replace(/\s+/g, ' ').trim() };
    });
  }
  return masked;
}

/** A line a turn. */
function linesOf(utterances: readonly Timed[]): string {
  let text = '';
  let last: Timed | undefined;
  for (const utterance of utterances) {
    const goesOn = last?.channel === utterance.channel && last.speaker === utterance.speaker;
    text += `${last ? (goesOn ? ' ' : '\n') : ''}${utterance.text}`;
    last = utterance;
  }
  return text;
}

/** Every text of a plain value. */
function walk(value: unknown, change: (text: string) => string, unread: ReadonlySet<string> = UNREAD): unknown {
  if (typeof value === 'string') return change(value);
  if (Array.isArray(value)) return value.map((item) => walk(item, change, unread));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name,
      unread.has(name) ? inner : walk(inner, change, FREE.has(name) ? NONE : unread),
    ]),
  );
}
