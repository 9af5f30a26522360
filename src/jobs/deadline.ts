import { MINUTE, SECOND } from '../duration.js';
import type { OverdueFacts } from '../transcripts/facts.js';

/** What the wait for a callback depends on. */
export interface SubmittedAudio {
  kind: 'url' | 'upload';
  /** Of an upload. */
  bytes: number | null;
  /** Of an upload: its media type, parameters allowed. */
  contentType: string | null;
  /** Deepgram's name of the model; absent: its default. */
  model: string | undefined;
}

/** Longest that Deepgram works on one recording; what takes longer is dropped (504). */
const LIMIT = 10 * MINUTE;
const WHISPER_LIMIT = 20 * MINUTE;
/** Queueing, opening and decoding, before the length of the recording matters. */
const BASE = 3 * MINUTE;
/** Seconds of audio transcribed in a second of work. Deepgram's own figures are 4 to 20 times better. */
const SPEED = 10;
const WHISPER_SPEED = 2;
/** Fetching the audio of a URL. */
const FETCH = MINUTE;
/** 10 retries, 30 s apart, of which each may wait 10 s for its answer; and a minute for what is on its way. */
const DELIVERY = 10 * (30 + 10) * SECOND + MINUTE;

/**
 * Least bits a second that speech is stored with, by media type: the estimate of the length must never be too short. What no row
 * names may be as dense as AMR.
 */
const LEAST_BITRATE: readonly (readonly [RegExp, number])[] = [
  [/^video\//, 64_000],
  [/^audio\/(l16|x-aiff|aiff)\b/, 128_000],
  [/^audio\/(basic|pcmu|pcma|x-mulaw|mulaw)\b/, 64_000],
  // usually 64 kbit/s and more, but the container also holds GSM
  [/^audio\/(wav|wave|x-wav|vnd\.wave)\b/, 13_000],
  [/^audio\/(flac|x-flac)\b/, 16_000],
  [/^audio\/(mpeg|mp3)\b/, 8_000],
  [/^audio\/(mp4|m4a|x-m4a|aac)\b/, 8_000],
  [/^audio\/(ogg|opus|webm)\b/, 6_000],
];
const DENSEST = 4_750;

/** No computed wait is longer. */
export const LONGEST_WAIT = FETCH + WHISPER_LIMIT + DELIVERY;

/**
 * How long the callback of a submission may take, in milliseconds from the moment when Deepgram took the job: its work, and its
 * ten retries of the callback. After that the callback hardly comes any more, though one that does still counts.
 *
 * The length of the recording is not known. For an upload it is estimated from bytes and media type, on the long side; for a URL
 * Deepgram's limit is taken. Deepgram drops what takes longer than 10 minutes (Whisper 20), so no wait is over half an hour. A
 * Deepgram of one's own may have other limits: HERALD_OVERDUE_MINUTES says so, and then this is not asked.
 */
export function callbackWait(audio: SubmittedAudio): number {
  const whisper = /^whisper\b/i.test(audio.model ?? '');
  const limit = whisper ? WHISPER_LIMIT : LIMIT;
  if (audio.kind === 'url' || audio.bytes === null) return FETCH + limit + DELIVERY;
  const work = (audioSeconds(audio.bytes, audio.contentType ?? '') / (whisper ? WHISPER_SPEED : SPEED)) * SECOND;
  return Math.round(Math.min(limit, BASE + work)) + DELIVERY;
}

/** How late a job is when it is given up. @param overdueAt epoch milliseconds */
export function overdueFacts(job: { createdAt: number; resubmissions: number }, overdueAt: number): OverdueFacts {
  return { minutes: Math.max(0, Math.round((overdueAt - job.createdAt) / MINUTE)), resubmissions: job.resubmissions };
}

/** The longest that a recording of so many bytes can reasonably be. */
function audioSeconds(bytes: number, contentType: string): number {
  const type = contentType.trim().toLowerCase();
  const bitrate = LEAST_BITRATE.find(([pattern]) => pattern.test(type))?.[1] ?? DENSEST;
  return (Math.max(0, bytes) * 8) / bitrate;
}
