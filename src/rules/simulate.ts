import { parseDuration } from '../duration.js';
import type { Facts, Trigger } from '../transcripts/facts.js';
import { TRIGGERS } from '../transcripts/facts.js';
import type { Speech } from '../transcripts/speech.js';
import { compileRule, evaluateRules, seriesOf, type CompiledRule } from './evaluate.js';
import type { Evaluation, Rule } from './rule.js';
import { compareRules } from './rules-page.js';
import { distinctNeeds, type Observation, type SeriesNeed, type SeriesSnapshot } from './series.js';

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
  /** What the call is to those after it. */
  observations: Observation[];
  /** The condition of the focus holds, but this rule with `stop` matched before it. */
  stoppedBy?: string;
}

/** Of one trigger, ready to run. */
interface TriggerSets {
  /** What the rules of both ask of the calls before. */
  series: readonly SeriesNeed[];
  /** What comes of one call hangs on those before it: each is looked at by all rules. */
  remembers: boolean;
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
    const series = distinctNeeds<SeriesNeed>(seriesOf([...would, ...are]));
    const others = [...would, ...are].filter(({ rule }) => rule.id !== focus);
    return {
      series,
      remembers: series.length > 0 || others.some(({ rule }) => rule.throttle !== undefined),
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

/** What the rules of both sets ask of the calls before one. */
export function needsOf(sets: CompiledSets, trigger: Trigger): readonly SeriesNeed[] {
  return sets.byTrigger.get(trigger)?.series ?? [];
}

/**
 * What both sets make of one occasion, by the same evaluation as when it happens. The other rules count as well: one with `stop` can
 * keep the focus from being looked at, or be kept by it. They are evaluated only where it matters.
 * @param before answers to {@link needsOf}
 */
export function judge(
  sets: CompiledSets,
  trigger: Trigger,
  facts: Facts,
  speech: Speech | undefined,
  before?: SeriesSnapshot,
): Judgement {
  const of = sets.byTrigger.get(trigger);
  if (!of) return { proposed: [], faults: [], observations: [] };
  const alone = (one: CompiledRule | undefined) => one && evaluateRules([one], facts, speech, before).evaluations[0];
  const focus = alone(of.focus?.proposed);
  const isLookedAt =
    !of.focus || of.remembers || focus?.matched === true || (!of.same && alone(of.focus.inForce)?.matched === true);
  if (!isLookedAt) return { proposed: [], faults: faultsOf(focus ? [focus] : [], sets.focus), observations: [] };
  const would = evaluateRules(of.proposed, facts, speech, before);
  const are = of.same ? undefined : evaluateRules(of.inForce, facts, speech, before);
  const looked = would.evaluations.find(({ ruleId }) => ruleId === sets.focus);
  const stoppedBy = focus?.matched === true ? looked?.skippedBy : undefined;
  return {
    proposed: would.evaluations.filter(({ matched }) => matched),
    ...(are && { inForce: are.evaluations.filter(({ matched }) => matched) }),
    faults: faultsOf(would.evaluations, sets.focus),
    observations: [...would.observations, ...(are?.observations ?? [])],
    ...(stoppedBy !== undefined && { stoppedBy }),
  };
}

/** Milliseconds before an occasion that what comes of it may hang on, 0 for nothing; to be put down after each rule. */
export function* memoryStepwise({ proposed, inForce }: RuleSets): Generator<void, number> {
  let longest = 0;
  for (const rule of new Set([...proposed, ...inForce])) {
    const throttle = rule.throttle && parseDuration(rule.throttle.within);
    // Compiled only where there is something to find.
    const asks = /\b(?:count|changed)\s*\(/.test(rule.when) ? seriesOf([compileRule(rule)]) : [];
    longest = Math.max(longest, throttle ?? 0, ...asks.map(({ windowMs }) => windowMs));
    yield;
  }
  return longest;
}

/** Nothing is to be told of it. */
export function isEmpty({ proposed, inForce, faults }: Omit<Judgement, 'observations'>): boolean {
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
