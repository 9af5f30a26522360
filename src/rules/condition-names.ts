import type { ASTNode } from '@marcbachmann/cel-js';
import type { FieldError } from '../errors.js';
import { nearest } from '../suggestion.js';
import type { Trigger } from '../transcripts/facts.js';
import { parsePhrase, PhraseError } from '../transcripts/phrase.js';
import { FORM_LANGUAGES, hasForms } from '../transcripts/word-forms.js';
import type { Scope } from './condition-ast.js';
import { asLoop, children, literalNumber, literalText, LOOPS, typeOf, withVariable } from './condition-ast.js';
import { FACTS_BY_TRIGGER, fieldNames, fieldOf, pathsTo, triggersKnowing, typeLabel } from './condition-facts.js';
import { phraseHabit } from './condition-phrases.js';
import type { Token } from './condition-scan.js';
import { report } from './condition-scan.js';
import { checkSeries, SERIES_FUNCTIONS } from './condition-series.js';
import { Pattern, PatternError } from './pattern.js';

/** Loops inside loops. */
export const LOOP_NESTING_MAX = 2;

const FUNCTIONS = ['has', 'size', 'int', 'double', 'string', 'regex', ...SERIES_FUNCTIONS];
const METHODS: Readonly<Record<string, readonly string[]>> = {
  Speech: [
    ...['by', 'channel', 'first', 'last', 'confident', 'anyForm', 'anyAccent'],
    ...['says', 'saysAny', 'near', 'then', 'count', 'saysWithout', 'heard'],
    ...['silence', 'longestSilence', 'talk', 'interruptions', 'lowConfidence'],
  ],
  string: ['contains', 'startsWith', 'endsWith', 'lowerAscii', 'upperAscii', 'trim', 'size'],
  list: [...LOOPS, 'size'],
};
const ALL_METHODS = [...new Set(Object.values(METHODS).flat())];

/** What people write who come from other languages. */
const HABITS = new Map(
  Object.entries({
    includes: 'contains',
    indexOf: 'contains',
    toLowerCase: 'lowerAscii',
    toLower: 'lowerAscii',
    toUpperCase: 'upperAscii',
    length: 'size',
    count: 'size',
    len: 'size',
    some: 'exists',
    any: 'exists',
    every: 'all',
    map: 'exists',
    say: 'says',
    said: 'says',
    mentions: 'says',
    speaker: 'by',
    followedBy: 'then',
    before: 'then',
    notSays: 'saysWithout',
    pause: 'silence',
    stem: 'anyForm',
    forms: 'anyForm',
  }),
);

interface Place {
  source: string;
  tokens: readonly Token[];
  on: Trigger;
  errors: FieldError[];
}

/**
 * Names, functions, loops and literal arguments that are wrong whatever their types are; all of them at once.
 * @param ast what the parser made of `source`
 */
export function nameErrors(ast: ASTNode, source: string, tokens: readonly Token[], on: Trigger): FieldError[] {
  const place: Place = { source, tokens, on, errors: [] };
  visit(ast, new Map(Object.entries(FACTS_BY_TRIGGER[on])), 0, place);
  return place.errors;
}

function visit(node: ASTNode, scope: Scope, nesting: number, place: Place): void {
  const loop = asLoop(node);
  if (loop) {
    visit(loop.range, scope, nesting, place);
    checkLoop(node, scope, nesting + 1, place);
    if (loop.body) visit(loop.body, withVariable(scope, loop), nesting + 1, place);
    return;
  }
  // What an unknown function would make of its arguments, nobody knows: `map(u, …)` may bring names of its own.
  const parts = node.op === 'rcall' && !ALL_METHODS.includes(node.args[0]) ? [node.args[1]] : children(node);
  for (const part of parts) visit(part, scope, nesting, place);
  if (node.op === 'call' && SERIES_FUNCTIONS.includes(node.args[0])) checkSeries(node, nesting, place);
  if (node.op === 'id') checkName(node.args, node, scope, place);
  else if (node.op === '.') checkField(node, scope, place);
  else if (node.op === 'call') checkFunction(node.args[0], node.args[1], node.start, place);
  else if (node.op === 'rcall') checkMethod(node, scope, place);
  else if (node.op === '==' || node.op === '!=') checkNull(node, scope, place);
}

/** Facts are there or absent. An option may be of any type, so that comparing it was taken in earlier rules. */
function checkNull(node: ASTNode & { op: '==' | '!=' }, scope: Scope, place: Place): void {
  const isNull = ({ op, args }: ASTNode): boolean => op === 'value' && args === null;
  const fact = node.args.find((side) => !isNull(side));
  if (!node.args.some(isNull) || (fact && typeOf(fact, scope) === 'dyn')) return;
  const asked = fact?.op === '.' ? `has(${place.source.slice(fact.start, fact.end)})` : undefined;
  const suggestion = asked && `${node.op === '==' ? '!' : ''}${asked}`;
  report(place, node.start, 'no fact is null: ask with has() whether it is there', suggestion);
}

