import type { Entity, SearchHit, Segment, Transcript, Utterance, Word } from '../../transcripts/transcript.js';
import { BodyReader } from './deepgram-body.js';
import {
  mean,
  readLanguage,
  readSpan,
  readUtterances,
  readWords,
  SECONDS,
  toSpeakers,
  utterancesFromWords,
  type Channel,
} from './deepgram-speech.js';

const UNIT = [0, 1] as const;

/**
 * Normalises a transcript body (`results.channels` is a list; all else may be missing, null or of a wrong type). Never throws.
 * `callbackSecret` is `metadata.extra.callback_secret`, which does not become part of the transcript.
 */
export function toTranscript(body: Record<string, unknown>): { transcript: Transcript; callbackSecret?: string } {
  const reader = new BodyReader();
  const metadata = reader.record(body.metadata, 'metadata');
  const results = reader.record(body.results, 'results');
  const channels = readChannels(reader, results.channels);
  const words = readWords(reader, channels);
  const duration =
    reader.number(metadata.duration, 'duration', SECONDS) ?? words.reduce((t, w) => Math.max(t, w.end), 0);
  const utterances = readUtterances(reader, results.utterances, channels.length) ?? utterancesFromWords(words);
  const { callback_secret: callbackSecret, ...extra } = readExtra(reader, metadata.extra);
  const transcript: Transcript = {
    requestId: readRequestId(reader, body, metadata),
    text: readText(reader, channels, utterances),
    ...readLanguages(reader, channels, words),
    duration,
    confidence: readConfidence(reader, channels, words),
    channels: channels.length,
    speakers: toSpeakers(words),
    words,
    utterances,
    ...readSummary(reader, results, channels),
    ...readSentiments(reader, results.sentiments),
    topics: readLabels(reader, results.topics, channels, 'topics', 'topic'),
    intents: readLabels(reader, results.intents, channels, 'intents', 'intent'),
    entities: channels.flatMap((channel) => readEntities(reader, channel)),
    search: channels.flatMap((channel) => readSearch(reader, channel)),
    extra,
    tags: reader.texts(metadata.tags, 'tags'),
    models: readModels(reader, metadata.model_info),
    ...optional('sha256', reader.text(metadata.sha256, 'sha256')),
    ...optional('created', reader.text(metadata.created, 'created')),
    warnings: [],
  };
  transcript.warnings = [...readWarnings(reader, metadata.warnings), ...reader.warnings];
  return { transcript, ...optional('callbackSecret', callbackSecret) };
}

function optional<K extends string>(key: K, value: string | undefined): Partial<Record<K, string>> {
  return value === undefined || value === '' ? {} : ({ [key]: value } as Record<K, string>);
}

function readChannels(reader: BodyReader, value: unknown): Channel[] {
  const channels = reader.records(value, 'channels').map((record, index) => ({
    index,
    record,
    alternative: reader.records(record.alternatives, 'alternatives')[0] ?? {},
  }));
  if (channels.length === 0) reader.warn('the body has no channel');
  return channels;
}

function readRequestId(reader: BodyReader, body: Record<string, unknown>, metadata: Record<string, unknown>): string {
  const id = reader.text(metadata.request_id, 'request_id') ?? reader.text(body.request_id, 'request_id') ?? '';
  if (id === '') reader.warn('the body has no request id');
  return id.slice(0, 200);
}

// ---- text ----

/**
 * Paragraphs where Deepgram made some, a line a turn otherwise; a channel without paragraphs joins in with its turns. Without speaker
 * labels: rules and previews want what was said.
 */
function readText(reader: BodyReader, channels: readonly Channel[], utterances: readonly Utterance[]): string {
  const paragraphs = channels.map((channel) => readParagraphs(reader, channel));
  if (paragraphs.every((list) => list.length === 0)) {
    const spoken = turns(utterances).map(({ text }) => text);
    // one turn: Deepgram's own text is at least as well punctuated as the words
    return spoken.length > 1 ? spoken.join('\n') : plainText(reader, channels) || spoken.join('');
  }
  const rest = turns(utterances.filter(({ channel }) => (paragraphs[channel] ?? []).length === 0));
  return [...paragraphs.flat(), ...rest]
    .sort((a, b) => a.start - b.start)
    .map(({ text }) => text)
    .join('\n\n');
}

