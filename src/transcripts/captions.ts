import { clockTime } from '../duration.js';
import type { Transcript } from './transcript.js';

/*
 * Written here and not with @deepgram/captions 1.2: that throws for a transcript without words, wraps hours at 24, names speakers by their
 * raw number (a multichannel "1.0"), escapes nothing, and lets a cue end before it starts.
 */

/** Two lines of 42 characters, seven seconds: what subtitling guides agree on. */
const LINE = 42;
const MAX_TEXT = 2 * LINE;
const MAX_CUE_MS = 7_000;
const MIN_CUE_MS = 700;
const PAUSE_MS = 800;
/** A long turn gets a new line, with its time, at the first pause after this many seconds. */
const TURN_SECONDS = 45;

/** What can be shown at once. Times in whole milliseconds. */
interface Cue {
  start: number;
  end: number;
  text: string;
  channel: number;
  speaker: string | undefined;
}

/** SubRip. Cues start in order and never end before they start; people who talk at once overlap. `""` for silence. */
export function toSrt(transcript: Transcript): string {
  const labels = speakerLabels(transcript);
  let said: string | undefined;
  return toCues(transcript)
    .map((cue, i) => {
      const label = cue.speaker === said ? undefined : labels.get(cue.speaker);
      said = cue.speaker;
      // SubRip knows no escape: an arrow would read as a time line
      const text = wrap(label === undefined ? cue.text : `${label}: ${cue.text}`).replaceAll('-->', '->');
      return `${String(i + 1)}\n${timestamp(cue.start, ',')} --> ${timestamp(cue.end, ',')}\n${text}\n`;
    })
    .join('\n');
}

/** WebVTT, with the speaker as voice tag when there are several. */
export function toVtt(transcript: Transcript): string {
  const labels = speakerLabels(transcript);
  const cues = toCues(transcript).map((cue) => {
    const label = labels.get(cue.speaker);
    const voice = label === undefined ? '' : `<v ${escapeVtt(label)}>`;
    return `${timestamp(cue.start, '.')} --> ${timestamp(cue.end, '.')}\n${voice}${escapeVtt(wrap(cue.text))}\n`;
  });
  return ['WEBVTT\n', ...cues].join('\n');
}

/** For people: a line a turn, `[0:05] Speaker 1: …`; long turns get a line for every 45 seconds or so. */
export function toPlainText(transcript: Transcript): string {
  const labels = speakerLabels(transcript);
  const lines: { start: number; speaker: string | undefined; channel: number; texts: string[] }[] = [];
  for (const { text, start, speaker, channel } of transcript.utterances) {
    const last = lines.at(-1);
    const same = last?.speaker === speaker && last?.channel === channel && start - last.start < TURN_SECONDS;
    if (last && same) last.texts.push(oneLine(text));
    else lines.push({ start, speaker, channel, texts: [oneLine(text)] });
  }
  if (lines.length === 0) return transcript.text === '' ? '' : `${transcript.text}\n`;
  return lines
    .map(({ start, speaker, texts }) => {
      const label = labels.get(speaker);
      return `[${clockTime(start)}] ${label === undefined ? '' : `${label}: `}${texts.join(' ')}\n`;
    })
    .join('');
}

/** Empty when one person or nobody in particular speaks: a label would tell nothing. */
function speakerLabels({ speakers }: Transcript): Map<string | undefined, string> {
  return new Map(speakers.length > 1 ? speakers.map(({ id, label }) => [id, oneLine(label)]) : []);
}

function toCues({ words, utterances }: Transcript): Cue[] {
  const open = new Map<number, Cue>();
  const cues: Cue[] = [];
  for (const unit of words.length > 0 ? words : utterances) {
    const start = milliseconds(unit.start);
    const next = {
      ...unit,
      start,
      end: Math.max(start, milliseconds(unit.end)),
      speaker: unit.speaker,
      text: oneLine(unit.text),
    };
    const cue = open.get(unit.channel);
    if (cue && continues(cue, next)) {
      cue.text = `${cue.text} ${next.text}`;
      cue.end = Math.max(cue.end, next.end);
    } else {
      const { channel, speaker, text, end } = next;
      // within a channel one cue makes room for the next
      if (cue) cue.end = Math.max(cue.start + 1, Math.min(Math.max(cue.end, cue.start + MIN_CUE_MS), start));
      const fresh = { start, end, text, channel, speaker };
      open.set(channel, fresh);
      cues.push(fresh);
    }
  }
  for (const cue of open.values()) cue.end = Math.max(cue.end, cue.start + MIN_CUE_MS);
  return cues.sort((a, b) => a.start - b.start);
}

function continues(cue: Cue, next: Cue): boolean {
  if (next.speaker !== cue.speaker || next.start - cue.end > PAUSE_MS || next.end - cue.start > MAX_CUE_MS)
    return false;
  if (cue.text.length + 1 + next.text.length > MAX_TEXT) return false;
  return !(cue.text.length >= LINE && /[.!?…]$/.test(cue.text));
}

/** Two lines when one is too long, broken at the space nearest to the middle. */
function wrap(text: string): string {
  if (text.length <= LINE) return text;
  const middle = Math.floor(text.length / 2);
  const before = text.lastIndexOf(' ', middle);
  const after = text.indexOf(' ', middle);
  const at = before < 0 || (after >= 0 && after - middle < middle - before) ? after : before;
  return at < 0 ? text : `${text.slice(0, at)}\n${text.slice(at + 1)}`;
}

/** A blank line would end the cue. */
function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}

function escapeVtt(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function milliseconds(seconds: number): number {
  return Number.isFinite(seconds) ? Math.max(0, Math.round(seconds * 1_000)) : 0;
}

/** `HH:MM:SS,mmm`; hours have as many digits as they need. */
function timestamp(ms: number, point: ',' | '.'): string {
  const two = (n: number): string => String(n).padStart(2, '0');
  const seconds = Math.floor(ms / 1_000);
  const clock = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60, seconds % 60].map(two).join(':');
  return `${clock}${point}${String(ms % 1_000).padStart(3, '0')}`;
}
