import type { ASTNode } from '@marcbachmann/cel-js';
import { children, literalValue } from './condition-ast.js';
import { MIRRORED } from './condition-guards.js';
import { comparableText, report, shownText, type CheckPlace } from './condition-scan.js';

/**
 * Operands of one `&&` that cannot be true together, and operands of one `||` of which one is always true. The second is the first on the
 * opposites: `a != 'x' || a != 'y'` is always true because `a == 'x' && a == 'y'` never is.
 */

type Value = string | number | boolean;

/** `subject op value`; `op` `is` has a condition for its subject and true or false for its value. */
interface Atom {
  subject: string;
  op: string;
  values: Value[];
  node: ASTNode;
}

const OPPOSITE: Readonly<Record<string, string>> = {
  '==': '!=',
  '!=': '==',
  '<': '>=',
  '>=': '<',
  '>': '<=',
  '<=': '>',
  in: 'not in',
  'not in': 'in',
};

export function contradictionErrors(ast: ASTNode, place: CheckPlace): void {
  if (ast.op === '&&' || ast.op === '||') {
    const operands = operandsOf(ast, ast.op);
    checkOperands(operands, ast.op, place);
    for (const operand of operands) contradictionErrors(operand, place);
    return;
  }
  for (const child of children(ast)) contradictionErrors(child, place);
}

/** `a && b && c`, however the parser nested them. */
function operandsOf(node: ASTNode, op: '&&' | '||'): ASTNode[] {
  return node.op === op ? [...operandsOf(node.args[0], op), ...operandsOf(node.args[1], op)] : [node];
}

function checkOperands(operands: ASTNode[], op: '&&' | '||', place: CheckPlace): void {
  const before: Atom[] = [];
  for (const operand of operands) {
    const constant = literalValue(operand);
    if (typeof constant === 'boolean') {
      if (constant === (op === '||')) report(place, operand.start, constantMessage(op));
      continue;
    }
    const atom = atomOf(operand, op === '||', place);
    const same = before.filter(({ subject }) => subject === atom.subject);
    const against = same.find((earlier) => exclude([earlier, atom]));
    if (against) reportPair(against, atom, op, place);
    else if (exclude([...same, atom])) reportAll(atom, op, place);
    before.push(atom);
  }
}

function constantMessage(op: '&&' | '||'): string {
  return op === '||'
    ? 'with this operand the condition is always true'
    : 'with this operand the condition is never true; to switch a rule off, save it with "enabled": false';
}

function reportPair(earlier: Atom, atom: Atom, op: '&&' | '||', place: CheckPlace): void {
  const other = shownText(place, earlier.node);
  if (op === '&&') {
    const hint = atom.op === '==' && earlier.op === '==' ? '||' : undefined;
    report(place, atom.node.start, `this and ${other} are never true together`, hint);
  } else {
    report(place, atom.node.start, `either this or ${other} is true, whatever the facts: did you mean &&?`, '&&');
  }
}

function reportAll(atom: Atom, op: '&&' | '||', place: CheckPlace): void {
  const outcome = op === '&&' ? 'never true together' : 'always true together: did you mean &&?';
  report(place, atom.node.start, `this and what is before it are ${outcome}`);
}

/** @param opposite the atom of `!node` */
function atomOf(node: ASTNode, opposite: boolean, place: CheckPlace): Atom {
  if (node.op === '!_') return { ...atomOf(node.args, !opposite, place), node };
  const compared = comparisonOf(node, place);
  if (!compared) return { subject: comparableText(place, node), op: 'is', values: [!opposite], node };
  return { ...compared, op: opposite ? (OPPOSITE[compared.op] ?? compared.op) : compared.op };
}

function comparisonOf(node: ASTNode, place: CheckPlace): Atom | undefined {
  if (node.op === 'in') {
    const [item, list] = node.args;
    const values = list.op === 'list' ? list.args.map(literalValue) : [undefined];
    if (!values.every((value) => value !== undefined)) return undefined;
    return { subject: comparableText(place, item), op: 'in', values, node };
  }
  const mirrored = MIRRORED[node.op];
  if (mirrored === undefined) return undefined;
  const [left, right] = node.args as [ASTNode, ASTNode];
  const [a, b] = [literalValue(left), literalValue(right)];
  if (b !== undefined && a === undefined)
    return { subject: comparableText(place, left), op: node.op, values: [b], node };
  if (a !== undefined && b === undefined)
    return { subject: comparableText(place, right), op: mirrored, values: [a], node };
  return undefined;
}

/** True when no value of the subject meets all of the atoms. */
function exclude(atoms: Atom[]): boolean {
  const truths = atoms.filter(({ op }) => op === 'is').map(({ values }) => values[0]);
  if (truths.includes(true) && truths.includes(false)) return true;
  const wanted = atoms.filter(({ op }) => op === '==' || op === 'in');
  const [first] = wanted;
  if (first) return first.values.every((value) => atoms.some((atom) => !meets(value, atom)));
  return isEmptyRange(atoms);
}

function meets(value: Value, { op, values }: Atom): boolean {
  const [bound] = values;
  switch (op) {
    case '==':
    case 'in':
      return values.includes(value);
    case '!=':
    case 'not in':
      return !values.includes(value);
    case '<':
    case '<=':
    case '>':
    case '>=':
      return typeof bound !== 'number' || typeof value !== 'number' || isOnSide(value, op, bound);
    default:
      return true;
  }
}

function isOnSide(value: number, op: string, bound: number): boolean {
  if (op === '<') return value < bound;
  if (op === '<=') return value <= bound;
  return op === '>' ? value > bound : value >= bound;
}

function isEmptyRange(atoms: Atom[]): boolean {
  const bounds = (ops: string[]): number[] =>
    atoms.flatMap(({ op, values: [bound] }) => (ops.includes(op) && typeof bound === 'number' ? [bound] : []));
  const low = Math.max(...bounds(['>', '>=']));
  const high = Math.min(...bounds(['<', '<=']));
  if (!Number.isFinite(low) || !Number.isFinite(high)) return false;
  if (low > high) return true;
  return low === high && atoms.some(({ op, values: [bound] }) => (op === '<' || op === '>') && bound === low);
}
