import { isObject, type JsonObject } from '../json.js';

/** What of a request comes back in the metadata of its body. */
export interface BodyOrigin {
  requestId: string;
  /** ISO 8601. */
  created: string;
  /** Of the audio bytes, in hex. */
  sha256: string;
  query: URLSearchParams;
}

/** `extra=key:value` pairs; a key given twice keeps its last value. */
export function extraOf(query: URLSearchParams): Record<string, string> {
  return Object.fromEntries(
    query.getAll('extra').map((pair) => [pair.slice(0, pair.indexOf(':')), pair.slice(pair.indexOf(':') + 1)]),
  );
}

/** The body with the metadata of one request: id, time, hash, and the echo of `extra` and `tag`. */
export function withMetadata(body: JsonObject, origin: BodyOrigin): JsonObject {
  const extra = extraOf(origin.query);
  const tags = origin.query.getAll('tag');
  return {
    ...body,
    metadata: {
      ...(isObject(body.metadata) ? body.metadata : {}),
      request_id: origin.requestId,
      created: origin.created,
      sha256: origin.sha256,
      ...(Object.keys(extra).length > 0 ? { extra } : {}),
      ...(tags.length > 0 ? { tags } : {}),
    },
  };
}

/** Leaves out of a full body what was not asked for. */
export function asAskedFor(body: JsonObject, query: URLSearchParams): JsonObject {
  const on = (...names: string[]): boolean => names.some((name) => !['', 'false'].includes(query.get(name) ?? ''));
  const unasked = new Set<string>();
  const unless = (asked: boolean, ...names: string[]): void => {
    if (!asked) for (const name of names) unasked.add(name);
  };
  unless(on('utterances'), 'utterances');
  unless(on('summarize'), 'summary', 'summary_info');
  unless(on('topics'), 'topics', 'topics_info');
  unless(on('sentiment'), 'sentiments', 'sentiment_info');
  unless(on('paragraphs', 'smart_format'), 'paragraphs');
  unless(on('diarize', 'diarize_model'), 'speaker', 'speaker_confidence');
  unless(on('smart_format', 'punctuate', 'paragraphs'), 'punctuated_word');
  return JSON.parse(
    JSON.stringify(body, (name, value: unknown) => (unasked.has(name) ? undefined : value)),
  ) as JsonObject;
}

const PLAIN_WORDS = ['This', 'is', 'the', 'stand-in', 'for', 'Deepgram.', 'It', 'does', 'not', 'listen.'];

/** A small honest body for any audio but the bundled call: the stand-in cannot listen. */
export function genericBody(): JsonObject {
  const words = PLAIN_WORDS.map((text, i) => ({
    word: text.toLowerCase().replace('.', ''),
    start: 0.5 + i * 0.4,
    end: 0.8 + i * 0.4,
    confidence: 0.99,
    speaker: 0,
    speaker_confidence: 0.9,
    punctuated_word: text,
  }));
  const transcript = PLAIN_WORDS.join(' ');
  const span = { start: 0.5, end: 4.4 };
  const sentence = (from: number, to: number) => ({
    text: PLAIN_WORDS.slice(from, to).join(' '),
    start: 0.5 + from * 0.4,
    end: 0.8 + (to - 1) * 0.4,
  });
  const model = '1f5c7a52-64b0-4b5e-9a1d-3c6d0f5b7e21';
  return {
    metadata: {
      transaction_key: 'deprecated',
      duration: 5,
      channels: 1,
      models: [model],
      model_info: { [model]: { name: 'general-nova-3', version: '2025-07-31.0', arch: 'nova-3' } },
    },
    results: {
      channels: [
        {
          alternatives: [
            {
              transcript,
              confidence: 0.99,
              words,
              paragraphs: {
                transcript: `\nSpeaker 0: ${transcript}`,
                paragraphs: [
                  { sentences: [sentence(0, 6), sentence(6, 10)], speaker: 0, num_words: words.length, ...span },
                ],
              },
            },
          ],
        },
      ],
      utterances: [
        {
          ...span,
          confidence: 0.99,
          channel: 0,
          transcript,
          words,
          speaker: 0,
          id: '6f1d3c52-9d0a-4c8e-8a53-0b2f7f6f1a10',
        },
      ],
      summary: { result: 'success', short: 'The stand-in for Deepgram says that it does not listen.' },
      topics: { segments: [] },
      sentiments: { segments: [], average: { sentiment: 'neutral', sentiment_score: 0 } },
    },
  };
}
