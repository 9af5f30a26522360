import type { Speaker, Utterance } from './transcript.js';

/** What one speaker says without a break; the unit in which people read a transcript. */
export interface Turn {
  /** Id of a {@link Speaker}; absent when nothing tells speakers apart. */
  speaker?: string;
  /** `Speaker 1`; `""` when nothing tells speakers apart. */
  label: string;
  channel: number;
  /** Seconds. */
  start: number;
  end: number;
  /** Utterances of the turn, in order. */
  utterances: Utterance[];
}

/** A monologue is broken into turns of about this many characters, so that it shows a time now and then. */
const MONOLOGUE_LENGTH = 600;

/**
 * Joins neighbouring utterances of one speaker.
 * @returns lazily, in order: whoever shows only the beginning pays only for it
 */
export function* toTurns(transcript: { utterances: Utterance[]; speakers: Speaker[] }): Generator<Turn> {
  const labels = new Map(transcript.speakers.map(({ id, label }) => [id, label]));
  let turn: Turn | undefined;
  let length = 0;
  for (const utterance of transcript.utterances) {
    if (turn?.speaker === utterance.speaker && turn?.channel === utterance.channel && length < MONOLOGUE_LENGTH) {
      turn.utterances.push(utterance);
      turn.end = Math.max(turn.end, utterance.end);
      length += utterance.text.length;
      continue;
    }
    if (turn) yield turn;
    turn = startTurn(utterance, labels);
    length = utterance.text.length;
  }
  if (turn) yield turn;
}

function startTurn(utterance: Utterance, labels: Map<string, string>): Turn {
  const { speaker, channel, start, end } = utterance;
  const label = speaker === undefined ? '' : (labels.get(speaker) ?? `Speaker ${speaker}`);
  return { ...(speaker === undefined ? {} : { speaker }), label, channel, start, end, utterances: [utterance] };
}

/**
 * Name of the place in the transcript page where this second is spoken: the utterance that starts at or nearest before it.
 * @param starts seconds at which utterances start, in order
 * @returns `t73`; undefined when nothing was said
 */
export function anchorAt(starts: readonly number[], seconds: number): string | undefined {
  let low = 0;
  let high = starts.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((starts[middle] ?? 0) <= seconds) low = middle + 1;
    else high = middle;
  }
  const start = starts[Math.max(0, low - 1)];
  return start === undefined ? undefined : anchorName(start);
}

/** Name of the anchor of an utterance that starts at this second. */
export function anchorName(start: number): string {
  return `t${String(Math.max(0, Math.floor(start)))}`;
}