function checkName(name: string, node: ASTNode, scope: Scope, place: Place): void {
  const offset = node.start;
  if (scope.has(name)) return;
  const elsewhere = triggersKnowing(name);
  if (elsewhere.length > 0) {
    report(place, offset, `${name} is not known on ${place.on}; it is known on ${elsewhere.join(', ')}`);
    return;
  }
  const suggestion = pathsTo(place.on).get(name) ?? nearest(name, scope.keys()) ?? quoted(name, node, place);
  const known = [...scope.keys()].join(', ');
  report(place, offset, `${quote(name)} is not known here; known are ${known}`, suggestion);
}

/** `says(refund)`, `job.tags.tier == gold`: a text without its quotes. */
function quoted(name: string, { start, end }: ASTNode, { tokens }: Place): string | undefined {
  const [before, after] = [tokens.findLast((token) => token.end <= start), tokens.find((token) => token.start >= end)];
  const isArgument = ['(', ',', '['].includes(before?.text ?? '') && [')', ',', ']'].includes(after?.text ?? '');
  const isCompared = ['==', '!='].includes(before?.text ?? '') && !['.', '(', '['].includes(after?.text ?? '');
  return isArgument || isCompared ? `'${name}'` : undefined;
}

function checkField(node: ASTNode & { op: '.' }, scope: Scope, place: Place): void {
  const [owner, name] = node.args;
  const type = typeOf(owner, scope);
  if (type === undefined || fieldOf(type, name) !== undefined) return;
  const names = fieldNames(type);
  const habit = HABITS.get(name) ?? name;
  if (names.length === 0) {
    const method = nearest(habit, METHODS[kindOf(type)] ?? []);
    report(place, node.pos, `${typeLabel(type)} has no field ${quote(name)}`, method && `${method}()`);
    return;
  }
  const owned = place.source.slice(owner.start, owner.end);
  const elsewhere = pathsTo(place.on).get(name);
  report(place, node.pos, `${owned} has no field ${quote(name)}`, nearest(name, names) ?? elsewhere);
}

function checkFunction(name: string, args: ASTNode[], offset: number, place: Place): void {
  if (name === 'has') {
    if (args.length !== 1 || args[0]?.op !== '.') {
      report(place, offset, 'has() takes one field, as in has(transcript.summary)');
    }
  } else if (name === 'regex') {
    checkPattern(args, offset, place);
  } else if (name === 'matches') {
    report(place, offset, 'matches() is not available: it can run for hours', 'regex');
  } else if (!FUNCTIONS.includes(name)) {
    checkUnknown(name, offset, place);
  }
}

function checkUnknown(name: string, offset: number, place: Place): void {
  const owner = METHODS.Speech?.includes(name) ? 'speech' : 'value';
  if (ALL_METHODS.includes(name)) {
    report(place, offset, `${name}() is called on a value, as in ${owner}.${name}(…)`, `${owner}.${name}`);
    return;
  }
  const suggestion = nearest(HABITS.get(name) ?? name, [...FUNCTIONS, ...ALL_METHODS]);
  report(place, offset, `there is no function ${quote(name)}`, suggestion);
}

function checkMethod(node: ASTNode & { op: 'rcall' }, scope: Scope, place: Place): void {
  const [name, receiver, args] = node.args;
  const offset = methodOffset(node, place.tokens);
  if (name === 'matches') {
    report(place, offset, "matches() is not available: it can run for hours; write regex(text, 'pattern')", 'regex');
    return;
  }
  if (name === 'regex') {
    report(place, offset, "regex() takes the text first: regex(transcript.text, 'pattern')", 'regex(text, …)');
    return;
  }
  const type = typeOf(receiver, scope);
  const legal = type === undefined ? ALL_METHODS : (METHODS[kindOf(type)] ?? ['size']);
  if (!legal.includes(name)) {
    if (type?.startsWith('list<string') && ['contains', 'includes', 'indexOf'].includes(name)) {
      const [item] = args;
      const text = (node: ASTNode | undefined): string => (node ? place.source.slice(node.start, node.end) : '…');
      report(place, offset, `a list is asked with in`, `${text(item)} in ${text(receiver)}`);
      return;
    }
    const owner = type === undefined ? '' : ` on ${typeLabel(type)}`;
    report(place, offset, `there is no function ${quote(name)}${owner}`, nearest(HABITS.get(name) ?? name, legal));
    return;
  }
  if (type === 'Speech') checkSpeechCall(name, args, place);
}

/** How many of the first arguments of a call on speech are phrases, or lists of phrases. */
export const PHRASE_ARGUMENTS: Readonly<Record<string, number>> = {
  says: 1,
  saysAny: 1,
  near: 2,
  then: 2,
  count: 1,
  saysWithout: 2,
  heard: 1,
};

