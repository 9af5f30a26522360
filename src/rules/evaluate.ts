import { RuleInvalidError } from '../errors.js';
import type { Facts } from '../transcripts/facts.js';
import type { Speech } from '../transcripts/speech.js';
import { explainCondition } from './explain.js';
import type { CompiledCondition, Subject } from './language.js';
import { compileCondition, toSubject } from './language.js';
import type { Evaluation, Rule, RuleMatch } from './rule.js';

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

/** What the rules made of one job, both in the order of the rules. */
export interface Evaluated {
  /** One for each enabled rule. */
  evaluations: Evaluation[];
  matches: RuleMatch[];
}

/**
 * Evaluates the enabled rules in their order: `order`, then name. A rule that fails counts as not matched and stops no other.
 * @param rules of the trigger that fired, in any order; disabled ones are left out
 * @param speech absent when there is no transcript
 */
export function evaluateRules(rules: readonly CompiledRule[], facts: Facts, speech: Speech | undefined): Evaluated {
  const steps = evaluateStepwise(rules, facts, speech);
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
): Generator<void, Evaluated> {
  const subject = toSubject(facts, speech);
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
  return { evaluations, matches };
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
