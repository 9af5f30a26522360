import type { FieldError } from '../errors.js';

/**
 * A flat look at the text of a condition: how deep it nests, and where its outermost `&&` and `||` are. A loop, so no text
 * can overflow it; it runs before the recursive parser sees the text.
 */

/** Brackets inside brackets, and `!` or `-` before each other. */
export const DEPTH_MAX = 40;

/** Operands of the outermost `&&` and `||`; a leaf is a range of the source. */
export type Shape = { op: 'leaf'; start: number; end: number } | { op: 'and' | 'or'; parts: Shape[] };

export interface Token {
  text: string;
  start: number;
  end: number;
  /** Brackets open before this token. */
  depth: number;
}

/** A condition that is looked at, and what was found wrong with it. */
export interface CheckPlace {
  source: string;
  tokens: readonly Token[];
  errors: FieldError[];
}

/** Thrown where the text nests too deep. */
export class DepthError extends Error {
  readonly offset: number;

  constructor(offset: number) {
    super(`the condition nests deeper than ${String(DEPTH_MAX)} levels`);
    this.offset = offset;
  }
}

// A string swallows the rest when it is not closed: the parser says so with its place.
const TOKEN =
  /[ \t\r\n]+|\/\/[^\n]*|[bBrR]?(?:"""(?:\\[^]|(?!""")[^])*(?:"""|$)|'''(?:\\[^]|(?!''')[^])*(?:'''|$)|"(?:\\[^]|[^"\\])*(?:"|$)|'(?:\\[^]|[^'\\])*(?:'|$))|[A-Za-z0-9_]+|&&|\|\||[=!<>]=|[^]/gy;

/**
 * Tokens of a condition, without space and comments.
 * @throws DepthError when brackets or unary operators nest deeper than {@link DEPTH_MAX}
 */
export function scan(source: string): Token[] {
  const tokens: Token[] = [];
  let depth = 0;
  let unary = 0;
  for (const { 0: text, index } of source.matchAll(TOKEN)) {
    if (/^(?:\s|\/\/)/.test(text)) continue;
    unary = text === '!' || text === '-' ? unary + 1 : 0;
    if (')]}'.includes(text)) depth--;
    tokens.push({ text, start: index, end: index + text.length, depth });
    if ('([{'.includes(text)) depth++;
    if (depth + unary > DEPTH_MAX) throw new DepthError(index);
  }
  return tokens;
}

/** @param tokens of a condition that the parser accepts */
export function shapeOf(tokens: Token[]): Shape {
  const inner = withoutParentheses(tokens);
  const depth = inner[0]?.depth ?? 0;
  if (!inner.some((token) => token.text === '?' && token.depth === depth)) {
    for (const [op, text] of [['or', '||'] as const, ['and', '&&'] as const]) {
      const parts = split(inner, text, depth);
      if (parts.length > 1) return { op, parts: parts.map(shapeOf) };
    }
  }
  return { op: 'leaf', start: tokens[0]?.start ?? 0, end: tokens.at(-1)?.end ?? 0 };
}

function split(tokens: Token[], text: string, depth: number): Token[][] {
  const parts: Token[][] = [[]];
  for (const token of tokens) {
    if (token.text === text && token.depth === depth) parts.push([]);
    else parts.at(-1)?.push(token);
  }
  return parts;
}

/** `((a && b))` as `a && b`; `(a) && (b)` as it is. */
function withoutParentheses(tokens: Token[]): Token[] {
  let rest = tokens;
  for (;;) {
    const [open] = rest;
    const close = rest.at(-1);
    if (open?.text !== '(' || close?.text !== ')') return rest;
    const closing = rest.findIndex(({ text, depth }, i) => i > 0 && text === ')' && depth === open.depth);
    if (closing !== rest.length - 1) return rest;
    rest = rest.slice(1, -1);
  }
}

/** Line and column of an offset, both from 1; columns count UTF-16 units. */
export function positionAt(source: string, offset: number): { line: number; column: number } {
  const before = source.slice(0, offset);
  return { line: before.split('\n').length, column: offset - before.lastIndexOf('\n') };
}

interface Range {
  start: number;
  end: number;
}

const SHOWN_MAX = 80;

/** A part of the source as messages show it, with the brackets that its end leaves open. */
export function shownText({ source, tokens }: CheckPlace, { start, end }: Range): string {
  const outside = tokens.find((token) => token.start >= start)?.depth ?? 0;
  const last = tokens.findLast((token) => token.start < end);
  const open = last && last.depth > outside;
  const closing = open ? tokens.find((token) => token.start >= end && token.depth === outside) : undefined;
  const text = source.slice(start, closing?.end ?? end);
  return text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text;
}

/** A part of the source without its space and comments: equal for parts that mean the same. */
export function comparableText({ tokens }: CheckPlace, { start, end }: Range): string {
  return tokens
    .filter((token) => token.start >= start && token.end <= end)
    .map(({ text }) => text)
    .join('\n');
}

/** Adds a problem of the condition to `place.errors`, with line and column. @param offset into the source */
export function report(
  place: { source: string; errors: FieldError[] },
  offset: number,
  message: string,
  suggestion?: string,
): void {
  place.errors.push({
    pointer: '/when',
    message,
    ...positionAt(place.source, offset),
    ...(suggestion === undefined ? {} : { suggestion }),
  });
}
