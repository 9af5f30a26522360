import type { Facts, Trigger } from '../transcripts/facts.js';
import { TRIGGERS } from '../transcripts/facts.js';
import type { Speech } from '../transcripts/speech.js';
import { compileRule, evaluateRules, type CompiledRule } from './evaluate.js';
import type { Evaluation, Rule } from './rule.js';
import { compareRules } from './rules-page.js';

/**
 * Two sets of rules that are tried on what has been: as they would be, and as they are. A rule that is the same in both is the same object
 * in both.
 */
export interface RuleSets {
  proposed: readonly Rule[];
  inForce: readonly Rule[];
  /** Id of the rule that is looked at; absent: all of them are. */
  focus?: string;
}

/** What the two sets make of one occasion. Only rules that match are listed, in the order of the rules. */
export interface Judgement {
  proposed: Evaluation[];
  /** Absent: the rules in force make the same of it. */
  inForce?: Evaluation[];
  /** Rules that are looked at and failed at run time. */
  faults: { ruleName: string; error: string }[];
  /** The condition of the focus holds, but this rule with `stop` matched before it. */
  stoppedBy?: string;
}

/** Of one trigger, ready to run. */
interface TriggerSets {
  proposed: CompiledRule[];
  inForce: CompiledRule[];
  /** Both plan the same, whatever comes. */
  same: boolean;
  /** The versions of the focus: where neither matches, both sets plan the same, and the focus plans nothing. */
  focus: { proposed: CompiledRule | undefined; inForce: CompiledRule | undefined } | undefined;
}

export interface CompiledSets {
  readonly byTrigger: ReadonlyMap<Trigger, TriggerSets>;
  readonly focus: string | undefined;
}

/** Compiles each rule once, also one that is in both sets. */
export function compileSets({ proposed, inForce, focus }: RuleSets): CompiledSets {
  const known = new Map<Rule, CompiledRule>();
  const compiled = (rule: Rule): CompiledRule => {
    const made = known.get(rule) ?? compileRule(rule);
    known.set(rule, made);
    return made;
  };
  const setsOf = (on: Trigger): TriggerSets => {
    const would = enabledOf(proposed, on).map(compiled);
    const are = enabledOf(inForce, on).map(compiled);
    const version = (set: CompiledRule[]) => set.find(({ rule }) => rule.id === focus);
    return {
      proposed: would,
      inForce: are,
      same: would.length === are.length && would.every((one, i) => one === are[i]),
      focus: focus === undefined ? undefined : { proposed: version(would), inForce: version(are) },
    };
  };
  return { byTrigger: new Map(TRIGGERS.map((on) => [on, setsOf(on)])), focus };
}

/** Triggers of the rules that are looked at, in either set, also of those that are switched off. */
export function triggersOf({ proposed, inForce, focus }: RuleSets): Trigger[] {
  const looked = [...proposed, ...inForce].filter(({ id }) => focus === undefined || id === focus);
  return TRIGGERS.filter((on) => looked.some((rule) => rule.on === on));
}

/**
 * What both sets make of one occasion, by the same evaluation as when it happens. The other rules count as well: one with `stop` can
 * keep the focus from being looked at, or be kept by it. They are evaluated only where it matters.
 */
export function judge(sets: CompiledSets, trigger: Trigger, facts: Facts, speech: Speech | undefined): Judgement {
  const of = sets.byTrigger.get(trigger);
  if (!of) return { proposed: [], faults: [] };
  const alone = (one: CompiledRule | undefined) => one && evaluateRules([one], facts, speech).evaluations[0];
  const focus = alone(of.focus?.proposed);
  const isLookedAt = !of.focus || focus?.matched === true || (!of.same && alone(of.focus.inForce)?.matched === true);
  if (!isLookedAt) return { proposed: [], faults: faultsOf(focus ? [focus] : [], sets.focus) };
  const would = evaluateRules(of.proposed, facts, speech).evaluations;
  const are = of.same ? undefined : evaluateRules(of.inForce, facts, speech).evaluations;
  const stoppedBy = focus?.matched === true ? would.find(({ ruleId }) => ruleId === sets.focus)?.skippedBy : undefined;
  return {
    proposed: would.filter(({ matched }) => matched),
    ...(are && { inForce: are.filter(({ matched }) => matched) }),
    faults: faultsOf(would, sets.focus),
    ...(stoppedBy !== undefined && { stoppedBy }),
  };
}

/** Nothing is to be told of it. */
export function isEmpty({ proposed, inForce, faults }: Judgement): boolean {
  return proposed.length === 0 && (inForce ?? []).length === 0 && faults.length === 0;
}

function faultsOf(evaluations: readonly Evaluation[], focus: string | undefined): Judgement['faults'] {
  return evaluations.flatMap(({ ruleId, ruleName, error }) =>
    error === undefined || (focus !== undefined && ruleId !== focus) ? [] : [{ ruleName, error }],
  );
}

function enabledOf(rules: readonly Rule[], on: Trigger): Rule[] {
  return rules.filter((rule) => rule.enabled && rule.on === on).sort(compareRules);
}
