import type { ASTNode } from '@marcbachmann/cel-js';
import type { FieldError } from '../errors.js';
import type { Trigger } from '../transcripts/facts.js';
import type { Scope } from './condition-ast.js';
import { asLoop, children, keyOf, literalNumber, literalText, pathOf, typeOf, withVariable } from './condition-ast.js';
import type { FactField } from './condition-facts.js';
import { FACTS_BY_TRIGGER, fieldOf } from './condition-facts.js';
import { report } from './condition-scan.js';
import { nearest } from '../suggestion.js';

/** Paths that are surely present at a place. */
type Present = ReadonlySet<string>;

interface Place {
  source: string;
  errors: FieldError[];
}

const NOTHING: Present = new Set();
/** The same comparison with its sides swapped. */
export const MIRRORED: Readonly<Record<string, string>> = {
  '<': '>',
  '<=': '>=',
  '>': '<',
  '>=': '<=',
  '==': '==',
  '!=': '!=',
};

/**
 * Optional facts that are read without a `has()` before them, and comparisons that no fact can ever decide.
 * A guard counts to the right of it in the same `&&`, to the right of `!has()` in the same `||`, and in the branches of `? :`.
 * @param ast of a condition that passed the type check
 */
export function meaningErrors(ast: ASTNode, source: string, on: Trigger): FieldError[] {
  const place: Place = { source, errors: [] };
  visit(ast, new Map(Object.entries(FACTS_BY_TRIGGER[on])), NOTHING, place);
  return place.errors;
}

function visit(node: ASTNode, scope: Scope, present: Present, place: Place): void {
  const loop = asLoop(node);
  if (loop) {
    visit(loop.range, scope, present, place);
    if (loop.body) visit(loop.body, withVariable(scope, loop), present, place);
    return;
  }
  if (node.op === '&&' || node.op === '||') {
    visit(node.args[0], scope, present, place);
    visit(node.args[1], scope, union(present, presentWhen(node.args[0], node.op === '&&')), place);
  } else if (node.op === '?:') {
    visit(node.args[0], scope, present, place);
    visit(node.args[1], scope, union(present, presentWhen(node.args[0], true)), place);
    visit(node.args[2], scope, union(present, presentWhen(node.args[0], false)), place);
  } else if (node.op === 'call' && node.args[0] === 'has') {
    // What is asked for need not be there, but what holds it must be.
    for (const asked of node.args[1]) for (const owner of children(asked)) visit(owner, scope, present, place);
  } else {
    for (const child of children(node)) visit(child, scope, present, place);
    checkPresence(node, scope, present, place);
    checkPossible(node, scope, place);
  }
}

/** Paths that are present when the node comes out as `outcome`. */
function presentWhen(node: ASTNode, outcome: boolean): Present {
  switch (node.op) {
    case 'call':
      return outcome && node.args[0] === 'has' ? pathSet(node.args[1][0]) : NOTHING;
    case 'in':
      return outcome ? keySet(node.args[0], node.args[1]) : NOTHING;
    case '!_':
      return presentWhen(node.args, !outcome);
    case '&&':
    case '||': {
      const [left, right] = [presentWhen(node.args[0], outcome), presentWhen(node.args[1], outcome)];
      return (node.op === '&&') === outcome ? union(left, right) : new Set([...left].filter((path) => right.has(path)));
    }
    default:
      return NOTHING;
  }
}

function pathSet(node: ASTNode | undefined): Present {
  const path = node && pathOf(node);
  return path === undefined ? NOTHING : new Set([path]);
}

/** `'diarize' in job.options` says as much as `has(job.options.diarize)`. */
function keySet(key: ASTNode, owner: ASTNode): Present {
  const path = pathOf(owner);
  const name = literalText(key);
  return path === undefined || name === undefined ? NOTHING : new Set([`${path}.${name}`]);
}

function union(a: Present, b: Present): Present {
  return b.size === 0 ? a : new Set([...a, ...b]);
}

function checkPresence(node: ASTNode, scope: Scope, present: Present, place: Place): void {
  if (node.op !== '.' && node.op !== '[]') return;
  const owner = typeOf(node.args[0], scope);
  if (owner === undefined || !isOptional(owner, keyOf(node))) return;
  const path = pathOf(node);
  if (path !== undefined && present.has(path)) return;
  const text = place.source.slice(node.start, node.end);
  const isField = node.op === '.';
  const guard = isField
    ? `has(${text})`
    : `${place.source.slice(node.args[1].start, node.args[1].end)} in ${place.source.slice(node.args[0].start, node.args[0].end)}`;
  report(place, isField ? node.pos : node.start, `${text} may be absent; ask first: ${guard} && …`, guard);
}

/** Options differ from job to job. Tags do too, but an absent tag reads as `""`. */
function isOptional(owner: string, key: string | undefined): boolean {
  if (owner === 'map<string, dyn>' || owner === 'dyn') return true;
  return key !== undefined && fieldOf(owner, key)?.optional === true;
}

function checkPossible(node: ASTNode, scope: Scope, place: Place): void {
  if (node.op === 'in') {
    const field = factOf(node.args[0], scope);
    if (field?.values && node.args[1].op === 'list')
      for (const item of node.args[1].args) checkValue(item, field, place);
    return;
  }
  const mirrored = MIRRORED[node.op];
  if (mirrored === undefined || !Array.isArray(node.args)) return;
  const [left, right] = node.args as [ASTNode, ASTNode];
  const [a, b] = [factOf(left, scope), factOf(right, scope)];
  if (a && !b) checkComparison(node, a, left, node.op, right, place);
  if (b && !a) checkComparison(node, b, right, mirrored, left, place);
}

function checkComparison(
  node: ASTNode,
  field: FactField,
  fact: ASTNode,
  op: string,
  other: ASTNode,
  place: Place,
): void {
  if (field.values) {
    checkValue(other, field, place);
    return;
  }
  const value = literalNumber(other);
  if (value === undefined) return;
  const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = field;
  const outcomes = outcomesOf(op, value, min, max);
  if (outcomes.size > 1) return;
  const name = place.source.slice(fact.start, fact.end);
  const range =
    max === Number.POSITIVE_INFINITY ? `never below ${String(min)}` : `from ${String(min)} to ${String(max)}`;
  report(place, node.start, `${name} is ${range}, so this is ${outcomes.has(true) ? 'always' : 'never'} true`);
}

/** Which of true and false `fact op value` can be, for facts from `min` to `max`. */
export function outcomesOf(op: string, value: number, min: number, max: number): Set<boolean> {
  const inside = value >= min && value <= max;
  const holds = (fact: number): boolean => {
    if (op === '<') return fact < value;
    if (op === '<=') return fact <= value;
    return op === '>' ? fact > value : fact >= value;
  };
  if (op === '==' || op === '!=') return new Set(inside ? [true, false] : [op === '!=']);
  return new Set([holds(min), holds(max)]);
}

function checkValue(node: ASTNode, field: FactField, place: Place): void {
  const value = literalText(node);
  const values = field.values ?? [];
  if (value === undefined || values.includes(value)) return;
  const suggestion = nearest(value, values);
  report(place, node.start, `this is one of ${values.map((legal) => `'${legal}'`).join(', ')}`, suggestion);
}

function factOf(node: ASTNode, scope: Scope): FactField | undefined {
  if (node.op !== '.') return undefined;
  const owner = typeOf(node.args[0], scope);
  return owner === undefined ? undefined : fieldOf(owner, node.args[1]);
}
