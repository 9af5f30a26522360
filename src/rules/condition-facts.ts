import type { Trigger } from '../transcripts/facts.js';

/** Facts as conditions and recipient expressions may name them: the declared side of `transcripts/facts.ts`. */

export interface FactField {
  /** CEL: `string`, `double`, `list<…>`, `map<…>` or the name of a type of {@link FACT_TYPES}. */
  type: string;
  /** May be absent: `has()` must have answered before it is read. */
  optional?: true;
  /** Numbers outside are impossible. */
  min?: number;
  max?: number;
  /** No other text is possible. */
  values?: readonly string[];
}

type FactType = Readonly<Record<string, FactField>>;

const text: FactField = { type: 'string' };
const share: FactField = { type: 'double', min: 0, max: 1 };
const amount: FactField = { type: 'double', min: 0 };

/** Fields of each type. Numbers are all `double`; whole numbers may be written without a point. */
export const FACT_TYPES: Readonly<Record<string, FactType>> = {
  Job: {
    id: text,
    origin: { type: 'string', values: ['api', 'external'] },
    tags: { type: 'map<string, string>' },
    options: { type: 'map<string, dyn>' },
    createdAt: amount,
  },
  Transcript: {
    text,
    duration: amount,
    confidence: share,
    channels: amount,
    words: amount,
    speakers: { type: 'list<Speaker>' },
    utterances: { type: 'list<Utterance>' },
    topics: { type: 'list<string>' },
    intents: { type: 'list<string>' },
    entities: { type: 'list<Entity>' },
    search: { type: 'list<SearchHit>' },
    silence: amount,
    talk: amount,
    language: { type: 'string', optional: true },
    summary: { type: 'string', optional: true },
    sentiment: { type: 'Sentiment', optional: true },
  },
  Speaker: { id: text, label: text, channel: amount, words: amount, talk: amount },
  Utterance: {
    text,
    start: amount,
    end: amount,
    confidence: share,
    channel: amount,
    speaker: { type: 'string', optional: true },
  },
  Entity: { label: text, value: text },
  SearchHit: { query: text, confidence: share, start: amount, end: amount, snippet: text },
  Sentiment: {
    label: { type: 'string', values: ['positive', 'neutral', 'negative'] },
    score: { type: 'double', min: -1, max: 1 },
  },
  Failure: { code: text, message: text },
  Delivery: { id: text, channel: text, ruleName: text, reason: text },
  Overdue: { minutes: amount, resubmissions: amount },
  Speech: {},
};

/** What each trigger knows, by name and type. `speech` is for conditions only. */
export const FACTS_BY_TRIGGER: Readonly<Record<Trigger, Readonly<Record<string, string>>>> = {
  'transcript.completed': { job: 'Job', transcript: 'Transcript', speech: 'Speech' },
  'transcript.failed': { job: 'Job', failure: 'Failure' },
  'job.overdue': { job: 'Job', overdue: 'Overdue' },
  'delivery.dead': { job: 'Job', delivery: 'Delivery' },
};

/** A field of a declared type, a key of a map; undefined when there is none. */
export function fieldOf(type: string, name: string): FactField | undefined {
  if (type.startsWith('map<')) return { type: type === 'map<string, string>' ? 'string' : 'dyn' };
  if (type === 'dyn') return { type: 'dyn' };
  const fields = FACT_TYPES[type];
  return fields && Object.hasOwn(fields, name) ? fields[name] : undefined;
}

/** Names of the declared fields of a type. */
export function fieldNames(type: string): string[] {
  return Object.keys(FACT_TYPES[type] ?? {});
}

/** `transcript.duration` for `duration`: where a field of that name is, for a trigger. */
export function pathsTo(on: Trigger): Map<string, string> {
  const paths = new Map<string, string>();
  for (const [root, type] of Object.entries(FACTS_BY_TRIGGER[on])) {
    for (const name of fieldNames(type)) if (!paths.has(name)) paths.set(name, `${root}.${name}`);
  }
  return paths;
}

/** Triggers that know a name, for "known on …". */
export function triggersKnowing(root: string): Trigger[] {
  return (Object.keys(FACTS_BY_TRIGGER) as Trigger[]).filter((on) => Object.hasOwn(FACTS_BY_TRIGGER[on], root));
}

/** What a type is called in a message. */
export function typeLabel(type: string): string {
  const plain: Record<string, string> = { string: 'text', double: 'a number', int: 'a number', bool: 'true or false' };
  if (plain[type]) return plain[type];
  if (type.startsWith('list')) return 'a list';
  if (type.startsWith('map')) return 'a map';
  return type === 'Speech' ? 'speech' : `a ${type}`;
}
