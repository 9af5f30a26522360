import type { Word } from './transcript.js';

/** Who speaks when: stretches of speech, the silence between them, and who begins while another speaks. */

/** A pause of this many seconds ends a stretch. */
const PAUSE = 0.8;
/** One who begins less than this before the other ends, or after he began, does not interrupt: turns touch. Seconds. */
const TOUCH = 0.3;
/** "Mhm" is no interruption. */
const INTERRUPTING_WORDS = 2;

/** Seconds. */
export interface Stretch {
  start: number;
  end: number;
}

/** One person's speech without a pause; `words` are in order. */
export interface Turn extends Stretch {
  words: Word[];
}

/** Speech of anybody, joined over short pauses; people who talk at once are counted once. @param words by start */
export function stretchesOf(words: readonly Word[]): Stretch[] {
  const stretches: Stretch[] = [];
  let last: Stretch | undefined;
  for (const { start, end } of words) {
    if (last && start - last.end < PAUSE) last.end = Math.max(last.end, end);
    else stretches.push((last = { start, end }));
  }
  return stretches;
}

/** Gaps of at least `seconds` in which nobody speaks, also before the first and after the last word. */
export function silencesOf(stretches: readonly Stretch[], within: Stretch, seconds: number): Stretch[] {
  const silences: Stretch[] = [];
  let since = within.start;
  for (const { start, end } of [...stretches, { start: within.end, end: within.end }]) {
    if (start - since >= seconds && start > since) silences.push({ start: since, end: start });
    since = Math.max(since, end);
  }
  return silences;
}

/**
 * Turns that begin while somebody else is in the middle of one, by start.
 * @param words of everybody, by start; words that nobody is known to have said are left out
 */
export function interruptionsOf(words: readonly Word[]): Turn[] {
  const turns = turnsOf(words);
  const found: Turn[] = [];
  let open: Turn[] = [];
  for (const turn of turns) {
    open = open.filter(({ end }) => end > turn.start);
    if (turn.words.length >= INTERRUPTING_WORDS && open.some((other) => isInside(turn, other))) found.push(turn);
    open.push(turn);
  }
  return found;
}

function isInside({ start, words: [word] }: Turn, other: Turn): boolean {
  return other.words[0]?.speaker !== word?.speaker && start > other.start + TOUCH && start < other.end - TOUCH;
}

function turnsOf(words: readonly Word[]): Turn[] {
  const turns: Turn[] = [];
  const current = new Map<string, Turn>();
  for (const word of words) {
    if (word.speaker === undefined) continue;
    const turn = current.get(word.speaker);
    if (turn && word.start - turn.end < PAUSE) {
      turn.words.push(word);
      turn.end = Math.max(turn.end, word.end);
    } else {
      const fresh = { start: word.start, end: word.end, words: [word] };
      current.set(word.speaker, fresh);
      turns.push(fresh);
    }
  }
  return turns;
}
