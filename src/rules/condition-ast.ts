import type { ASTNode } from '@marcbachmann/cel-js';
import { fieldOf } from './condition-facts.js';

/** Questions about the parsed text of a condition that several checks ask. */

/** Macros that loop over a list with a variable of their own. `map` is left out: no rule needs a new list. */
export const LOOPS = ['exists', 'all', 'exists_one', 'filter'] as const;

/** Names that are known at a place, with their type; undefined for a type that only the CEL checker knows. */
export type Scope = ReadonlyMap<string, string | undefined>;

const SPEECH_VIEWS = ['by', 'channel', 'first', 'last', 'confident', 'anyForm', 'anyAccent'];

/** A call of one of {@link LOOPS}, taken apart. */
export interface Loop {
  range: ASTNode;
  variable: string | undefined;
  variableNode: ASTNode | undefined;
  body: ASTNode | undefined;
}

export function asLoop(node: ASTNode): Loop | undefined {
  if (node.op !== 'rcall' || !(LOOPS as readonly string[]).includes(node.args[0])) return undefined;
  const [variableNode, body] = node.args[2];
  const variable = variableNode?.op === 'id' ? variableNode.args : undefined;
  return { range: node.args[1], variable, variableNode, body };
}

/** Scope of the body of a loop. */
export function withVariable(scope: Scope, loop: Loop): Scope {
  return loop.variable === undefined
    ? scope
    : new Map(scope).set(loop.variable, elementType(typeOf(loop.range, scope)));
}

/** Operands in the order of the source. */
export function children(node: ASTNode): ASTNode[] {
  switch (node.op) {
    case 'value':
    case 'id':
      return [];
    case '.':
    case '.?':
      return [node.args[0]];
    case '!_':
    case '-_':
      return [node.args];
    case 'call':
      return node.args[1];
    case 'rcall':
      return [node.args[1], ...node.args[2]];
    case 'map':
      return node.args.flat();
    default:
      return [...node.args];
  }
}

/** Declared type of a node; undefined where only the CEL checker can tell. */
export function typeOf(node: ASTNode, scope: Scope): string | undefined {
  switch (node.op) {
    case 'id':
      return scope.get(node.args);
    case 'value':
      return typeof node.args === 'string' ? 'string' : undefined;
    case '.':
    case '[]':
      return accessType(node, scope);
    case 'rcall':
      if (node.args[0] === 'filter') return typeOf(node.args[1], scope);
      return SPEECH_VIEWS.includes(node.args[0]) && typeOf(node.args[1], scope) === 'Speech' ? 'Speech' : undefined;
    default:
      return undefined;
  }
}

function accessType(node: ASTNode & { op: '.' | '[]' }, scope: Scope): string | undefined {
  const owner = typeOf(node.args[0], scope);
  if (owner === undefined) return undefined;
  if (owner.startsWith('list<')) return node.op === '[]' ? elementType(owner) : undefined;
  const key = keyOf(node);
  return key === undefined ? undefined : fieldOf(owner, key)?.type;
}

function elementType(type: string | undefined): string | undefined {
  if (type?.startsWith('list<')) return type.slice(5, -1);
  return type?.startsWith('map<') ? 'string' : undefined;
}

/** `b` of `a.b` and of `a['b']`. */
export function keyOf(node: ASTNode): string | undefined {
  if (node.op === '.') return node.args[1];
  return node.op === '[]' ? literalText(node.args[1]) : undefined;
}

/** `a.b.c`, also for `a['b'].c`; undefined for anything that is not a plain path. */
export function pathOf(node: ASTNode): string | undefined {
  if (node.op === 'id') return node.args;
  if (node.op !== '.' && node.op !== '[]') return undefined;
  const owner = pathOf(node.args[0]);
  const key = keyOf(node);
  return owner === undefined || key === undefined ? undefined : `${owner}.${key}`;
}

export function literalText(node: ASTNode | undefined): string | undefined {
  return node?.op === 'value' && typeof node.args === 'string' ? node.args : undefined;
}

/** Value of a number written in the source, with its sign. */
export function literalNumber(node: ASTNode | undefined): number | undefined {
  if (node?.op === '-_') {
    const positive = literalNumber(node.args);
    return positive === undefined ? undefined : -positive;
  }
  if (node?.op !== 'value') return undefined;
  return typeof node.args === 'number' || typeof node.args === 'bigint' ? Number(node.args) : undefined;
}

/** A text, number, true or false that stands in the source; undefined for anything else. */
export function literalValue(node: ASTNode): string | number | boolean | undefined {
  if (node.op === 'value' && typeof node.args === 'boolean') return node.args;
  return literalText(node) ?? literalNumber(node);
}

/** Type that the CEL checker found; undefined before it ran. */
export function checkedType(node: ASTNode): string | undefined {
  return (node as { checkedType?: { name: string } }).checkedType?.name;
}
