import type { ASTNode, Environment } from '@marcbachmann/cel-js';
import { parsePhrase, Phrase, PhraseError } from '../transcripts/phrase.js';
import type { Speech, SpeechMatch } from '../transcripts/speech.js';
import { PHRASE_ARGUMENTS } from './condition-names.js';

/** What `speech` is inside a condition: the calls on it, and the words that they find. */

/** Confidence from which a hit of the provider's search counts when the condition names none. */
const HEARD_DEFAULT = 0.8;

/** Numbers as numbers, phrases as {@link Phrase}; undefined for a text that is no phrase. */
type Argument = string | number | Phrase | undefined | readonly (Phrase | undefined)[];
type Arguments = readonly Argument[];

const text = (value: Argument): string => (typeof value === 'string' ? value : '');
const number = (value: Argument, otherwise = 0): number => (typeof value === 'number' ? value : otherwise);
const phrase = (value: Argument): Phrase | undefined => (value instanceof Phrase ? value : undefined);
const phrases = (value: Argument): Phrase[] =>
  Array.isArray(value) ? (value as readonly (Phrase | undefined)[]).filter((one) => one !== undefined) : [];

/** Calls that narrow. */
const VIEWS: Readonly<Record<string, (view: Speech, args: Arguments) => Speech>> = {
  by: (view, [who]) => view.by(text(who)),
  channel: (view, [n]) => view.channel(number(n)),
  first: (view, [seconds]) => view.first(number(seconds)),
  last: (view, [seconds]) => view.last(number(seconds)),
  confident: (view, [confidence]) => view.confident(number(confidence)),
  anyForm: (view, [language]) => view.anyForm(language === undefined ? undefined : text(language)),
  anyAccent: (view) => view.anyAccent(),
};

/** Calls that are true when they find something. */
const QUESTIONS: Readonly<Record<string, (view: Speech, args: Arguments) => SpeechMatch[]>> = {
  says: (view, [said]) => ofOne(said, (one) => view.says(one)),
  saysAny: (view, [any]) => view.saysAny(phrases(any)),
  near: (view, [a, b, words]) => ofTwo(a, b, (one, other) => view.near(one, other, number(words))),
  then: (view, [a, b, seconds]) => ofTwo(a, b, (one, other) => view.then(one, other, number(seconds))),
  saysWithout: (view, [said, others, before, after]) =>
    ofOne(said, (one) => view.saysWithout(one, phrases(others), number(before), number(after))),
  heard: (view, [said, confidence]) => ofOne(said, (one) => view.heard(one, number(confidence, HEARD_DEFAULT))),
  silence: (view, [seconds]) => view.silence(number(seconds)),
};

interface Measured {
  value: number | bigint;
  matches: SpeechMatch[];
}

/** Calls that give a number. */
const MEASURES: Readonly<Record<string, (view: Speech, args: Arguments) => Measured>> = {
  count: (view, [said]) => {
    const one = phrase(said);
    return one ? counted(view.count(one)) : { value: 0n, matches: [] };
  },
  interruptions: (view) => counted(view.interruptions()),
  talk: (view) => ({ value: view.talk(), matches: [] }),
  longestSilence: (view) => {
    const { seconds, matches } = view.longestSilence();
    return { value: seconds, matches };
  },
  lowConfidence: (view, [confidence]) => ({ value: view.lowConfidence(number(confidence)), matches: [] }),
};

const counted = ({ count, matches }: { count: number; matches: SpeechMatch[] }): Measured => ({
  value: BigInt(count),
  matches,
});

function ofOne(a: Argument, find: (one: Phrase) => SpeechMatch[]): SpeechMatch[] {
  const one = phrase(a);
  return one ? find(one) : [];
}

function ofTwo(a: Argument, b: Argument, find: (one: Phrase, other: Phrase) => SpeechMatch[]): SpeechMatch[] {
  const [one, other] = [phrase(a), phrase(b)];
  return one && other ? find(one, other) : [];
}

/** A view, and a place for the words that calls on it find. */
export class SpokenWords {
  readonly #view: Speech;
  readonly #heard: SpeechMatch[];

  /** @param heard collects the hits of every call on this view and on views made from it */
  constructor(view: Speech, heard: SpeechMatch[]) {
    this.#view = view;
    this.#heard = heard;
  }

