import type { ASTNode, Environment, TypeError as CelTypeError } from '@marcbachmann/cel-js';
import { ParseError } from '@marcbachmann/cel-js';
import type { FieldError } from '../errors.js';
import { RuleInvalidError } from '../errors.js';
import type { Facts, Trigger } from '../transcripts/facts.js';
import { parsePhrase, Phrase } from '../transcripts/phrase.js';
import type { Speech, SpeechMatch } from '../transcripts/speech.js';
import { checkedType, children, literalText, pathOf } from './condition-ast.js';
import type { Sizes } from './condition-cost.js';
import { costOf, isCostly, sizesOf } from './condition-cost.js';
import { environmentOf, SeriesAnswers, TAGS_OR_EMPTY, toValues, triggerOf } from './condition-environment.js';
import { runtimeMessage, syntaxError, typeError } from './condition-errors.js';
import { typeLabel } from './condition-facts.js';
import { meaningErrors } from './condition-guards.js';
import { senseErrors } from './condition-sense.js';
import { nameErrors, PHRASE_ARGUMENTS } from './condition-names.js';
import type { Shape, Token } from './condition-scan.js';
import { DepthError, positionAt, scan, shapeOf } from './condition-scan.js';
import { questionOf, SpokenWords, type SpeechAnswers, type SpeechQuestion } from './condition-speech.js';
import { SERIES_VARIABLE, withoutSeries, withSeries, type SeriesCall } from './condition-series.js';
import { Pattern } from './pattern.js';
import { answerOf, NO_SERIES, seriesNeed, type SeriesNeed, type SeriesSnapshot } from './series.js';

/**
 * The language of conditions: CEL over the declared facts, and `speech`. Everything that can be wrong is refused when a rule
 * is saved; what is left for run time is an index outside a list, a conversion of a text that is no number, and too much work.
 */

/** Characters of a condition. */
export const SOURCE_MAX = 10_000;

/** What conditions of one job look at; made once, shared by all rules. */
export interface Subject {
  values: Readonly<Record<string, unknown>>;
  speech: Speech | undefined;
  /** What rules asked of `speech` before. */
  answers: SpeechAnswers | undefined;
  sizes: Sizes;
  tags: Readonly<Record<string, string>>;
  /** What is known of the calls before. */
  series: SeriesSnapshot;
  /** What this call is in each series, once it was asked; by key. */
  inSeries: Map<string, PartResult | ConditionFault>;
}

export function toSubject(facts: Facts, speech: Speech | undefined, series: SeriesSnapshot = NO_SERIES): Subject {
  const answers = speech && { speech, views: new Map<string, Speech>(), found: new Map<string, SpeechMatch[]>() };
  const { tags } = facts.job;
  return { values: toValues(facts), speech, answers, sizes: sizesOf(facts), tags, series, inSeries: new Map() };
}

/** One operand of the outermost `&&` and `||`. */
export interface ConditionLeaf {
  op: 'leaf';
  /** As written in the source. */
  text: string;
  /** Those that it looks at. */
  series: readonly Series[];
  /** Steps of work it would take, about; compared with a limit for the whole rule. */
  cost(subject: Subject): number;
  /**
   * @returns the outcome and the words that calls on `speech` found, by start; the list may be shared with other rules
   * @throws ConditionFault
   */
  run(subject: Subject): { result: boolean; matches: SpeechMatch[] };
}

export type ConditionTree = ConditionLeaf | { op: 'and' | 'or'; parts: ConditionTree[] };

export interface CompiledCondition {
  source: string;
  on: Trigger;
  tree: ConditionTree;
  /** Literal phrases that it listens for, without those of a negation. */
  phrases: SpokenPhrase[];
  /** Those that any part of it looks at. */
  series: readonly Series[];
}

export interface SpokenPhrase {
  phrase: Phrase;
  /** `heard()`: the provider has to search for it. */
  searched: boolean;
}

/** A condition failed at run time; `message` is for people and holds nothing that was said. */
export class ConditionFault extends Error {}

/** Of a part that must be true or false. */
export const NEITHER = 'it came out neither true nor false';

/**
 * Parses and checks a condition against the facts that a trigger declares.
 * @throws RuleInvalidError with every problem found: `/when`, message, line and column from 1, suggestion where one is near
 */
export function compileCondition(source: string, on: Trigger): CompiledCondition {
  if (source.trim() === '') fail([problem(source, 0, 'a condition is needed; "true" is always met', 'true')]);
  if (source.length > SOURCE_MAX) {
    fail([problem('', 0, `a condition has at most ${String(SOURCE_MAX)} characters`)]);
  }
  const tokens = scanned(source);
  const environment = environmentOf(on);
  const program = parsed(environment, source, tokens);
  const { ast } = program;
  failIfAny(nameErrors(ast, source, tokens, on));
  embedLiterals(ast);
  const checked = program.check();
  if (!checked.valid) fail([typeError(checked.error as CelTypeError, source, tokens)]);
  failIfAny([...resultErrors(checked.type ?? 'dyn', ast, source), ...meaningErrors(ast, source, on)]);
  const tree = compileShape(shapeOf(tokens), source, environment);
  return { source, on, tree, phrases: [...phrasesIn(ast)], series: seriesIn(tree) };
}

