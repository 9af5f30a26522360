import type { ASTNode, Environment } from '@marcbachmann/cel-js';
import { RuleInvalidError } from '../errors.js';
import type { Facts } from '../transcripts/facts.js';
import type { Speech, SpeechMatch } from '../transcripts/speech.js';
import { asLoop, pathOf, typeOf, type Scope } from './condition-ast.js';
import { COST_MAX } from './condition-cost.js';
import { environmentOf } from './condition-environment.js';
import { FACTS_BY_TRIGGER } from './condition-facts.js';
import { scan, type Token } from './condition-scan.js';
import { explainCondition, spend, type Budget } from './explain.js';
import type { CompiledCondition, Subject } from './language.js';
import { compileCondition, compilePart, ConditionFault, NEITHER, toSubject } from './language.js';
import type { Rule } from './rule.js';
import type { SeriesSnapshot } from './series.js';
import type { Why, WhyKind, WhyNode } from './why-node.js';
import { reasonOf } from './why-reason.js';
import { sourceOf } from './why-source.js';
import { shown } from './why-value.js';

interface Work {
  condition: CompiledCondition;
  tokens: readonly Token[];
  environment: Environment;
  scope: Scope;
  subject: Subject;
  labels: ReadonlyMap<string, string>;
  budget: Budget;
  origins: Map<WhyNode, ASTNode>;
}

/** Operands are shown when they cost little: what they are is seen, not decided. */
const OPERAND_COST = COST_MAX / 20;
const OPERAND_DEPTH = 3;
const COMPARISONS = new Set<string>(['==', '!=', '<', '<=', '>', '>=', 'in']);
const CALCULATIONS = new Set<string>(['+', '-', '*', '/', '%', '?:', '&&', '||']);

/** {@link Why} for one rule and one job, to be put down after each part of the condition. */
export function* whyStepwise(
  rule: Pick<Rule, 'when' | 'on'>,
  facts: Facts,
  speech: Speech | undefined,
  series?: SeriesSnapshot,
): Generator<void, Why> {
  let condition: CompiledCondition;
  try {
    condition = compileCondition(rule.when, rule.on);
  } catch (error) {
    if (!(error instanceof RuleInvalidError)) throw error;
    return { matched: false, error: error.message, tree: null, reason: error.message };
  }
  const subject = toSubject(facts, speech, series);
  // What counts is what the evaluation makes of it; the tree shows how.
  const { matched, error } = explainCondition(condition, subject);
  yield;
  const speakers = facts.transcript?.speakers ?? [];
  const labels = new Map(speakers.map(({ id, label }) => [id, label]));
  const work = workOn(condition, subject, labels);
  const tree = yield* visit(work.environment.parse(rule.when).ast, work);
  return {
    matched,
    ...(error === undefined ? {} : { error }),
    tree,
    reason: matched ? null : (error ?? reasonOf(tree, { origins: work.origins, labels })),
  };
}

function workOn(condition: CompiledCondition, subject: Subject, labels: Work['labels']): Work {
  const { source, on } = condition;
  return {
    condition,
    tokens: scan(source),
    environment: environmentOf(on),
    scope: new Map(Object.entries(FACTS_BY_TRIGGER[on])),
    subject,
    labels,
    budget: { left: COST_MAX },
    origins: new Map(),
  };
}

function* visit(node: ASTNode, work: Work): Generator<void, WhyNode> {
  switch (node.op) {
    case '&&':
    case '||':
      return yield* junction(node, work);
    case '!_':
      return yield* negation(node, work);
    case '?:':
      return yield* choice(node, work);
    default:
      yield;
      return leaf(node, work);
  }
}

/** Goes on until one operand decides; one that fails does not decide when another does, as in CEL. */
function* junction(node: ASTNode & { op: '&&' | '||' }, work: Work): Generator<void, WhyNode> {
  const decisive = node.op === '||';
  const parts: WhyNode[] = [];
  let result: boolean | null = !decisive;
  for (const operand of operandsOf(node, node.op)) {
    if (result === decisive) {
      parts.push(notReached(operand, work));
      continue;
    }
    const part: WhyNode = yield* visit(operand, work);
    parts.push(part);
    if (part.result !== !decisive) result = part.result;
  }
  return made(node, work, { kind: node.op === '&&' ? 'and' : 'or', result, parts });
}

function* negation(node: ASTNode & { op: '!_' }, work: Work): Generator<void, WhyNode> {
  const part: WhyNode = yield* visit(node.args, work);
  return made(node, work, { kind: 'not', result: part.result === null ? null : !part.result, parts: [part] });
}

