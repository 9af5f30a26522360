import type { ASTNode } from '@marcbachmann/cel-js';
import type { Token } from './condition-scan.js';

/**
 * Source text of a part of a condition, as it can stand alone. The parser leaves the parentheses around an operand out of
 * its range: of `(a || b) && c` the whole begins at `a`.
 * @param tokens of the whole source
 */
export function sourceOf(node: ASTNode, source: string, tokens: readonly Token[]): string {
  const first = tokens.findIndex(({ end }) => end > node.start);
  const last = tokens.findLastIndex(({ start }) => start < node.end);
  let open = 0;
  let missing = 0;
  for (const { text } of tokens.slice(first, last + 1)) {
    if (text === '(') open++;
    else if (text === ')' && open > 0) open--;
    else if (text === ')') missing++;
  }
  return source.slice(tokens[first - missing]?.start ?? node.start, tokens[last + open]?.end ?? node.end);
}
