import type { ASTNode } from '@marcbachmann/cel-js';
import type { FieldError } from '../errors.js';
import type { Trigger } from '../transcripts/facts.js';
import type { Scope } from './condition-ast.js';
import { asLoop, children, literalNumber, literalValue, withVariable } from './condition-ast.js';
import { contradictionErrors } from './condition-contradictions.js';
import { FACTS_BY_TRIGGER } from './condition-facts.js';
import { MIRRORED, outcomesOf } from './condition-guards.js';
import { literalErrors } from './condition-literals.js';
import { numberOf } from './condition-numbers.js';
import { comparableText, report, shownText, type CheckPlace, type Token } from './condition-scan.js';

/**
 * What is well-formed and of the right types, but can only be a mistake: a comparison that nothing decides, operands that exclude each
 * other, a text that no fact can have. Asked when a rule is saved and not when a stored one is read: a rule that was taken once
 * keeps running when this list grows.
 * @param ast of a condition that compiles, parsed anew: its literals are as they were written
 */
export function senseErrors(ast: ASTNode, source: string, tokens: readonly Token[], on: Trigger): FieldError[] {
  const place: CheckPlace = { source, tokens, errors: [] };
  if (ast.op === 'value' && ast.args === false) {
    report(place, ast.start, 'this is never met; to switch a rule off, save it with "enabled": false', 'true');
    return place.errors;
  }
  visit(ast, new Map(Object.entries(FACTS_BY_TRIGGER[on])), place);
  contradictionErrors(ast, place);
  return place.errors.sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));
}

function visit(node: ASTNode, scope: Scope, place: CheckPlace): void {
  const loop = asLoop(node);
  if (loop) {
    visit(loop.range, scope, place);
    if (!loop.body || loop.variable === undefined) return;
    if (!mentions(loop.body, loop.variable)) {
      const message = `the loop never looks at "${loop.variable}": it comes to the same for every item`;
      report(place, loop.variableNode?.start ?? node.start, message);
    }
    visit(loop.body, withVariable(scope, loop), place);
    return;
  }
  for (const child of children(node)) visit(child, scope, place);
  literalErrors(node, scope, place);
  checkComparison(node, scope, place);
}

function mentions(node: ASTNode, name: string): boolean {
  return (node.op === 'id' && node.args === name) || children(node).some((child) => mentions(child, name));
}

function checkComparison(node: ASTNode, scope: Scope, place: CheckPlace): void {
  const mirrored = MIRRORED[node.op];
  if (mirrored === undefined) {
    if (node.op === '/' && literalNumber(node.args[1]) === 0) report(place, node.args[1].start, 'this divides by zero');
    return;
  }
  const [left, right] = node.args as [ASTNode, ASTNode];
  const [a, b] = [literalValue(left), literalValue(right)];
  if (a !== undefined && b !== undefined) {
    report(place, node.start, 'this compares two values that never change');
  } else if (comparableText(place, left) === comparableText(place, right)) {
    const outcome = ['==', '<=', '>='].includes(node.op) ? 'always' : 'never';
    report(place, node.start, `this compares a thing with itself, so it is ${outcome} true`);
  } else if (b !== undefined) {
    checkNumber(node, left, node.op, right, scope, place);
  } else if (a !== undefined) {
    checkNumber(node, right, mirrored, left, scope, place);
  }
}

/** Counts and amounts that calls give, and counts that are no whole number. Ranges of fields are checked in condition-guards. */
function checkNumber(
  node: ASTNode,
  subject: ASTNode,
  op: string,
  other: ASTNode,
  scope: Scope,
  place: CheckPlace,
): void {
  const value = literalNumber(other);
  const known = numberOf(subject, scope);
  if (value === undefined || known === undefined) return;
  const name = shownText(place, subject);
  if (known.whole === true && !Number.isInteger(value) && (op === '==' || op === '!=')) {
    const outcome = op === '==' ? 'never' : 'always';
    report(place, other.start, `${name} is a whole number, so this is ${outcome} true`, String(Math.round(value)));
  } else if (known.epoch === true && Math.abs(value) > 1e8 && Math.abs(value) < 1e11) {
    report(place, other.start, `${name} is in milliseconds, and this is in seconds`, String(value * 1000));
  } else if (subject.op !== '.') {
    const { min, max = Number.POSITIVE_INFINITY } = known;
    const outcomes = outcomesOf(op, value, min, max);
    if (outcomes.size > 1) return;
    const range = max === Number.POSITIVE_INFINITY ? `never below ${min}` : `from ${min} to ${max}`;
    report(place, node.start, `${name} is ${range}, so this is ${outcomes.has(true) ? 'always' : 'never'} true`);
  }
}
