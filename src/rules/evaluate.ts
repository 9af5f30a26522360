import { RuleInvalidError } from '../errors.js';
import type { Facts } from '../transcripts/facts.js';
import type { Speech } from '../transcripts/speech.js';
import { COST_MAX } from './condition-cost.js';
import { explainCondition } from './explain.js';
import type { CompiledCondition, Series, Subject } from './language.js';
import { compileCondition, ConditionFault, toSubject } from './language.js';
import type { Evaluation, Rule, RuleMatch } from './rule.js';
import { distinctNeeds, observationOf, type Observation, type SeriesSnapshot } from './series.js';

/** A rule that is ready to run; compiled once a version, not once a transcript. */
export interface CompiledRule {
  rule: Rule;
  /** Absent when the stored condition is not valid any more; `fault` says why. */
  condition?: CompiledCondition;
  fault?: string;
}

/** Never throws for a condition that is not valid: such a rule counts as not matched, and its evaluations say so. */
export function compileRule(rule: Rule): CompiledRule {
  try {
    return { rule, condition: compileCondition(rule.when, rule.on) };
  } catch (error) {
    if (!(error instanceof RuleInvalidError)) throw error;
    return { rule, fault: error.message };
  }
}

/** What the rules made of one job, evaluations and matches in the order of the rules. */
export interface Evaluated {
  /** One for each enabled rule. */
  evaluations: Evaluation[];
  matches: RuleMatch[];
  /** What this call adds to the series that rules look at, each series once. */
  observations: Observation[];
}

/** The questions of all enabled rules to the calls before, each once. */
export function seriesOf(rules: readonly CompiledRule[]): Series[] {
  return distinctNeeds(rules.flatMap(({ rule, condition }) => (rule.enabled ? (condition?.series ?? []) : [])));
}

/**
 * Evaluates the enabled rules in their order: `order`, then name. A rule that fails counts as not matched and stops no other.
 * @param rules of the trigger that fired, in any order; disabled ones are left out
 * @param speech absent when there is no transcript
 * @param series what is known of the calls before, for the questions of {@link seriesOf}; nothing came before when it is left out
 */
export function evaluateRules(...args: Parameters<typeof evaluateStepwise>): Evaluated {
  const steps = evaluateStepwise(...args);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** {@link evaluateRules}, to be put down after each rule. */
export function* evaluateStepwise(
  rules: readonly CompiledRule[],
  facts: Facts,
  speech: Speech | undefined,
  series?: SeriesSnapshot,
): Generator<void, Evaluated> {
  const subject = toSubject(facts, speech, series);
  const evaluations: Evaluation[] = [];
  const matches: RuleMatch[] = [];
  let stoppedBy: string | undefined;
  for (const compiled of inOrder(rules)) {
    const { rule } = compiled;
    const evaluation =
      stoppedBy === undefined ? evaluate(compiled, subject) : { ...unmatched(rule), skippedBy: stoppedBy };
    evaluations.push(evaluation);
    if (evaluation.matched) {
      matches.push({ rule, evaluation });
      if (rule.stop) stoppedBy = rule.name;
    }
    yield;
  }
  return { evaluations, matches, observations: yield* observe(seriesOf(rules), subject) };
}

/** Of every series, also those that no rule came to: a series says what is true of calls, not which rules were looked at. */
function* observe(series: readonly Series[], subject: Subject): Generator<void, Observation[]> {
  const found = new Map<string, Observation>();
  for (const one of series) {
    yield;
    const observation = observed(one, subject);
    const before = observation && found.get(observation.series);
    if (observation && (before?.windowMs ?? 0) < observation.windowMs) found.set(observation.series, observation);
  }
  return [...found.values()];
}

/** A call of which it cannot be told adds nothing. */
function observed(series: Series, subject: Subject): Observation | undefined {
  if (series.cost(subject) > COST_MAX) return undefined;
  try {
    return observationOf(series, series.observe(subject).value, subject.tags);
  } catch (error) {
    if (error instanceof ConditionFault) return undefined;
    throw error;
  }
}

function inOrder(rules: readonly CompiledRule[]): CompiledRule[] {
  return rules
    .filter(({ rule }) => rule.enabled)
    .sort(({ rule: a }, { rule: b }) => a.order - b.order || compareText(a.name, b.name) || compareText(a.id, b.id));
}

function evaluate({ rule, condition, fault }: CompiledRule, subject: Subject): Evaluation {
  if (!condition) return { ...unmatched(rule), error: fault ?? 'the condition is not valid' };
  try {
    return { ...unmatched(rule), ...explainCondition(condition, subject) };
  } catch {
    // A fault of ours, not of the rule; its message could hold words of the transcript.
    return { ...unmatched(rule), error: 'the condition could not be evaluated' };
  }
}

function unmatched(rule: Rule): Evaluation {
  return {
    ruleId: rule.id,
    ruleName: rule.name,
    ruleVersion: rule.version,
    matched: false,
    conditions: [],
    matches: [],
  };
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
