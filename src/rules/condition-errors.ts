import type { ASTNode, EvaluationError, ParseError, TypeError as CelTypeError } from '@marcbachmann/cel-js';
import type { FieldError } from '../errors.js';
import { checkedType, literalText } from './condition-ast.js';
import { typeLabel } from './condition-facts.js';
import { methodOffset } from './condition-names.js';
import type { Token } from './condition-scan.js';
import { positionAt } from './condition-scan.js';
import { SERIES_USAGE } from './condition-series.js';

/** Errors of the CEL library in words for the person who wrote the condition. */

/** What people write for an operator, and what CEL has. */
const OPERATOR_HABITS = new Map(
  Object.entries({
    and: '&&',
    AND: '&&',
    '&': '&&',
    or: '||',
    OR: '||',
    '|': '||',
    not: '!',
    NOT: '!',
    '=': '==',
    is: '==',
    '<>': '!=',
    '‘': "'",
    '’': "'",
    '“': '"',
    '”': '"',
  }),
);

const USAGE: Readonly<Record<string, string>> = {
  by: "speech.by('1')",
  channel: 'speech.channel(0)',
  first: 'speech.first(60)',
  last: 'speech.last(60)',
  says: "speech.says('refund')",
  saysAny: "speech.saysAny(['refund', 'money back'])",
  near: "speech.near('cancel', 'contract', 5)",
  then: "speech.then('do you agree', 'yes', 10)",
  count: "speech.count('refund')",
  saysWithout: "speech.saysWithout('cancel', ['not', 'never'], 3)",
  heard: "speech.heard('refund', 0.8)",
  silence: 'speech.silence(30)',
  confident: 'speech.confident(0.8)',
  lowConfidence: 'speech.lowConfidence(0.6)',
  anyForm: "speech.anyForm() or speech.anyForm('de')",
  regex: "regex(transcript.text, 'order \\\\d+')",
  has: 'has(transcript.summary)',
  contains: "transcript.text.contains('refund')",
  size: 'size(transcript.topics)',
};

export function syntaxError(error: ParseError, source: string, tokens: readonly Token[]): FieldError {
  const offset = error.range?.start ?? 0;
  const index = tokens.findIndex(({ start }) => start === offset);
  const before = tokens[index - 1];
  // `not x` fails at x, but the fault is the word before.
  const culprit = before && OPERATOR_HABITS.has(before.text) ? before : tokens[index];
  const found = culprit?.text ?? source.slice(offset, offset + 1);
  const suggestion = OPERATOR_HABITS.get(found);
  return {
    pointer: '/when',
    message: syntaxMessage(error, found),
    ...positionAt(source, culprit?.start ?? offset),
    ...(suggestion === undefined ? {} : { suggestion }),
  };
}

function syntaxMessage(error: ParseError, found: string): string {
  if (error.code === 'limit_exceeded') {
    return error.summary.includes('maxDepth')
      ? 'the condition nests too deep'
      : 'the condition is too long: split it into several rules';
  }
  if (error.code === 'invalid_macro_argument')
    return "a loop takes a new name and a condition, as in topics.exists(t, t == 'x')";
  if (found === '' && ['unexpected_token', 'expected_token'].includes(error.code))
    return 'the condition ends too early';
  if (error.code === 'unexpected_token' || error.code === 'unexpected_character')
    return `"${found}" does not belong here`;
  if (error.code === 'expected_token') return `"${found}" does not belong here: ${lower(error.summary)}`;
  return lower(error.summary);
}

export function typeError(error: CelTypeError, source: string, tokens: readonly Token[]): FieldError {
  const { node } = error;
  const offset = node ? errorOffset(error, node, tokens) : 0;
  const suggestion = node && typeSuggestion(node, source);
  return {
    pointer: '/when',
    message: typeMessage(error, node, source),
    ...positionAt(source, offset),
    ...(suggestion === undefined ? {} : { suggestion }),
  };
}

function errorOffset(error: CelTypeError, node: ASTNode, tokens: readonly Token[]): number {
  if (node.op === 'rcall') return methodOffset(node, tokens);
  if (error.code === 'invalid_logical_operand') return notBool(node)?.start ?? node.start;
  return error.range?.start ?? node.start;
}

/** The operand of `&&` or `||` that is not true or false. */
function notBool(node: ASTNode): ASTNode | undefined {
  if (node.op !== '&&' && node.op !== '||') return undefined;
  return node.args.find((operand) => !['bool', 'dyn'].includes(checkedType(operand) ?? 'bool'));
}

