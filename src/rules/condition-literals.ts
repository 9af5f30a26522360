import type { ASTNode } from '@marcbachmann/cel-js';
import { DEEPGRAM_OPTIONS } from '../providers/deepgram/deepgram-option-table.js';
import { nearest } from '../suggestion.js';
import type { Scope } from './condition-ast.js';
import { asLoop, keyOf, literalText, literalValue, pathOf, typeOf } from './condition-ast.js';
import { fieldOf, type FactField } from './condition-facts.js';
import { MIRRORED } from './condition-guards.js';
import { phraseHabit } from './condition-phrases.js';
import { report, shownText, type CheckPlace } from './condition-scan.js';
import { alwaysFound } from './pattern.js';

/** Literals that cannot be meant as they are written: texts that no fact has, patterns that always fit, phrases that are patterns. */

const OPTION_NAMES = DEEPGRAM_OPTIONS.map(({ name }) => name);
const SPEAKER = /^(?:\d+(?:\.\d+)?|speaker [1-9]\d*)$/i;
const TEXT_TESTS = ['contains', 'startsWith', 'endsWith'];
const CASES: Readonly<Record<string, (text: string) => string>> = {
  lowerAscii: (text) => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase()),
  upperAscii: (text) => text.replace(/[a-z]/g, (letter) => letter.toUpperCase()),
  trim: (text) => text.trim(),
};

export function literalErrors(node: ASTNode, scope: Scope, place: CheckPlace): void {
  if (node.op === 'rcall' && !asLoop(node)) {
    const [name, receiver, args] = node.args;
    if (typeOf(receiver, scope) === 'Speech') checkSpeechCall(name, receiver, args, place);
    else if (TEXT_TESTS.includes(name)) checkTextTest(name, receiver, args[0], place);
  } else if (node.op === 'call' && node.args[0] === 'regex') {
    checkPattern(node.args[1][1], place);
  } else if (node.op === 'in' || MIRRORED[node.op] !== undefined) {
    checkCompared(node, scope, place);
  }
  checkOption(node, scope, place);
}

/** `job.options.diarise`: no job has an option that Deepgram does not know. */
function checkOption(node: ASTNode, scope: Scope, place: CheckPlace): void {
  const isKeyTest = node.op === 'in' && pathOf(node.args[1]) === 'job.options';
  if (!isKeyTest && node.op !== '.' && node.op !== '[]') return;
  if (!isKeyTest && (pathOf(node.args[0]) !== 'job.options' || scope.get('job') !== 'Job')) return;
  const name = isKeyTest ? literalText(node.args[0]) : keyOf(node);
  if (name === undefined || OPTION_NAMES.includes(name)) return;
  const offset = node.op === '.' ? node.pos : isKeyTest ? node.args[0].start : node.start;
  report(place, offset, `no job has an option "${name.slice(0, 100)}"`, nearest(name, OPTION_NAMES));
}

function checkSpeechCall(name: string, receiver: ASTNode, args: ASTNode[], place: CheckPlace): void {
  const [first, second] = args;
  if (name === 'by' || name === 'channel') checkNarrowed(name, receiver, first, place);
  if (name === 'by') checkSpeaker(first, place);
  for (const phrase of [first, second].flatMap((arg) => (arg?.op === 'list' ? arg.args : arg ? [arg] : []))) {
    if (!['by', 'anyForm'].includes(name)) checkPhrase(phrase, place);
  }
}

function checkSpeaker(node: ASTNode | undefined, place: CheckPlace): void {
  const who = literalText(node)?.trim();
  if (node === undefined || who === undefined || who === '' || SPEAKER.test(who)) return;
  const number = /^speaker[ _-]?(\d+)$/i.exec(who)?.[1];
  const suggestion = number === undefined ? undefined : `'Speaker ${number === '0' ? '1' : number}'`;
  const known = "a speaker is an id from 0 up, as in by('1'), or a label from 1 up, as in by('Speaker 2')";
  report(place, node.start, `nobody is called this: ${known}`, suggestion);
}

