import type { ASTNode } from '@marcbachmann/cel-js';
import type { Facts } from '../transcripts/facts.js';
import { asLoop, children, pathOf } from './condition-ast.js';

/**
 * Work that one rule may do on one transcript, in steps of about 50 ns: about a tenth of a second, so that no rule holds up
 * the others. Estimated before a condition runs, from the sizes of the lists and of the text.
 */
export const COST_MAX = 2_000_000;

const ITEM_TEXT = 64;
const OTHER_LIST = 100;
const REGEX_PER_CHARACTER = 2;
const SPEECH_CALL = 200;
const SPEECH_CALLS = ['says', 'saysAny', 'near', 'then', 'count', 'saysWithout', 'heard'];
/** Calls that look at every word of a view. */
const SPEECH_SCANS = ['silence', 'longestSilence', 'talk', 'interruptions', 'lowConfidence'];

const WORDS = '$words';

/** Lengths of lists and texts of one transcript, by path. */
export type Sizes = ReadonlyMap<string, number>;

export function sizesOf(facts: Facts): Sizes {
  const sizes = new Map<string, number>([
    ['job.tags', Object.keys(facts.job.tags).length],
    ['job.options', Object.keys(facts.job.options).length],
    [WORDS, facts.transcript?.words ?? 0],
  ]);
  for (const [name, value] of Object.entries(facts.transcript ?? {})) {
    if (Array.isArray(value) || typeof value === 'string') sizes.set(`transcript.${name}`, value.length);
  }
  return sizes;
}

/** True when the work depends on more than the length of the source. */
export function isCostly(node: ASTNode): boolean {
  return asLoop(node) !== undefined || isRegex(node) || children(node).some(isCostly);
}

/** Steps that a condition takes at most, about. */
export function costOf(node: ASTNode, sizes: Sizes): number {
  const loop = asLoop(node);
  if (loop) {
    return costOf(loop.range, sizes) + rangeSize(loop.range, sizes) * (1 + (loop.body ? costOf(loop.body, sizes) : 0));
  }
  return children(node).reduce((sum, child) => sum + costOf(child, sizes), ownCost(node, sizes));
}

function ownCost(node: ASTNode, sizes: Sizes): number {
  if (node.op === 'call') return isRegex(node) ? 1 + REGEX_PER_CHARACTER * textSize(node.args[1][0], sizes) : 1;
  if (node.op === 'rcall') {
    const [name, receiver] = node.args;
    if (SPEECH_SCANS.includes(name)) return SPEECH_CALL + (sizes.get(WORDS) ?? 0);
    return SPEECH_CALLS.includes(name) ? SPEECH_CALL : 1 + textSize(receiver, sizes) / 16;
  }
  if (node.op === '+' || node.op === '==' || node.op === '!=') return 1 + textSize(node.args[0], sizes) / 16;
  return 1;
}

function rangeSize(node: ASTNode, sizes: Sizes): number {
  if (node.op === 'list') return node.args.length;
  const loop = asLoop(node);
  if (loop) return rangeSize(loop.range, sizes);
  return sizes.get(pathOf(node) ?? '') ?? OTHER_LIST;
}

/** The texts of all items together are about the text of the transcript, so one item counts as short. */
function textSize(node: ASTNode | undefined, sizes: Sizes): number {
  if (!node || node.op === 'value') return 1;
  const path = pathOf(node);
  if (path !== undefined) return sizes.get(path) ?? ITEM_TEXT;
  return Math.max(ITEM_TEXT, ...children(node).map((child) => textSize(child, sizes)));
}

function isRegex(node: ASTNode): node is ASTNode & { op: 'call' } {
  return node.op === 'call' && node.args[0] === 'regex';
}