function typeMessage(error: CelTypeError, node: ASTNode | undefined, source: string): string {
  if (error.code === 'invalid_logical_operand' && node) {
    return `&& and || join what is true or false; this is ${typeLabel(checkedType(notBool(node) ?? node) ?? 'dyn')}`;
  }
  if (node?.op === 'call' || node?.op === 'rcall') {
    const [name] = node.args;
    const usage = (node.op === 'call' ? SERIES_USAGE[name] : undefined) ?? USAGE[name];
    return usage ? `${name}() does not take this; it is written ${usage}` : `${name}() does not take this`;
  }
  if (error.code === 'no_such_overload' && node && Array.isArray(node.args)) {
    return operandMessage(node.op, node.args as ASTNode[], source);
  }
  if (error.code === 'no_such_overload' && node?.op === '!_') return '! needs what is true or false';
  return lower(error.summary);
}

/** What was probably meant by operands that do not fit each other. */
function typeSuggestion(node: ASTNode, source: string): string | undefined {
  const text = ({ start, end }: ASTNode): string => source.slice(start, end);
  if (node.op === 'rcall') {
    const [name, , [first]] = node.args;
    const takesText = ['by', 'says', 'count', 'heard'].includes(name);
    if (takesText && first?.op === 'value' && checkedType(first) !== 'string') return `'${text(first)}'`;
    return name === 'saysAny' && first && checkedType(first) === 'Phrase' ? `[${text(first)}]` : undefined;
  }
  if (node.op === '||') return alternative(node, source);
  if (!Array.isArray(node.args) || node.args.length !== 2) return undefined;
  const [left, right] = node.args as [ASTNode, ASTNode];
  const [a = '', b = ''] = [left, right].map(checkedType);
  if (node.op === 'in') return a === 'string' && b === 'string' ? `${text(right)}.contains(${text(left)})` : undefined;
  if (a.startsWith('list') && (b === 'int' || b === 'double')) return `size(${text(left)})`;
  if (a === 'list<string>' && b === 'string') return `${text(right)} in ${text(left)}`;
  if (a === 'Sentiment') return `${text(left)}.${b === 'string' ? 'label' : 'score'}`;
  if (isNumber(a) && /^-?\d+(?:\.\d+)?$/.test(literalText(right) ?? '')) return literalText(right);
  const isEquality = node.op === '==' || node.op === '!=';
  return isEquality && a === 'string' && isNumber(b) && right.op === 'value' ? `'${text(right)}'` : undefined;
}

const isNumber = (type: string): boolean => type === 'int' || type === 'double';

/** `tier == 'gold' || 'silver'`. */
function alternative(node: ASTNode & { op: '||' }, source: string): string | undefined {
  const [left, right] = node.args;
  const compared = left.op === '||' ? left.args[1] : left;
  if (compared.op !== '==' || literalText(right) === undefined) return undefined;
  const [subject] = compared.args;
  return `${source.slice(subject.start, subject.end)} == ${source.slice(right.start, right.end)}`;
}

function operandMessage(op: string, operands: ASTNode[], source: string): string {
  const [left = '', right = ''] = operands.map((operand) => checkedType(operand) ?? '');
  const plain = `${op} cannot take ${typeLabel(left)} and ${typeLabel(right)}`;
  const number = operands.find(
    (operand) => ['int', 'double'].includes(checkedType(operand) ?? '') && operand.op === 'value',
  );
  if (number && (left === 'string' || right === 'string')) {
    return `${plain}; write the number in quotes: '${source.slice(number.start, number.end)}'`;
  }
  const text = operands.map(literalText).find((value) => value !== undefined);
  if (text !== undefined && [left, right].some((type) => type === 'double') && /^-?\d+(?:\.\d+)?$/.test(text)) {
    return `${plain}; write the number without quotes: ${text}`;
  }
  return plain;
}

/** Why a condition failed while it ran. Made from the rule's own text only: no word of a transcript, no tag. */
export function runtimeMessage(error: unknown): string {
  const { code, node } = error as Partial<EvaluationError>;
  const text = node ? node.input.slice(node.start, node.end) : undefined;
  const at = text === undefined ? '' : ` in ${text.slice(0, 200)}`;
  switch (code) {
    case 'no_such_key':
      return `a fact is absent${at}`;
    case 'index_out_of_bounds':
      return `there is no such item${at}`;
    case 'no_such_overload':
    case 'no_matching_overload':
    case 'variable_type_mismatch':
    case 'field_type_mismatch':
      return `a fact is of another type than the comparison needs${at}`;
    case 'division_by_zero':
    case 'modulo_by_zero':
      return `division by zero${at}`;
    case 'unknown_variable':
      return `a fact is not known here${at}`;
    default:
      return `it could not be evaluated${at}`;
  }
}

function lower(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
