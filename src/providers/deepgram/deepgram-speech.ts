import type { Speaker, Utterance, Word } from '../../transcripts/transcript.js';
import type { BodyReader } from './deepgram-body.js';

/** Deepgram's own default for `utt_split`, in seconds. */
const PAUSE = 0.8;
/** Ten million seconds: 115 days. Keeps times in the range that arithmetic and captions can carry. */
export const SECONDS = [0, 1e7] as const;
const UNIT = [0, 1] as const;

/** The first alternative of one channel; Deepgram sends no more. */
export interface Channel {
  index: number;
  record: Record<string, unknown>;
  alternative: Record<string, unknown>;
}

/** Deepgram counts speakers from 0 in every channel: with several channels the key carries the channel too. */
export function speakerKey(channels: number, channel: number, speaker: number | undefined): string | undefined {
  if (channels <= 1) return speaker === undefined ? undefined : String(speaker);
  return speaker === undefined ? String(channel) : `${String(channel)}.${String(speaker)}`;
}

/** The words of all channels, ordered by start. */
export function readWords(reader: BodyReader, channels: readonly Channel[]): Word[] {
  return channels.flatMap((channel) => readChannelWords(reader, channel, channels.length)).sort(byStart);
}

function readChannelWords(reader: BodyReader, { index, alternative }: Channel, channels: number): Word[] {
  const words: Word[] = [];
  let last = 0;
  for (const raw of reader.records(alternative.words, 'words')) {
    const text = readWord(reader, raw);
    if (text === '') continue;
    const { start, end } = readSpan(reader, raw, last);
    const speaker = speakerKey(channels, index, readIndex(reader, raw.speaker, 'speaker'));
    const language = readLanguage(reader, raw.language);
    words.push({
      text,
      start,
      end,
      confidence: reader.number(raw.confidence, 'confidence', UNIT) ?? 0,
      channel: index,
      ...(speaker === undefined ? {} : { speaker }),
      ...(language === undefined ? {} : { language }),
    });
    last = end;
  }
  return words;
}

function readWord(reader: BodyReader, raw: Record<string, unknown>): string {
  const shown = reader.text(raw.punctuated_word, 'punctuated_word')?.trim() ?? '';
  return shown === '' ? (reader.text(raw.word, 'word')?.trim() ?? '') : shown;
}

/** Deepgram's utterances ordered by start; undefined when it sent none that say anything. */
export function readUtterances(reader: BodyReader, value: unknown, channels: number): Utterance[] | undefined {
  const utterances: Utterance[] = [];
  for (const raw of reader.records(value, 'utterances')) {
    const words = reader.records(raw.words, 'words of an utterance');
    const text = (reader.text(raw.transcript, 'transcript of an utterance') ?? '').trim();
    if (text === '') continue;
    const channel = Math.min(readIndex(reader, raw.channel, 'channel') ?? 0, Math.max(0, channels - 1));
    const speaker = speakerKey(channels, channel, readIndex(reader, raw.speaker ?? words[0]?.speaker, 'speaker'));
    utterances.push({
      text,
      ...readSpan(reader, raw, 0),
      confidence: reader.number(raw.confidence, 'confidence', UNIT) ?? 0,
      channel,
      ...(speaker === undefined ? {} : { speaker }),
    });
  }
  return utterances.length > 0 ? utterances.sort(byStart) : undefined;
}

/** Groups words by channel and speaker, split at pauses: what Deepgram's utterances are, for a body that has none. */
export function utterancesFromWords(words: readonly Word[]): Utterance[] {
  const open = new Map<number, Word[]>();
  const groups: Word[][] = [];
  for (const word of words) {
    const group = open.get(word.channel);
    const last = group?.at(-1);
    if (group && last && last.speaker === word.speaker && word.start - last.end <= PAUSE) {
      group.push(word);
    } else {
      const fresh = [word];
      open.set(word.channel, fresh);
      groups.push(fresh);
    }
  }
  return groups.map(toUtterance).sort(byStart);
}

function toUtterance(group: readonly Word[]): Utterance {
  const { start = 0, channel = 0, speaker } = group[0] ?? {};
  return {
    text: group.map((word) => word.text).join(' '),
    start,
    end: group.reduce((latest, word) => Math.max(latest, word.end), start),
    confidence: mean(group.map((word) => word.confidence)),
    channel,
    ...(speaker === undefined ? {} : { speaker }),
  };
}

/** Speakers in order of their first words. Seconds of speech count pauses inside an utterance, as a listener would. */
export function toSpeakers(words: readonly Word[]): Speaker[] {
  const speakers = new Map<string, Speaker>();
  for (const word of words) {
    if (word.speaker === undefined) continue;
    const known = speakers.get(word.speaker);
    if (known) known.words++;
    else {
      const label = `Speaker ${String(speakers.size + 1)}`;
      speakers.set(word.speaker, { id: word.speaker, label, channel: word.channel, words: 1, talk: 0 });
    }
  }
  for (const { speaker, start, end } of utterancesFromWords(words)) {
    const known = speaker === undefined ? undefined : speakers.get(speaker);
    if (known) known.talk += end - start;
  }
  return [...speakers.values()];
}

/** BCP-47 in form; anything else is dropped. */
export function readLanguage(reader: BodyReader, value: unknown): string | undefined {
  const text = reader.text(value, 'language');
  return text !== undefined && /^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$/.test(text) ? text : undefined;
}

/** `end` may be -1 or before `start` in real bodies: the word then has no length. */
export function readSpan(
  reader: BodyReader,
  raw: Record<string, unknown>,
  fallback: number,
): { start: number; end: number } {
  const start = reader.number(raw.start, 'start', SECONDS) ?? fallback;
  const end = reader.number(raw.end, 'end', [-1, SECONDS[1]]) ?? start;
  if (end < start) reader.warn('something ends before it starts');
  return { start, end: Math.max(start, end) };
}

export function mean(numbers: readonly number[]): number {
  return numbers.length === 0 ? 0 : numbers.reduce((sum, n) => sum + n, 0) / numbers.length;
}

function readIndex(reader: BodyReader, value: unknown, where: string): number | undefined {
  const number = reader.number(value, where, [0, 9_999]);
  return number === undefined ? undefined : Math.floor(number);
}

function byStart(a: { start: number }, b: { start: number }): number {
  return a.start - b.start;
}
