import type { ASTNode } from '@marcbachmann/cel-js';
import { clockTime } from '../duration.js';
import { asLoop, literalNumber, literalText, pathOf } from './condition-ast.js';
import type { HeardWords, Origins, WhyNode } from './why-node.js';

/** What a reason is made from, beside the tree. */
export interface ReasonPlace {
  origins: Origins;
  /** Names of the speakers, by id. */
  labels: ReadonlyMap<string, string>;
}

const REASON_MAX = 500;
const ALTERNATIVES = 3;
const VALUE_MAX = 80;

/** One sentence: the first part that decided that a condition does not hold, and what it saw. */
export function reasonOf(tree: WhyNode, place: ReasonPlace): string {
  const text = whyFalse(tree, place);
  return text.length > REASON_MAX ? `${text.slice(0, REASON_MAX)}…` : text;
}

function whyFalse(node: WhyNode, place: ReasonPlace): string {
  if (node.error !== undefined) return `${quoted(node)} could not be evaluated: ${node.error}`;
  const parts = node.parts ?? [];
  switch (node.kind) {
    case 'and': {
      const decided = parts.find(({ result }) => result === false) ?? parts.find(({ result }) => result === null);
      return decided ? whyFalse(decided, place) : `${quoted(node)} is not true`;
    }
    case 'or':
      return noAlternative(parts, place);
    case 'not':
      return parts[0] === undefined ? `${quoted(node)} is not true` : whyTrue(parts[0], place);
    case 'choice': {
      const chosen = parts[0]?.result === null ? parts[0] : parts[parts[0]?.result ? 1 : 2];
      return chosen ? whyFalse(chosen, place) : `${quoted(node)} is not true`;
    }
    default:
      return leafFalse(node, place);
  }
}

function noAlternative(parts: WhyNode[], place: ReasonPlace): string {
  const reasons = parts.slice(0, ALTERNATIVES).map((part) => whyFalse(part, place));
  const more = parts.length - reasons.length;
  return `none of ${String(parts.length)} alternatives holds: ${reasons.join('; ')}${more > 0 ? `; and ${String(more)} more` : ''}`;
}

/** Of a part that must not hold. */
function whyTrue(node: WhyNode, place: ReasonPlace): string {
  if (node.error !== undefined) return `${quoted(node)} could not be evaluated: ${node.error}`;
  const [first] = node.parts ?? [];
  if (node.kind === 'not' && first) return whyFalse(first, place);
  if (node.kind === 'or') {
    const holds = node.parts?.find(({ result }) => result === true);
    if (holds) return whyTrue(holds, place);
  }
  const [words] = wordsIn(node);
  if (words)
    return `“${words.text}” is said${byWhom(words)} at ${clockTime(words.start)}, and ${quoted(node)} must not hold`;
  return `${quoted(node)} holds, and must not${seen(node)}`;
}

function wordsIn(node: WhyNode): HeardWords[] {
  return [...(node.matches ?? []), ...(node.parts ?? []).flatMap(wordsIn)];
}

function byWhom({ label, speaker }: HeardWords): string {
  if (label !== undefined) return ` by ${label}`;
  return speaker === undefined ? '' : ` by speaker ${speaker}`;
}

function leafFalse(node: WhyNode, place: ReasonPlace): string {
  const origin = place.origins.get(node);
  const inWords = origin && (speechFalse(origin, place) ?? callFalse(node, origin));
  return inWords ?? `${quoted(node)} is not true${seen(node)}`;
}

/** `: transcript.duration is 12.5, job.tags.tier is “silver”`. */
function seen(node: WhyNode): string {
  const values = facts(node).map((part) => `${part.text} is ${inWords(part)}`);
  return values.length === 0 ? '' : `: ${values.slice(0, ALTERNATIVES).join(', ')}`;
}

function facts(node: WhyNode): WhyNode[] {
  return (node.parts ?? []).filter(({ value }) => value !== undefined);
}

function inWords({ value, size }: WhyNode): string {
  if (value === '') return 'empty';
  if (Array.isArray(value) && value.length === 0) return 'an empty list';
  const text = typeof value === 'string' ? `“${value}”` : JSON.stringify(value);
  if (text.length <= VALUE_MAX) return text;
  const kind = Array.isArray(value) ? 'items' : 'characters';
  return `${text.slice(0, VALUE_MAX)}…${size === undefined ? '' : ` (${String(size)} ${kind})`}`;
}