function seriesIn(tree: ConditionTree): readonly Series[] {
  return tree.op === 'leaf' ? tree.series : tree.parts.flatMap(seriesIn);
}

/**
 * A condition that somebody saves: it compiles, and makes sense.
 * @throws RuleInvalidError as {@link compileCondition}, and for what can only be a mistake
 */
export function checkCondition(source: string, on: Trigger): CompiledCondition {
  const condition = compileCondition(source, on);
  failIfAny(senseErrors(environmentOf(on).parse(source).ast, source, scan(source), on));
  return condition;
}

function scanned(source: string): Token[] {
  try {
    return scan(source);
  } catch (error) {
    if (error instanceof DepthError) fail([problem(source, error.offset, error.message)]);
    throw error;
  }
}

function parsed(environment: Environment, source: string, tokens: Token[]): ReturnType<Environment['parse']> {
  try {
    return environment.parse(source);
  } catch (error) {
    if (error instanceof ParseError) fail([syntaxError(error, source, tokens)]);
    throw error;
  }
}

/** Literal phrases and patterns become compiled values in the tree: parsed once, at save. */
function embedLiterals(node: ASTNode): void {
  if (node.op === 'call' && node.args[0] === 'regex') embed(node.args[1][1], (source) => new Pattern(source));
  if (node.op === 'rcall') {
    const [name, , args] = node.args;
    for (const argument of args.slice(0, PHRASE_ARGUMENTS[name] ?? 0)) embedPhrases(argument);
  }
  for (const child of children(node)) embedLiterals(child);
}

/** @param node with its literals embedded */
function* phrasesIn(node: ASTNode): Generator<SpokenPhrase> {
  if (node.op === 'rcall' && PHRASE_ARGUMENTS[node.args[0]] !== undefined) {
    const [name, , args] = node.args;
    for (const argument of args.slice(0, name === 'saysWithout' ? 1 : PHRASE_ARGUMENTS[name])) {
      for (const { args: value } of argument.op === 'list' ? argument.args : [argument]) {
        if ((value as unknown) instanceof Phrase)
          yield { phrase: value as unknown as Phrase, searched: name === 'heard' };
      }
    }
  }
  for (const child of children(node)) yield* phrasesIn(child);
}

/** A list holds texts or phrases, not both. */
function embedPhrases(node: ASTNode): void {
  const phrases = node.op === 'list' ? node.args : [node];
  if (phrases.every((item) => literalText(item) !== undefined)) for (const item of phrases) embed(item, parsePhrase);
}

function embed(node: ASTNode | undefined, make: (text: string) => Phrase | Pattern): void {
  const text = literalText(node);
  if (node && text !== undefined) (node as { args: unknown }).args = make(text);
}

/** A tag that the job has not reads as `""`; `has()` and `in` still tell whether it is there. */
function readTagsOrEmpty(node: ASTNode): void {
  if (node.op === 'call' && node.args[0] === 'has') return;
  if (node.op === '.' || node.op === '[]') {
    const [owner] = node.args;
    if (owner.op === '.' && pathOf(owner) === 'job.tags') owner.args[1] = TAGS_OR_EMPTY;
  }
  for (const child of children(node)) readTagsOrEmpty(child);
}

function resultErrors(type: string, ast: ASTNode, source: string): FieldError[] {
  if (type === 'bool') return [...listSums(ast, source)];
  if (type === 'dyn') return [problem(source, ast.start, 'compare this with something, as in … == true')];
  return [problem(source, ast.start, `a condition is true or false; this is ${typeLabel(type)}`)];
}

/** Joined lists could double at every step. */
function* listSums(node: ASTNode, source: string): Generator<FieldError> {
  if (node.op === '+' && checkedType(node)?.startsWith('list')) {
    yield problem(source, node.start, 'lists cannot be joined');
  }
  for (const child of children(node)) yield* listSums(child, source);
}

function compileShape(shape: Shape, source: string, environment: Environment): ConditionTree {
  if (shape.op === 'leaf') return compileLeaf(source.slice(shape.start, shape.end), environment);
  return { op: shape.op, parts: shape.parts.map((part) => compileShape(part, source, environment)) };
}

function compileLeaf(text: string, environment: Environment): ConditionLeaf {
  const part = compilePart(text, environment);
  return {
    op: 'leaf',
    text,
    series: part.series,
    cost: (subject) => part.cost(subject),
    run: (subject) => {
      const { value, matches } = part.run(subject);
      if (typeof value !== 'boolean') throw new ConditionFault(NEITHER);
      // What a negated condition found speaks for it only when it is false.
      return { result: value, matches: part.isNegated && value ? [] : matches };
    },
  };
}

interface PartResult {
  value: unknown;
  matches: SpeechMatch[];
}