/** Bounds of literal numbers: which argument, from, to, and what to say. */
const NUMBERS: Readonly<Record<string, readonly [number, number, number, string][]>> = {
  near: [[2, 0, 100, 'near() takes a number of words from 0 to 100']],
  channel: [[0, 0, 1000, 'channels count from 0']],
  first: [[0, Number.MIN_VALUE, Number.MAX_VALUE, 'first() takes a number of seconds above 0']],
  last: [[0, Number.MIN_VALUE, Number.MAX_VALUE, 'last() takes a number of seconds above 0']],
  then: [[2, Number.MIN_VALUE, 86_400, 'then() takes a number of seconds above 0, up to a day']],
  saysWithout: [
    [2, 0, 100, 'saysWithout() takes a number of words from 0 to 100'],
    [3, 0, 100, 'saysWithout() takes a number of words from 0 to 100'],
  ],
  silence: [[0, Number.MIN_VALUE, 86_400, 'silence() takes a number of seconds above 0, up to a day']],
  confident: [[0, 0, 1, 'a confidence is from 0 to 1']],
  lowConfidence: [[0, 0, 1, 'a confidence is from 0 to 1']],
  heard: [[1, 0, 1, 'a confidence is from 0 to 1']],
};

function checkSpeechCall(name: string, args: ASTNode[], place: Place): void {
  const [first] = args;
  for (const argument of args.slice(0, PHRASE_ARGUMENTS[name] ?? 0)) {
    if (argument.op === 'list' && argument.args.length === 0)
      report(place, argument.start, `${name}() needs at least one phrase`);
    for (const phrase of argument.op === 'list' ? argument.args : [argument]) checkPhrase(phrase, place);
  }
  if (name === 'by' && literalText(first)?.trim() === '')
    report(place, first?.start ?? 0, "by() needs a speaker, as in by('1')");
  if (name === 'anyForm') checkLanguage(first, place);
  for (const [index, min, max, message] of NUMBERS[name] ?? []) checkNumber(args[index], min, max, message, place);
}

function checkLanguage(node: ASTNode | undefined, place: Place): void {
  const language = literalText(node);
  if (node === undefined || language === undefined || hasForms(language)) return;
  const known = FORM_LANGUAGES.join(', ');
  report(place, node.start, `word forms are known of ${known}`, nearest(language.slice(0, 2), FORM_LANGUAGES));
}

function checkNumber(node: ASTNode | undefined, min: number, max: number, message: string, place: Place): void {
  const value = literalNumber(node);
  if (value !== undefined && (value < min || value > max)) report(place, node?.start ?? 0, message);
}

function checkPhrase(node: ASTNode, place: Place): void {
  const text = literalText(node);
  if (text === undefined) return;
  try {
    parsePhrase(text);
  } catch (error) {
    if (!(error instanceof PhraseError)) throw error;
    const habit = phraseHabit(text);
    report(place, node.start, habit?.message ?? error.message, habit?.suggestion);
  }
}

function checkPattern(args: ASTNode[], offset: number, place: Place): void {
  const [, pattern] = args;
  const source = literalText(pattern);
  if (args.length !== 2 || pattern === undefined || source === undefined) {
    report(
      place,
      pattern?.start ?? offset,
      "regex() takes a text and a pattern in quotes: regex(transcript.text, 'pattern')",
    );
    return;
  }
  try {
    new Pattern(source);
  } catch (error) {
    if (!(error instanceof PatternError)) throw error;
    report(place, pattern.start, error.message);
  }
}

function checkLoop(node: ASTNode, scope: Scope, nesting: number, place: Place): void {
  const loop = asLoop(node);
  if (node.op !== 'rcall' || !loop) return;
  const [name] = node.args;
  const offset = methodOffset(node, place.tokens);
  if (nesting > LOOP_NESTING_MAX) {
    report(place, offset, `${name}() may stand inside one other loop at most`);
  }
  if (loop.variable === undefined || loop.body === undefined || node.args[2].length !== 2) {
    report(place, offset, `${name}() takes a new name and a condition, as in ${name}(x, x.label == 'a')`);
  } else if (scope.has(loop.variable)) {
    report(
      place,
      loop.variableNode?.start ?? offset,
      `${quote(loop.variable)} has a meaning already; take another name`,
    );
  }
}

/** Where the name of a method stands: the parser keeps only the start of the whole call. */
export function methodOffset(node: ASTNode & { op: 'rcall' }, tokens: readonly Token[]): number {
  const [name, receiver] = node.args;
  const found = tokens.find(
    ({ text, start }, i) => start >= receiver.end && text === name && tokens[i - 1]?.text === '.',
  );
  return found?.start ?? node.start;
}

function kindOf(type: string): string {
  return type.startsWith('list<') || type.startsWith('map<') ? 'list' : type;
}

function quote(name: string): string {
  return `"${name}"`;
}
