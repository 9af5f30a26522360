import type { ASTNode } from '@marcbachmann/cel-js';
import type { Scope } from './condition-ast.js';
import { typeOf } from './condition-ast.js';
import { fieldOf } from './condition-facts.js';

/** What is known of a number before any transcript is there. */
export interface KnownNumber {
  min: number;
  max?: number;
  /** It counts something. */
  whole?: true;
  /** Milliseconds since 1970. */
  epoch?: true;
}

const COUNT: KnownNumber = { min: 0, whole: true };
const AMOUNT: KnownNumber = { min: 0 };

/** Calls on `speech` that give a number. */
const SPEECH_NUMBERS: Readonly<Record<string, KnownNumber>> = {
  count: COUNT,
  interruptions: COUNT,
  talk: AMOUNT,
  longestSilence: AMOUNT,
  lowConfidence: { min: 0, max: 1 },
};

/** @returns undefined for what is no number, or may be any */
export function numberOf(node: ASTNode, scope: Scope): KnownNumber | undefined {
  if (node.op === '.') {
    const owner = typeOf(node.args[0], scope);
    const field = owner === undefined ? undefined : fieldOf(owner, node.args[1]);
    if (field?.min === undefined) return undefined;
    const { min, max, whole } = field;
    const epoch = owner === 'Job' && node.args[1] === 'createdAt';
    return { min, ...(max === undefined ? {} : { max }), ...(whole && { whole }), ...(epoch && { epoch }) };
  }
  if (node.op === 'call') return node.args[0] === 'size' ? COUNT : undefined;
  if (node.op !== 'rcall') return undefined;
  const [name, receiver] = node.args;
  if (typeOf(receiver, scope) === 'Speech') return SPEECH_NUMBERS[name];
  return name === 'size' ? COUNT : undefined;
}
