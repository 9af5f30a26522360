import { isObject, JsonLimitError, parseJson } from '../../json.js';
import type { CallbackResult } from '../provider.js';
import { readError } from './deepgram-errors.js';
import { toTranscript } from './deepgram-transcript.js';

/** Words of one transcript: four days of speech, and what memory and time for one body are made for. */
const WORDS_MAX = 1_000_000;
const STREAMING = ['Results', 'Metadata', 'SpeechStarted', 'UtteranceEnd'];

/**
 * Reads the body of a Deepgram callback, whatever it is. Never throws: what cannot be read is `unreadable` with a reason that quotes
 * nothing of the body.
 */
export function parseDeepgramCallback(bytes: Uint8Array): CallbackResult {
  try {
    // drops a BOM; what is not UTF-8 becomes U+FFFD, since one bad byte must not cost the transcript
    return readBody(new TextDecoder('utf-8').decode(bytes));
  } catch (error) {
    return unreadable(`the body could not be read (${error instanceof Error ? error.name : 'unknown fault'})`);
  }
}

function readBody(text: string): CallbackResult {
  if (text.trim() === '') return unreadable('the body is empty');
  let body: unknown;
  try {
    body = parseJson(text);
  } catch (error) {
    if (error instanceof JsonLimitError) return unreadable(error.message);
    return unreadable('the body is not JSON');
  }
  return isObject(body) ? readObject(body, text.includes('\ufffd')) : unreadable('the body is JSON, but not an object');
}

/** The order matters: a streaming message may hold what the later tests look for. */
function readObject(body: Record<string, unknown>, damaged: boolean): CallbackResult {
  if (typeof body.type === 'string') {
    const type = STREAMING.includes(body.type) ? body.type : 'of a type that Herald does not know';
    return unreadable(`a streaming message (${type}); Herald takes the transcripts of recordings`);
  }
  if (isObject(body.results)) return readResults(body, body.results, damaged);
  const failure = readError(body);
  if (failure) {
    return { kind: 'failure', failure, ...(failure.requestId === undefined ? {} : { requestId: failure.requestId }) };
  }
  if (typeof body.request_id === 'string') {
    return unreadable('only a request id: the answer to a submit was relayed, not the transcript');
  }
  return unreadable('neither a transcript nor an error of Deepgram');
}

function readResults(
  body: Record<string, unknown>,
  results: Record<string, unknown>,
  damaged: boolean,
): CallbackResult {
  if (!Array.isArray(results.channels)) {
    const read = ['summary', 'topics', 'intents', 'sentiments'].some((name) => isObject(results[name]));
    return unreadable(
      read
        ? 'an answer of /v1/read: text intelligence without a transcript'
        : 'results without channels: there is no transcript in it',
    );
  }
  if (hasTooManyWords(results)) return unreadable(`more than ${WORDS_MAX.toLocaleString('en')} words`);
  const { transcript, callbackSecret } = toTranscript(body);
  if (damaged) transcript.warnings.push('some characters could not be decoded');
  return {
    kind: 'transcript',
    transcript,
    requestId: transcript.requestId,
    ...(callbackSecret === undefined ? {} : { callbackSecret }),
  };
}

/** Words and utterances, counted before anything is made of them. */
function hasTooManyWords({ channels, utterances }: Record<string, unknown>): boolean {
  const records = (value: unknown): Record<string, unknown>[] => (Array.isArray(value) ? value.filter(isObject) : []);
  const length = (value: unknown): number => (Array.isArray(value) ? value.length : 0);
  const spoken = records(channels).map(({ alternatives }) => length(records(alternatives)[0]?.words));
  return (
    Math.max(
      length(utterances),
      length(channels),
      spoken.reduce((sum, words) => sum + words, 0),
    ) > WORDS_MAX
  );
}

function unreadable(reason: string): CallbackResult {
  return { kind: 'unreadable', reason };
}