  narrow(how: (view: Speech) => Speech): SpokenWords {
    return new SpokenWords(how(this.#view), this.#heard);
  }

  hears(how: (view: Speech) => SpeechMatch[]): boolean {
    const found = how(this.#view);
    for (const match of found) this.#heard.push(match);
    return found.length > 0;
  }

  measures(how: (view: Speech) => Measured): number | bigint {
    const { value, matches } = how(this.#view);
    for (const match of matches) this.#heard.push(match);
    return value;
  }
}

/** Types that each argument may have. `Phrase` is a literal that was parsed when the condition was compiled. */
const PHRASE = ['Phrase', 'string'];
const PHRASE_LIST = ['list<Phrase>', 'list<string>'];
const NUMBER = ['int', 'double'];
const SIGNATURES: readonly [name: string, args: readonly (readonly string[])[], result: string][] = [
  ['by', [['string']], 'Speech'],
  ['channel', [['int']], 'Speech'],
  ['first', [NUMBER], 'Speech'],
  ['last', [NUMBER], 'Speech'],
  ['confident', [NUMBER], 'Speech'],
  ['anyForm', [], 'Speech'],
  ['anyForm', [['string']], 'Speech'],
  ['anyAccent', [], 'Speech'],
  ['says', [PHRASE], 'bool'],
  ['saysAny', [PHRASE_LIST], 'bool'],
  ['near', [PHRASE, PHRASE, ['int']], 'bool'],
  ['then', [PHRASE, PHRASE, NUMBER], 'bool'],
  ['saysWithout', [PHRASE, PHRASE_LIST, ['int']], 'bool'],
  ['saysWithout', [PHRASE, PHRASE_LIST, ['int'], ['int']], 'bool'],
  ['heard', [PHRASE], 'bool'],
  ['heard', [PHRASE, NUMBER], 'bool'],
  ['silence', [NUMBER], 'bool'],
  ['count', [PHRASE], 'int'],
  ['interruptions', [], 'int'],
  ['talk', [], 'double'],
  ['longestSilence', [], 'double'],
  ['lowConfidence', [NUMBER], 'double'],
];

/** @param environment knows the types `Speech` and `Phrase` */
export function registerSpeech(environment: Environment): void {
  for (const [name, args, result] of SIGNATURES) {
    const handler = handlerOf(name);
    for (const types of combinations(args)) {
      environment.registerFunction(`Speech.${name}(${types.join(', ')}): ${result}`, handler, { async: false });
    }
  }
}

function combinations(args: readonly (readonly string[])[]): string[][] {
  return args.reduce<string[][]>((made, types) => made.flatMap((one) => types.map((type) => [...one, type])), [[]]);
}

function handlerOf(name: string): (...args: unknown[]) => unknown {
  const [view, question, measure] = [VIEWS[name], QUESTIONS[name], MEASURES[name]];
  return (on, ...args) => {
    const spoken = on as SpokenWords;
    const given = args.map((arg, i) => argumentOf(arg, i < (PHRASE_ARGUMENTS[name] ?? 0)));
    if (view) return spoken.narrow((speech) => view(speech, given));
    if (question) return spoken.hears((speech) => question(speech, given));
    return spoken.measures((speech) => measure?.(speech, given) ?? { value: 0, matches: [] });
  };
}

function argumentOf(value: unknown, isPhrase: boolean): Argument {
  if (typeof value === 'bigint') return Number(value);
  if (typeof value === 'number' || value instanceof Phrase) return value;
  if (typeof value === 'string') return isPhrase ? phraseOf(value) : value;
  if (Array.isArray(value)) return value.map((one: unknown) => (one instanceof Phrase ? one : phraseOf(String(one))));
  return undefined;
}

/** A phrase that comes from a fact and not from the source: what is no phrase is never said. */
function phraseOf(source: string): Phrase | undefined {
  try {
    return parsePhrase(source);
  } catch (error) {
    if (error instanceof PhraseError) return undefined;
    throw error;
  }
}

/** Answers of one recording to questions that were asked before, by the keys of {@link SpeechQuestion}. */
export interface SpeechAnswers {
  speech: Speech;
  views: Map<string, Speech>;
  found: Map<string, SpeechMatch[]>;
}

/** A question on `speech` with literal arguments only: it needs no evaluator, and many rules share its answer. */
export type SpeechQuestion = (answers: SpeechAnswers) => SpeechMatch[];

/** @returns undefined when the node is anything else @param node with its literals embedded */
export function questionOf(node: ASTNode): SpeechQuestion | undefined {
  if (node.op !== 'rcall') return undefined;
  const [name, receiver, args] = node.args;
  const question = QUESTIONS[name];
  const given = literalsOf(args);
  const view = viewOf(receiver);
  if (!question || !given || !view) return undefined;
  const key = `${view.key}${keyOfCall(name, given)}`;
  return (answers) => {
    let found = answers.found.get(key);
    if (found === undefined) answers.found.set(key, (found = question(view.of(answers), given)));
    return found;
  };
}

interface View {
  key: string;
  of: (answers: SpeechAnswers) => Speech;
}

function viewOf(node: ASTNode): View | undefined {
  if (node.op === 'id') return node.args === 'speech' ? { key: '', of: ({ speech }) => speech } : undefined;
  if (node.op !== 'rcall') return undefined;
  const [name, receiver, args] = node.args;
  const narrow = VIEWS[name];
  const given = literalsOf(args);
  const owner = viewOf(receiver);
  if (!narrow || !given || !owner) return undefined;
  const key = `${owner.key}${keyOfCall(name, given)}`;
  const of = (answers: SpeechAnswers): Speech => {
    let view = answers.views.get(key);
    if (view === undefined) answers.views.set(key, (view = narrow(owner.of(answers), given)));
    return view;
  };
  return { key, of };
}

/** @returns undefined when one of them is no literal */
function literalsOf(nodes: readonly ASTNode[]): Argument[] | undefined {
  const literals = nodes.map(literalOf);
  return literals.every((literal) => literal !== undefined) ? literals : undefined;
}

function literalOf(node: ASTNode): Argument {
  if (node.op === 'list') {
    const items = node.args.map(literalOf);
    return items.every((item) => item instanceof Phrase) ? items : undefined;
  }
  if (node.op === '-_') return undefined;
  const value: unknown = node.op === 'value' ? node.args : undefined;
  return argumentOf(value, false);
}

function keyOfCall(name: string, args: Arguments): string {
  return JSON.stringify([
    name,
    ...args.map((arg) =>
      arg instanceof Phrase ? arg.key : Array.isArray(arg) ? phrases(arg).map(({ key }) => key) : arg,
    ),
  ]);
}