/** `by('0').by('1')`: nobody is both. */
function checkNarrowed(name: string, receiver: ASTNode, value: ASTNode | undefined, place: CheckPlace): void {
  const wanted = value && literalValue(value);
  for (let view = receiver; view.op === 'rcall'; view = view.args[1]) {
    const [before] = view.args[2];
    const earlier = view.args[0] === name && before ? literalValue(before) : undefined;
    if (wanted === undefined || earlier === undefined || earlier === wanted) continue;
    // An id and a label may be of one speaker.
    if (name === 'by' && /\d$/.test(String(wanted)) && isLabel(wanted) !== isLabel(earlier)) continue;
    report(place, value?.start ?? view.start, `nothing is said by both: ${name}(…) narrows what stands before it`);
    return;
  }
}

const isLabel = (who: string | number | boolean): boolean => /^speaker /i.test(String(who));

function checkPhrase(node: ASTNode, place: CheckPlace): void {
  const habit = phraseHabit(literalText(node) ?? '');
  if (habit) report(place, node.start, habit.message, habit.suggestion);
}

function checkTextTest(name: string, receiver: ASTNode, node: ASTNode | undefined, place: CheckPlace): void {
  const text = literalText(node);
  if (node === undefined || text === undefined) return;
  if (text === '') {
    report(place, node.start, `${name}('') fits every text, so this is always true`);
    return;
  }
  checkCase(receiver, node, place);
}

function checkCompared(node: ASTNode, scope: Scope, place: CheckPlace): void {
  const [left, right] = node.args as [ASTNode, ASTNode];
  if (node.op === 'in') {
    if (right.op === 'list') for (const item of right.args) checkText(left, item, scope, place);
    return;
  }
  checkText(left, right, scope, place);
  checkText(right, left, scope, place);
}

function checkText(subject: ASTNode, value: ASTNode, scope: Scope, place: CheckPlace): void {
  if (literalText(value) === undefined) return;
  checkCase(subject, value, place);
  const field = fieldOfNode(subject, scope);
  if (field) checkForm(field, subject, value, place);
}

/** What lowerAscii() gives holds no capital. */
function checkCase(subject: ASTNode, node: ASTNode, place: CheckPlace): void {
  if (subject.op !== 'rcall') return;
  const [name] = subject.args;
  const text = literalText(node) ?? '';
  const possible = CASES[name]?.(text) ?? text;
  if (possible === text) return;
  const why =
    name === 'trim' ? 'has no blanks around it' : `holds ${name === 'lowerAscii' ? 'no capitals' : 'capitals only'}`;
  report(place, node.start, `what ${name}() gives ${why}, so this never fits`, `'${possible}'`);
}

function fieldOfNode(node: ASTNode, scope: Scope): FactField | undefined {
  if (node.op !== '.') return undefined;
  const owner = typeOf(node.args[0], scope);
  return owner === undefined ? undefined : fieldOf(owner, node.args[1]);
}

function checkForm(field: FactField, subject: ASTNode, node: ASTNode, place: CheckPlace): void {
  const text = literalText(node);
  if (text === undefined || !field.form || field.form.pattern.test(text)) return;
  const suggestion = field.form.instead?.(text);
  const message = `${shownText(place, subject)} is ${field.form.hint}, so this is never equal`;
  report(place, node.start, message, suggestion === undefined ? undefined : `'${suggestion}'`);
}

function checkPattern(node: ASTNode | undefined, place: CheckPlace): void {
  const source = literalText(node);
  if (node === undefined || source === undefined) return;
  const quoted = /^\/(.+)\/([a-z]*)$/s.exec(source);
  if (quoted) {
    const [, inner = '', flags = ''] = quoted;
    const suggestion = `'${flags.includes('i') ? '(?i)' : ''}${inner}'`;
    report(place, node.start, 'a pattern has no slashes around it, and its flags stand in front: (?i)', suggestion);
  } else if (alwaysFound(source)) {
    report(place, node.start, 'this pattern fits nothing at all too, so it is found in every text', shorter(source));
  }
}

/** `a*` for `a+`. */
function shorter(source: string): string | undefined {
  return /^[A-Za-z0-9]\*$/.test(source) ? `'${source.slice(0, -1)}+'` : undefined;
}
