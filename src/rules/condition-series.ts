import type { ASTNode } from '@marcbachmann/cel-js';
import { DAY, parseDuration, SECOND } from '../duration.js';
import type { FieldError } from '../errors.js';
import { children, literalText } from './condition-ast.js';
import { report, scan, type Token } from './condition-scan.js';

/** `count(…)` and `changed(…)` in the text of a condition: what they look like, and what takes their place when it runs. */

/** Names of the functions that look at many calls. */
export const SERIES_FUNCTIONS = ['count', 'changed'];

/** What a condition asks the answers of; no name that a person would take. */
export const SERIES_VARIABLE = '__series';

const WINDOW_MAX = 90 * DAY;
/** `changed` compares with the last call, if that was not longer ago. */
const CHANGED_WINDOW = 366 * DAY;

export const SERIES_USAGE: Readonly<Record<string, string>> = {
  count: `count(speech.says('refund'), "7d", "client")`,
  changed: `changed(transcript.language, "client")`,
};

/** A call of one of the functions, taken apart. */
export interface SeriesCall {
  kind: 'count' | 'changed';
  /** Source of the inner expression. */
  inner: string;
  /** The same however it is spaced. */
  normalised: string;
  windowMs: number;
  tag?: string;
}

/**
 * The text of a condition, or of a part of one, with its calls replaced by questions to {@link SERIES_VARIABLE}: `count(a, "7d") > 2`
 * becomes `__series.count(0) > 2`.
 * @param text has passed {@link checkSeries}
 */
export function withoutSeries(text: string): { text: string; calls: SeriesCall[] } {
  const calls: SeriesCall[] = [];
  // Most conditions have none.
  if (!/\b(?:count|changed)\s*\(/.test(text)) return { text, calls };
  const tokens = scan(text);
  let rest = '';
  let done = 0;
  for (const [i, token] of tokens.entries()) {
    if (token.start < done || !isCall(tokens, i)) continue;
    const close = closing(tokens, i + 1);
    rest += `${text.slice(done, token.start)}${SERIES_VARIABLE}.${token.text}(${String(calls.length)})`;
    done = tokens[close]?.end ?? text.length;
    calls.push(toCall(token.text as SeriesCall['kind'], argumentsIn(tokens, i + 1, close), text));
  }
  return { text: rest + text.slice(done), calls };
}

/** A message about such a text, as the person knows it who wrote the condition. */
export function withSeries(message: string): string {
  return message.replace(new RegExp(`${SERIES_VARIABLE}\\.(\\w+)\\(\\d+\\)`, 'g'), '$1(…)');
}

function isCall(tokens: readonly Token[], i: number): boolean {
  return SERIES_FUNCTIONS.includes(tokens[i]?.text ?? '') && tokens[i + 1]?.text === '(' && tokens[i - 1]?.text !== '.';
}

function closing(tokens: readonly Token[], open: number): number {
  const depth = tokens[open]?.depth;
  return tokens.findIndex((token, i) => i > open && token.text === ')' && token.depth === depth);
}

/** Tokens of each argument. */
function argumentsIn(tokens: readonly Token[], open: number, close: number): Token[][] {
  const depth = (tokens[open]?.depth ?? 0) + 1;
  const found: Token[][] = [[]];
  for (const token of tokens.slice(open + 1, close)) {
    if (token.text === ',' && token.depth === depth) found.push([]);
    else found.at(-1)?.push(token);
  }
  return found;
}

function toCall(kind: SeriesCall['kind'], [inner = [], ...others]: Token[][], text: string): SeriesCall {
  const literals = others.map(([token]) => unquoted(token?.text ?? ''));
  const [window, tag] = kind === 'count' ? literals : [undefined, literals[0]];
  return {
    kind,
    inner: text.slice(inner[0]?.start ?? 0, inner.at(-1)?.end ?? 0),
    normalised: inner.map((token) => token.text).join(' '),
    windowMs: window === undefined ? CHANGED_WINDOW : (parseDuration(window) ?? 0),
    ...(tag === undefined ? {} : { tag }),
  };
}

/** Times and names of tags are checked to hold no escapes. */
function unquoted(text: string): string {
  return text.slice(1, -1);
}

interface Place {
  source: string;
  errors: FieldError[];
}

/** Problems of one call. @param loops around it */
export function checkSeries(node: ASTNode & { op: 'call' }, loops: number, place: Place): void {
  const [name, args] = node.args;
  const problem = (at: ASTNode | undefined, message: string, suggestion?: string): void => {
    report(place, (at ?? node).start, message, suggestion);
  };
  if (loops > 0) problem(node, `${name}() looks at whole calls: it cannot stand inside a loop`);
  const [inner, ...others] = args;
  if (inner && holdsSeries(inner)) problem(inner, 'count() and changed() cannot stand inside each other');
  const [fewest, most] = name === 'count' ? [1, 2] : [1, 1];
  if (!inner || others.length < fewest || others.length > most) {
    problem(node, `it is written ${SERIES_USAGE[name] ?? name}`);
    return;
  }
  const [window, tag] = name === 'count' ? others : [undefined, others[0]];
  if (window) checkWindow(window, problem);
  if (tag) checkTag(tag, place, problem);
}

type Problem = (at: ASTNode | undefined, message: string, suggestion?: string) => void;

function checkWindow(node: ASTNode, problem: Problem): void {
  const ms = parseDuration(literalText(node) ?? '');
  if (ms === undefined || ms < SECOND || ms > WINDOW_MAX)
    problem(node, 'count() looks back over a time from "1s" to "90d", written in quotes', '"7d"');
}

function checkTag(node: ASTNode, { source }: Place, problem: Problem): void {
  const name = literalText(node);
  const isPlain =
    name !== undefined &&
    name.trim() !== '' &&
    name.length <= 100 &&
    name === unquoted(source.slice(node.start, node.end));
  if (!isPlain) problem(node, 'a tag is named in quotes, as in "client"');
}

function holdsSeries(node: ASTNode): boolean {
  return (node.op === 'call' && SERIES_FUNCTIONS.includes(node.args[0])) || children(node).some(holdsSeries);
}
