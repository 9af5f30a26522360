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
  /** It counts something. */
  whole?: true;
  /** No other text is possible. */
  values?: readonly string[];
  /** No text of another form is possible. */
  form?: TextForm;
}

interface TextForm {
  pattern: RegExp;
  /** Goes after "this is". */
  hint: string;
  /** What was probably meant by a text of another form. */
  instead?: (text: string) => string | undefined;
}

type FactType = Readonly<Record<string, FactField>>;

const text: FactField = { type: 'string' };
const share: FactField = { type: 'double', min: 0, max: 1 };
const amount: FactField = { type: 'double', min: 0 };
const count: FactField = { type: 'double', min: 0, whole: true };

const LANGUAGES = new Map(
  Object.entries({
    english: 'en',
    german: 'de',
    deutsch: 'de',
    french: 'fr',
    spanish: 'es',
    italian: 'it',
    portuguese: 'pt',
    dutch: 'nl',
  }),
);
const language: TextForm = {
  pattern: /^[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*$|^multi$/,
  hint: "a BCP-47 tag such as 'en' or 'pt-BR'",
  instead: (written) =>
    LANGUAGES.get(written.toLowerCase()) ?? /^([a-z]{2})_([A-Z]{2})$/.exec(written)?.slice(1).join('-'),
};
const speakerId: TextForm = {
  pattern: /^\d+(?:\.\d+)?$/,
  hint: "an id such as '0' or '1.0'",
  instead: (written) => {
    const number = Number(/^speaker (\d+)$/i.exec(written)?.[1]);
    return number > 0 ? String(number - 1) : undefined;
  },
};
const speakerLabel: TextForm = {
  pattern: /^Speaker [1-9]\d*$/,
  hint: "a label such as 'Speaker 1'",
  instead: (written) => {
    const number = /^speaker ?([1-9]\d*)$/i.exec(written)?.[1];
    return number === undefined ? undefined : `Speaker ${number}`;
  },
};
const uuid: TextForm = { pattern: /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, hint: 'a UUID in small letters' };

/** Fields of each type. Numbers are all `double`; whole numbers may be written without a point. */
export const FACT_TYPES: Readonly<Record<string, FactType>> = {
  Job: {
    id: { type: 'string', form: uuid },
    origin: { type: 'string', values: ['api', 'external'] },
    tags: { type: 'map<string, string>' },
    options: { type: 'map<string, dyn>' },
    createdAt: amount,
  },
  Transcript: {
    text,
    duration: amount,
    confidence: share,
    channels: count,
    words: count,
    speakers: { type: 'list<Speaker>' },
    utterances: { type: 'list<Utterance>' },
    topics: { type: 'list<string>' },
    intents: { type: 'list<string>' },
    entities: { type: 'list<Entity>' },
    search: { type: 'list<SearchHit>' },
    silence: amount,
    talk: amount,
    language: { type: 'string', optional: true, form: language },
    summary: { type: 'string', optional: true },
    sentiment: { type: 'Sentiment', optional: true },
  },
  Speaker: {
    id: { type: 'string', form: speakerId },
    label: { type: 'string', form: speakerLabel },
    channel: count,
    words: count,
    talk: amount,
  },
  Utterance: {
    text,
    start: amount,
    end: amount,
    confidence: share,
    channel: count,
    speaker: { type: 'string', optional: true, form: speakerId },
  },
  Entity: { label: text, value: text },
  SearchHit: { query: text, confidence: share, start: amount, end: amount, snippet: text },
  Sentiment: {
    label: { type: 'string', values: ['positive', 'neutral', 'negative'] },
    score: { type: 'double', min: -1, max: 1 },
  },
  Failure: { code: text, message: text },
  Delivery: { id: text, channel: text, ruleName: text, reason: text },
  Overdue: { minutes: count, resubmissions: count },
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