function readParagraphs(reader: BodyReader, { alternative }: Channel): { start: number; text: string }[] {
  const { paragraphs } = reader.record(alternative.paragraphs, 'paragraphs');
  return reader.records(paragraphs, 'paragraphs').flatMap((raw) => {
    const sentences = reader
      .records(raw.sentences, 'sentences')
      .map(({ text }) => reader.text(text, 'sentence')?.trim() ?? '');
    const text = sentences.filter((sentence) => sentence !== '').join(' ');
    return text === '' ? [] : [{ start: readSpan(reader, raw, 0).start, text }];
  });
}

/** Utterances that follow each other in the same mouth, joined. */
function turns(utterances: readonly Utterance[]): { start: number; text: string }[] {
  const made: { start: number; texts: string[]; of: Utterance }[] = [];
  for (const utterance of utterances) {
    const last = made.at(-1);
    if (last && last.of.speaker === utterance.speaker && last.of.channel === utterance.channel)
      last.texts.push(utterance.text);
    else made.push({ start: utterance.start, texts: [utterance.text], of: utterance });
  }
  return made.map(({ start, texts }) => ({ start, text: texts.join(' ') }));
}

/** The text as Deepgram gives it, a line a channel. */
function plainText(reader: BodyReader, channels: readonly Channel[]): string {
  return channels
    .map(({ alternative }) => reader.text(alternative.transcript, 'transcript')?.trim() ?? '')
    .filter((text) => text !== '')
    .join('\n');
}

// ---- what is true of the whole ----

function readConfidence(reader: BodyReader, channels: readonly Channel[], words: readonly Word[]): number {
  const perChannel = new Map<number, number[]>();
  for (const { channel, confidence } of words) {
    const list = perChannel.get(channel);
    if (list) list.push(confidence);
    else perChannel.set(channel, [confidence]);
  }
  const spoken = channels.filter(({ index }) => perChannel.has(index));
  return mean(
    spoken.map(
      ({ index, alternative }) =>
        reader.number(alternative.confidence, 'confidence', UNIT) ?? mean(perChannel.get(index) ?? []),
    ),
  );
}

/** Detected for a channel; else, in a recording of several languages, the one of most words, or the first that Deepgram lists. */
function readLanguages(
  reader: BodyReader,
  channels: readonly Channel[],
  words: readonly Word[],
): { language?: string; languageConfidence?: number } {
  for (const { record } of channels) {
    const language = readLanguage(reader, record.detected_language);
    if (language === undefined) continue;
    const confidence = reader.number(record.language_confidence, 'language_confidence', UNIT);
    return { language, ...(confidence === undefined ? {} : { languageConfidence: confidence }) };
  }
  const listed = channels.flatMap(({ alternative }) => reader.texts(alternative.languages, 'languages'));
  return optional('language', mostSpoken(words) ?? readLanguage(reader, listed[0]));
}

