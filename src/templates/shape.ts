/** What kind of value stands where in the data of templates. */
export type Shape =
  | { kind: 'value' }
  | { kind: 'any' }
  | { kind: 'list'; of: Shape }
  | { kind: 'map'; of: Shape }
  | { kind: 'record'; fields: Record<string, Shape> };

const value: Shape = { kind: 'value' };
const list = (of: Shape): Shape => ({ kind: 'list', of });
const record = (fields: Record<string, Shape>): Shape => ({ kind: 'record', fields });
const values = (...names: string[]): Record<string, Shape> => Object.fromEntries(names.map((name) => [name, value]));

/** Every variable that a template may name: `TemplateView`, declared. What may be absent renders as nothing and is false in `#if`. */
export const RENDER_SHAPE: Shape = record({
  job: record({
    ...values('id', 'origin', 'createdAt'),
    tags: { kind: 'map', of: value },
    options: { kind: 'any' },
  }),
  transcript: record({
    ...values('text', 'duration', 'confidence', 'channels', 'words', 'silence', 'talk', 'language', 'summary', 'cut'),
    speakers: list(record(values('id', 'label', 'channel', 'words', 'talk'))),
    utterances: list(record(values('text', 'start', 'end', 'confidence', 'channel', 'speaker'))),
    turns: list(record(values('text', 'start', 'end', 'channel', 'speaker', 'label'))),
    topics: list(value),
    intents: list(value),
    entities: list(record(values('label', 'value'))),
    search: list(record(values('query', 'confidence', 'start', 'end', 'snippet'))),
    sentiment: record(values('label', 'score')),
  }),
  failure: record(values('code', 'message')),
  delivery: record(values('id', 'channel', 'ruleName', 'reason')),
  overdue: record(values('minutes', 'resubmissions')),
  rule: record(values('name')),
  rules: list(value),
  matches: list(record(values('text', 'speaker', 'label', 'channel', 'start', 'end', 'before', 'after'))),
  recipient: record(values('name', 'locale', 'timeZone', 'content')),
  digest: record({
    ...values('count'),
    rules: list(value),
    items: list(record(values('rule', 'on', 'at', 'client', 'duration', 'preview', 'url'))),
  }),
  ...values('link', 'ack', 'brand', 'now'),
});

/** Names that reach a prototype instead of data. */
export function isForbiddenName(name: string): boolean {
  return name.startsWith('__') || name in Object.prototype || name === 'prototype';
}

/** @returns the shape of a member, or the names that would have been right */
export function member(shape: Shape, name: string): { shape: Shape } | { known: string[] } {
  if (isForbiddenName(name)) return { known: [] };
  switch (shape.kind) {
    case 'any':
      return { shape };
    case 'map':
      return { shape: shape.of };
    case 'list':
      if (name === 'length') return { shape: value };
      return /^\d+$/.test(name) ? { shape: shape.of } : { known: ['length'] };
    case 'record': {
      const field = shape.fields[name];
      return field ? { shape: field } : { known: Object.keys(shape.fields) };
    }
    case 'value':
      return { known: [] };
  }
}