/** Methods of `speech` that everybody uses; undefined for others. */
function speechFalse(node: ASTNode, place: ReasonPlace): string | undefined {
  if (node.op !== 'rcall') return undefined;
  const [name, receiver, args] = node.args;
  const what = spoken(name, args);
  const where = whereHeard(receiver, place);
  return what === undefined || where === undefined ? undefined : `${what}${where}`;
}

function spoken(name: string, args: readonly ASTNode[]): string | undefined {
  const [first, second, words] = args;
  const said = (node: ASTNode | undefined): string => {
    const text = literalText(node);
    return text === undefined ? 'it' : `“${text}”`;
  };
  if (name === 'says' && args.length === 1) return `${said(first)} is not said`;
  if (name === 'saysWithout') return `${said(first)} is not said without one of those words near it`;
  if (name === 'heard') return `Deepgram's search did not find ${said(first)} with enough confidence`;
  if (name === 'silence') return `there is no silence of ${String(literalNumber(first) ?? 'so many')} seconds`;
  if (name === 'then' && args.length === 3)
    return `${said(first)} is not followed by ${said(second)} within ${String(literalNumber(words) ?? 'so many')} seconds`;
  if (name === 'near' && args.length === 3)
    return `${said(first)} and ${said(second)} are not said within ${String(literalNumber(words) ?? 'so many')} words of each other`;
  if (name !== 'saysAny' || first?.op !== 'list') return undefined;
  const listed = first.args.slice(0, ALTERNATIVES).map(said).join(', ');
  const more = first.args.length - ALTERNATIVES;
  return `none of ${listed}${more > 0 ? ` and ${String(more)} more` : ''} is said`;
}

/** ` by Speaker 2 in the last 60 seconds`; undefined for a view that has no words here. */
function whereHeard(node: ASTNode, place: ReasonPlace): string | undefined {
  if (node.op === 'id') return node.args === 'speech' ? '' : undefined;
  if (node.op !== 'rcall') return undefined;
  const [name, receiver, [argument]] = node.args;
  const before = whereHeard(receiver, place);
  const here = viewWords(name, argument, place);
  return before === undefined || here === undefined ? undefined : `${before}${here}`;
}

function viewWords(name: string, argument: ASTNode | undefined, { labels }: ReasonPlace): string | undefined {
  const number = literalNumber(argument);
  const text = literalText(argument);
  if (name === 'by' && text !== undefined) return speakerWords(text, labels);
  if (name === 'anyForm') return ' in any form';
  if (name === 'anyAccent') return ' with or without accents';
  if (number === undefined) return undefined;
  if (name === 'confident') return ` with a confidence of ${String(number)}`;
  if (name === 'channel') return ` in channel ${String(number)}`;
  return name === 'first' || name === 'last' ? ` in the ${name} ${String(number)} seconds` : undefined;
}

function speakerWords(asked: string, labels: ReadonlyMap<string, string>): string {
  const wanted = asked.trim().toLowerCase();
  const found = [...labels].find(([id, label]) => id === wanted || label.toLowerCase() === wanted);
  if (found) return ` by ${found[1]} ('${found[0]}')`;
  const known = [...labels.keys()].slice(0, 10).map((id) => `'${id}'`);
  const speakers = known.length === 0 ? 'nobody is told apart' : `the speakers are ${known.join(', ')}`;
  return ` by '${asked}', whom this transcript does not have (${speakers})`;
}

function callFalse(node: WhyNode, origin: ASTNode): string | undefined {
  const loop = asLoop(origin);
  if (loop && origin.op === 'rcall') {
    const range = node.parts?.[0];
    const body = loop.body && `(${origin.input.slice(loop.body.start, loop.body.end)})`;
    if (range && Array.isArray(range.value) && range.value.length === 0) return `${range.text} is empty`;
    if (range && body !== undefined && origin.args[0] === 'exists') return `no item of ${range.text} meets ${body}`;
    return undefined;
  }
  if (origin.op !== 'call' || origin.args[0] !== 'has') return undefined;
  const path = pathOf(origin.args[1][0] ?? origin) ?? '';
  return path.startsWith('job.tags.') ? `the job has no tag “${path.slice(9)}”` : `${path} is absent`;
}

function quoted({ text }: WhyNode): string {
  const line = text.replace(/\s+/g, ' ');
  return `“${line.length > 200 ? `${line.slice(0, 200)}…` : line}”`;
}