function mostSpoken(words: readonly Word[]): string | undefined {
  const counts = new Map<string, number>();
  for (const { language } of words) if (language !== undefined) counts.set(language, (counts.get(language) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0];
}

/** Pairs of `metadata.extra`; values become text. `__proto__` is left out: the pairs travel on as tags, through objects of others. */
function readExtra(reader: BodyReader, value: unknown): Record<string, string> {
  const pairs = Object.entries(reader.record(value, 'extra'))
    .filter(([key, inner]) => key !== '__proto__' && inner !== null)
    .map(([key, inner]) => [
      key,
      typeof inner === 'object' ? JSON.stringify(inner) : (reader.text(inner, 'extra') ?? ''),
    ]);
  return Object.fromEntries(pairs) as Record<string, string>;
}

function readModels(reader: BodyReader, value: unknown): string[] {
  const names = Object.values(reader.record(value, 'model_info')).map((info) =>
    reader.text(reader.record(info, 'model_info').name, 'model name'),
  );
  return [...new Set(names.filter((name) => name !== undefined && name !== ''))] as string[];
}

function readWarnings(reader: BodyReader, value: unknown): string[] {
  return reader.records(value, 'warnings').flatMap(({ parameter, message }) => {
    const parts = [reader.text(parameter, 'warning'), reader.text(message, 'warning')].filter(
      (part) => part !== undefined,
    );
    return parts.length > 0 ? [parts.join(': ')] : [];
  });
}

// ---- intelligence ----

/** `results.summary`, or the summaries inside the alternatives that older models made. */
function readSummary(
  reader: BodyReader,
  results: Record<string, unknown>,
  channels: readonly Channel[],
): { summary?: string } {
  const { result, short, text } = reader.record(results.summary, 'summary');
  if (result === 'failure') {
    reader.warn('Deepgram could not make a summary');
    return {};
  }
  const old = channels.flatMap(({ alternative }) =>
    reader
      .records(alternative.summaries, 'summaries')
      .map(({ summary }) => reader.text(summary, 'summary')?.trim() ?? ''),
  );
  const summary = reader.text(short ?? text, 'summary') ?? old.filter((part) => part !== '').join(' ');
  return optional('summary', summary.trim());
}

function readSentiments(reader: BodyReader, value: unknown): Pick<Transcript, 'sentiment' | 'sentiments'> {
  const block = reader.record(value, 'sentiments');
  const scored = (raw: Record<string, unknown>) => ({
    label: reader.text(raw.sentiment, 'sentiment') ?? '',
    score: reader.number(raw.sentiment_score, 'sentiment_score', [-1, 1]) ?? 0,
  });
  const sentiments = reader
    .records(block.segments, 'segments of sentiments')
    .map((raw) => ({ text: reader.text(raw.text, 'segment') ?? '', ...scored(raw) }))
    .filter(({ label }) => label !== '');
  const average = scored(reader.record(block.average, 'average'));
  return average.label === '' ? { sentiments } : { sentiment: average, sentiments };
}

/**
 * Topics or intents. Three places are known: `results.topics.segments` (real bodies), `results.topics.results.topics.segments` (the
 * specification), and `alternatives[].topics` of older models, where a label may be a bare text without a score.
 */
function readLabels(
  reader: BodyReader,
  value: unknown,
  channels: readonly Channel[],
  plural: 'topics' | 'intents',
  singular: 'topic' | 'intent',
): Segment[] {
  const block = reader.record(value, plural);
  const nested = reader.record(reader.record(block.results, plural)[plural], plural);
  const old = plural === 'topics' ? channels.flatMap(({ alternative }) => reader.list(alternative.topics, plural)) : [];
  return reader.records([...reader.list(block.segments ?? nested.segments, plural), ...old], plural).flatMap((raw) => {
    const text = reader.text(raw.text, 'segment') ?? '';
    return reader.list(raw[plural], plural).flatMap((item) => {
      const named = typeof item === 'string' ? { [singular]: item } : reader.record(item, plural);
      const label = reader.text(named[singular], singular) ?? '';
      const score = reader.number(named.confidence_score ?? named.confidence, 'confidence_score', UNIT) ?? 0;
      return label === '' ? [] : [{ text, label, score }];
    });
  });
}

function readEntities(reader: BodyReader, { alternative }: Channel): Entity[] {
  return reader.records(alternative.entities, 'entities').flatMap((raw) => {
    const label = reader.text(raw.label, 'entity') ?? '';
    const value = reader.text(raw.value, 'entity') ?? '';
    if (label === '' || value === '') return [];
    return [{ label, value, confidence: reader.number(raw.confidence, 'confidence', UNIT) ?? 0 }];
  });
}

function readSearch(reader: BodyReader, { record }: Channel): SearchHit[] {
  return reader.records(record.search, 'search').flatMap((found) => {
    const query = reader.text(found.query, 'query') ?? '';
    return reader.records(found.hits, 'hits').map((hit) => ({
      query,
      confidence: reader.number(hit.confidence, 'confidence', UNIT) ?? 0,
      ...readSpan(reader, hit, 0),
      snippet: reader.text(hit.snippet, 'snippet') ?? '',
    }));
  });
}