/** A question to many calls, and what this call is in it. */
export interface Series extends SeriesNeed {
  /** Steps of work of {@link observe}, about. */
  cost(subject: Subject): number;
  /**
   * What the inner expression comes to in this call; worked out once.
   * @throws ConditionFault
   */
  observe(subject: Subject): PartResult;
}

/** A part of a condition, of any type. */
export interface ConditionPart {
  isNegated: boolean;
  series: readonly Series[];
  /** Steps of work it would take, about. */
  cost(subject: Subject): number;
  /**
   * @returns its value, and the words that calls on `speech` found, by start
   * @throws ConditionFault
   */
  run(subject: Subject): PartResult;
}

/** @param text source of a part of a condition that {@link compileCondition} has taken; it names no variable of a loop around it */
export function compilePart(text: string, environment: Environment): ConditionPart {
  const { text: alone, calls } = withoutSeries(text);
  const series = calls.map((call) => compileSeries(call, environment));
  const program = environment.parse(alone);
  const { ast } = program;
  const isHeavy = isCostly(ast);
  const isNegated = ast.op === '!_';
  // The estimate reads the tree as written, before the tags are renamed in it.
  embedLiterals(ast);
  const question = questionOf(isNegated ? ast.args : ast);
  if (question) return questionPart(question, isNegated);
  readTagsOrEmpty(ast);
  const checked = program.check();
  if (!checked.valid) throw checked.error ?? new Error('a part of a checked condition does not check');
  return {
    isNegated,
    series,
    cost: (subject) => series.reduce((sum, one) => sum + one.cost(subject), isHeavy ? costOf(ast, subject.sizes) : 0),
    run: (subject) => {
      const heard: SpeechMatch[] = [];
      const value = evaluate(program, subject, heard, series);
      return { value, matches: heard.length > 1 ? inOrder(heard) : heard };
    },
  };
}

/** What most rules ask: no evaluator has to run for it. */
function questionPart(question: SpeechQuestion, isNegated: boolean): ConditionPart {
  return {
    isNegated,
    series: [],
    cost: () => 0,
    run: ({ answers }) => {
      if (!answers) throw new ConditionFault('a fact is not known here in speech');
      const matches = question(answers);
      return { value: matches.length > 0 !== isNegated, matches };
    },
  };
}

function compileSeries({ kind, inner, normalised, ...how }: SeriesCall, environment: Environment): Series {
  const need = seriesNeed(kind, triggerOf(environment), normalised, how);
  const part = compilePart(inner, environment);
  return {
    ...need,
    cost: (subject) => (subject.inSeries.has(need.key) ? 0 : part.cost(subject)),
    observe: (subject) => {
      const known = subject.inSeries.get(need.key) ?? attempt(() => part.run(subject));
      subject.inSeries.set(need.key, known);
      if (known instanceof ConditionFault) throw known;
      return known;
    },
  };
}

function attempt<T>(work: () => T): T | ConditionFault {
  try {
    return work();
  } catch (error) {
    if (error instanceof ConditionFault) return error;
    throw error;
  }
}

function evaluate(
  program: ReturnType<Environment['parse']>,
  subject: Subject,
  heard: SpeechMatch[],
  series: readonly Series[],
): unknown {
  const speech = subject.speech && new SpokenWords(subject.speech, heard);
  const asked: Asked = { series, subject, heard, fault: undefined };
  const answers = series.length === 0 ? undefined : new SeriesAnswers((index) => answer(asked, index));
  try {
    return program({ ...subject.values, speech, ...(answers && { [SERIES_VARIABLE]: answers }) });
  } catch (error) {
    throw asked.fault ?? new ConditionFault(withSeries(runtimeMessage(error)));
  }
}

/** The questions of a condition that runs. */
interface Asked {
  series: readonly Series[];
  subject: Subject;
  heard: SpeechMatch[];
  /** Why one of them has no answer. */
  fault: ConditionFault | undefined;
}

function answer(asked: Asked, index: number): bigint | boolean {
  const { series, subject, heard } = asked;
  const one = series[index];
  if (!one) throw new Error('a question that the condition does not ask');
  const seen = attempt(() => one.observe(subject));
  if (seen instanceof ConditionFault) {
    asked.fault = seen;
    throw seen;
  }
  if (seen.value === true) heard.push(...seen.matches);
  return answerOf(one, seen.value, subject.tags, subject.series);
}

function inOrder(matches: SpeechMatch[]): SpeechMatch[] {
  return matches.sort((a, b) => a.start - b.start || a.end - b.end || a.channel - b.channel);
}

function problem(source: string, offset: number, message: string, suggestion?: string): FieldError {
  return {
    pointer: '/when',
    message,
    ...positionAt(source, offset),
    ...(suggestion === undefined ? {} : { suggestion }),
  };
}

function failIfAny(errors: FieldError[]): void {
  if (errors.length > 0) fail(errors);
}

function fail(errors: FieldError[]): never {
  const [first] = errors;
  const place = `line ${String(first?.line)}, column ${String(first?.column)}`;
  throw new RuleInvalidError(`The condition is not valid (${place}): ${first?.message ?? ''}`, { errors });
}
