import { Environment } from '@marcbachmann/cel-js';
import type { Facts, Trigger } from '../transcripts/facts.js';
import { TRIGGERS } from '../transcripts/facts.js';
import { Phrase } from '../transcripts/phrase.js';
import { FACT_TYPES, FACTS_BY_TRIGGER } from './condition-facts.js';
import { DEPTH_MAX } from './condition-scan.js';
import { SERIES_FUNCTIONS, SERIES_VARIABLE } from './condition-series.js';
import { registerSpeech, SpokenWords } from './condition-speech.js';
import { Pattern } from './pattern.js';

/** Nodes of the syntax tree of one condition. */
export const NODES_MAX = 500;

/** `job.tags` for reading a tag: absent reads as `""`. Not a name that a condition can write with a dot. */
export const TAGS_OR_EMPTY = '$tags';

type Primitive = string | number | bigint | boolean;

/** What `count()` and `changed()` ask inside a condition, by their place in it. */
export class SeriesAnswers {
  constructor(readonly answer: (index: number) => bigint | boolean) {}
}

class Fact {
  readonly [field: string]: unknown;

  constructor(values: Record<string, unknown>) {
    Object.assign(this, values);
  }
}

// One class for each declared type: the evaluator reads declared fields of known classes only, and no prototype.
const CLASSES = new Map(
  Object.keys(FACT_TYPES)
    .filter((name) => name !== 'Speech')
    .map((name) => [name, factClass()]),
);

function factClass(): typeof Fact {
  return class extends Fact {};
}

/** Values that a condition of any trigger reads, without `speech`. Costs one pass over the lists of the transcript. */
export function toValues(facts: Facts): Record<string, unknown> {
  const tags = new Map(Object.entries(facts.job.tags));
  const tagsOrEmpty = new Map(tags);
  tagsOrEmpty.get = (name: string): string => tags.get(name) ?? '';
  const job = new (CLASSES.get('Job') ?? Fact)({ ...facts.job, tags, [TAGS_OR_EMPTY]: tagsOrEmpty });
  const { transcript, failure, delivery, overdue } = facts;
  return {
    job,
    ...(transcript && { transcript: wrap('Transcript', transcript) }),
    ...(failure && { failure: wrap('Failure', failure) }),
    ...(delivery && { delivery: wrap('Delivery', delivery) }),
    ...(overdue && { overdue: wrap('Overdue', overdue) }),
  };
}

function wrap(type: string, value: unknown): unknown {
  if (value === undefined || value === null) return undefined;
  if (type.startsWith('list<')) return (value as unknown[]).map((item) => wrap(type.slice(5, -1), item));
  const FactClass = CLASSES.get(type);
  if (!FactClass) return value;
  const fields = Object.entries(FACT_TYPES[type] ?? {});
  const source = value as Record<string, unknown>;
  return new FactClass(Object.fromEntries(fields.map(([name, field]) => [name, wrap(field.type, source[name])])));
}

const ENVIRONMENTS = new Map(TRIGGERS.map((on) => [on, makeEnvironment(on)]));

/** Where conditions of a trigger are parsed, checked and run. */
export function environmentOf(on: Trigger): Environment {
  const environment = ENVIRONMENTS.get(on);
  if (!environment) throw new Error(`no environment for ${on}`);
  return environment;
}

/** The trigger whose conditions an environment is for. */
export function triggerOf(environment: Environment): Trigger {
  const found = TRIGGERS.find((on) => ENVIRONMENTS.get(on) === environment);
  if (found === undefined) throw new Error('an environment of no trigger');
  return found;
}

function makeEnvironment(on: Trigger): Environment {
  const environment = new Environment({ limits: { maxAstNodes: NODES_MAX, maxDepth: DEPTH_MAX } });
  environment.registerType('Speech', { ctor: SpokenWords, fields: {} });
  environment.registerType('Phrase', { ctor: Phrase, fields: {} });
  environment.registerType('Pattern', { ctor: Pattern, fields: {} });
  // A type may only name types that are registered before it.
  const order = [...CLASSES].sort(([a], [b]) => dependencies(a) - dependencies(b));
  for (const [name, ctor] of order) {
    const fields = Object.entries(FACT_TYPES[name] ?? {}).map(([field, { type }]): [string, string] => [field, type]);
    if (name === 'Job') fields.push([TAGS_OR_EMPTY, 'map<string, string>']);
    environment.registerType(name, { ctor, fields: Object.fromEntries(fields) });
  }
  for (const [name, type] of Object.entries(FACTS_BY_TRIGGER[on])) environment.registerVariable(name, type);
  registerSpeech(environment);
  registerSeries(environment);
  const search = (text: string, pattern: Pattern): boolean => pattern.isIn(text);
  environment.registerFunction('regex(string, Pattern): bool', search as (...args: unknown[]) => unknown, {
    async: false,
  });
  registerNumbers(environment);
  return environment;
}

function dependencies(type: string): number {
  return Object.values(FACT_TYPES[type] ?? {}).filter((field) => /[A-Z]/.test(field.type)).length;
}

/** As people write them, for the check of types, and as they run: see {@link withoutSeries}. */
function registerSeries(environment: Environment): void {
  environment.registerType('SeriesAnswers', { ctor: SeriesAnswers, fields: {} });
  environment.registerVariable(SERIES_VARIABLE, 'SeriesAnswers');
  const written = (): never => {
    throw new Error(`${SERIES_FUNCTIONS.join(' and ')} are answered by many calls`);
  };
  environment.registerFunction('count(bool, string): int', written, { async: false });
  environment.registerFunction('count(bool, string, string): int', written, { async: false });
  for (const type of ['bool', 'string', 'double', 'int'])
    environment.registerFunction(`changed(${type}, string): bool`, written, { async: false });
  const ask = (answers: SeriesAnswers, index: bigint): unknown => answers.answer(Number(index));
  const run = ask as (...args: unknown[]) => unknown;
  environment.registerFunction('SeriesAnswers.count(int): int', run, { async: false });
  environment.registerFunction('SeriesAnswers.changed(int): bool', run, { async: false });
}

/** Numbers of the facts are doubles and people write whole ones: `transcript.channels == 2`, `transcript.talk * 2`. */
function registerNumbers(environment: Environment): void {
  environment.registerOperator('double == int', (a: Primitive, b: Primitive) => Number(a) === Number(b));
  environment.registerOperator('double in list<int>: bool', (a: Primitive, list: Primitive[]) =>
    list.some((item) => Number(item) === Number(a)),
  );
  const arithmetic: Record<string, (a: number, b: number) => number> = {
    '+': (a, b) => a + b,
    '-': (a, b) => a - b,
    '*': (a, b) => a * b,
    '/': (a, b) => a / b,
  };
  for (const [op, calculate] of Object.entries(arithmetic)) {
    const mixed = (a: Primitive, b: Primitive): number => calculate(Number(a), Number(b));
    environment.registerOperator(`double ${op} int: double`, mixed);
    environment.registerOperator(`int ${op} double: double`, mixed);
  }
}