function* choice(node: ASTNode & { op: '?:' }, work: Work): Generator<void, WhyNode> {
  const [asked, then, otherwise] = node.args;
  const question: WhyNode = yield* visit(asked, work);
  const branch = function* (operand: ASTNode, chosen: boolean): Generator<void, WhyNode> {
    return question.result === chosen ? yield* visit(operand, work) : notReached(operand, work);
  };
  const parts: WhyNode[] = [question, yield* branch(then, true), yield* branch(otherwise, false)];
  const chosen = question.result === null ? undefined : parts[question.result ? 1 : 2];
  return made(node, work, { kind: 'choice', result: chosen?.result ?? null, parts });
}

function leaf(node: ASTNode, work: Work): WhyNode {
  const seen = run(node, work, work.budget);
  const parts = operandNodes(node, work, OPERAND_DEPTH);
  const error = seen.error ?? (typeof seen.value === 'boolean' ? undefined : NEITHER);
  return made(node, work, {
    kind: kindOf(node),
    result: error === undefined ? (seen.value as boolean) : null,
    ...(error === undefined ? heard(seen.matches, work) : { error }),
    ...(parts.length > 0 ? { parts } : {}),
  });
}

/** What a leaf looked at, without what is written out in it. */
function operandNodes(node: ASTNode, work: Work, depth: number): WhyNode[] {
  if (depth === 0 || pathOf(node) !== undefined) return [];
  return lookedAt(node).flatMap((operand) => {
    if (isWritten(operand) || typeOf(operand, work.scope) === 'Speech') return [];
    const seen = run(operand, work, { left: OPERAND_COST });
    const view = shown(seen.value);
    if (view === undefined) return [];
    const parts = operandNodes(operand, work, depth - 1);
    return made(operand, work, {
      kind: kindOf(operand),
      result: typeof seen.value === 'boolean' ? seen.value : null,
      ...view,
      ...heard(seen.matches, work),
      ...(parts.length > 0 ? { parts } : {}),
    });
  });
}

/** Operands that mean something outside of the node: the body of a loop does not. */
function lookedAt(node: ASTNode): ASTNode[] {
  const loop = asLoop(node);
  if (loop) return [loop.range];
  if (node.op === 'call') return node.args[1];
  if (node.op === 'rcall') return [node.args[1], ...node.args[2]];
  if (node.op === '-_' || node.op === '!_') return [node.args];
  if (node.op === '[]') return [...node.args];
  return COMPARISONS.has(node.op) || CALCULATIONS.has(node.op) ? (node.args as ASTNode[]) : [];
}

function isWritten(node: ASTNode): boolean {
  if (node.op === '-_') return isWritten(node.args);
  return node.op === 'value' || (node.op === 'list' && node.args.every(isWritten));
}

function run(
  node: ASTNode,
  work: Work,
  budget: Budget,
): { value?: unknown; matches: readonly SpeechMatch[]; error?: string } {
  try {
    const part = compilePart(textOf(node, work), work.environment);
    spend(part, work.subject, budget);
    return part.run(work.subject);
  } catch (error) {
    return { matches: [], error: error instanceof ConditionFault ? error.message : 'it could not be evaluated' };
  }
}

function heard(matches: readonly SpeechMatch[], { labels }: Work): Pick<WhyNode, 'matches'> {
  if (matches.length === 0) return {};
  return {
    matches: matches.map((match) => {
      const label = match.speaker === undefined ? undefined : labels.get(match.speaker);
      return { ...match, ...(label === undefined ? {} : { label }) };
    }),
  };
}

function notReached(node: ASTNode, work: Work): WhyNode {
  return made(node, work, { kind: kindOf(node), result: null, notReached: true });
}

function made(node: ASTNode, work: Work, what: Omit<WhyNode, 'text'>): WhyNode {
  const one: WhyNode = { text: textOf(node, work), ...what };
  work.origins.set(one, node);
  return one;
}

function textOf(node: ASTNode, { condition, tokens }: Work): string {
  return sourceOf(node, condition.source, tokens);
}

/** `a && (b && c)` as three operands: that is what a person reads. */
function operandsOf(node: ASTNode, op: '&&' | '||'): ASTNode[] {
  if (node.op !== op) return [node];
  return [...operandsOf(node.args[0], op), ...operandsOf(node.args[1], op)];
}

function kindOf(node: ASTNode): WhyKind {
  if (asLoop(node)) return 'loop';
  if (COMPARISONS.has(node.op)) return 'compare';
  switch (node.op) {
    case '&&':
      return 'and';
    case '||':
      return 'or';
    case '!_':
      return 'not';
    case '?:':
      return 'choice';
    case 'call':
    case 'rcall':
      return 'call';
    case 'value':
    case 'list':
    case 'map':
      return 'literal';
    case 'id':
    case '.':
    case '[]':
      return 'fact';
    default:
      return 'calculation';
  }
}
