import type { SpeechMatch } from '../transcripts/speech.js';
import { COST_MAX } from './condition-cost.js';
import type { CompiledCondition, ConditionLeaf, ConditionTree, Subject } from './language.js';
import { ConditionFault } from './language.js';
import type { ConditionOutcome } from './rule.js';

/** Why a condition came out as it did. */
export interface Explanation {
  matched: boolean;
  /** The operands of the outermost `&&` and `||`, in the order of the source. */
  conditions: ConditionOutcome[];
  /** Words of the conditions that are true, by start, each once. */
  matches: SpeechMatch[];
  /** Set when the outcome hangs on a condition that could not be evaluated; `matched` is then false. */
  error?: string;
}

/** true, false, or the reason why neither. */
type Outcome = boolean | { error: string };

/** Work left for the rule that is being explained. */
export interface Budget {
  left: number;
}

/**
 * Evaluates a condition and keeps what each part of it came to. Parts behind the one that decided are not reached and stay
 * undefined: a part may be safe only because of the `has()` before it. A part that fails does not decide when another does,
 * as in CEL: `fails || true` is true.
 */
export function explainCondition(condition: CompiledCondition, subject: Subject): Explanation {
  const conditions: ConditionOutcome[] = [];
  const outcome = decide(condition.tree, subject, true, conditions, { left: COST_MAX });
  return {
    matched: outcome === true,
    conditions,
    matches: wordsOf(conditions),
    ...(typeof outcome === 'object' ? { error: outcome.error } : {}),
  };
}

function decide(
  tree: ConditionTree,
  subject: Subject,
  reached: boolean,
  into: ConditionOutcome[],
  budget: Budget,
): Outcome {
  if (tree.op === 'leaf') return reached ? run(tree, subject, into, budget) : skip(tree, into);
  const decisive = tree.op === 'or';
  let outcome: Outcome = !decisive;
  for (const part of tree.parts) {
    const next = decide(part, subject, reached && outcome !== decisive, into, budget);
    if (outcome === decisive || next === !decisive) continue;
    outcome = typeof next === 'object' && typeof outcome === 'object' ? outcome : next;
  }
  return outcome;
}

function skip(leaf: ConditionLeaf, into: ConditionOutcome[]): Outcome {
  into.push({ text: leaf.text, result: undefined, matches: [] });
  return false;
}

function run(leaf: ConditionLeaf, subject: Subject, into: ConditionOutcome[], budget: Budget): Outcome {
  try {
    spend(leaf, subject, budget);
    const { result, matches } = leaf.run(subject);
    into.push({ text: leaf.text, result, matches });
    return result;
  } catch (error) {
    if (!(error instanceof ConditionFault)) throw error;
    into.push({ text: leaf.text, result: undefined, matches: [], error: error.message });
    return { error: error.message };
  }
}

/** @throws ConditionFault when there is not enough left */
export function spend(leaf: Pick<ConditionLeaf, 'cost'>, subject: Subject, budget: Budget): void {
  budget.left -= leaf.cost(subject);
  if (budget.left < 0)
    throw new ConditionFault('too much work for a transcript of this size: loop over less, or search less');
}

function wordsOf(conditions: ConditionOutcome[]): SpeechMatch[] {
  const spoken = conditions.filter(({ result, matches }) => result === true && matches.length > 0);
  const [first, ...others] = spoken;
  if (first === undefined) return [];
  if (others.length === 0) return withoutRepeats(first.matches);
  const all = spoken.flatMap(({ matches }) => matches);
  return withoutRepeats(all.sort((a, b) => a.start - b.start || a.end - b.end || a.channel - b.channel));
}

/** @param matches by start, end and channel, so that equal ones are neighbours */
function withoutRepeats(matches: SpeechMatch[]): SpeechMatch[] {
  return matches.filter(({ start, end, channel }, i) => {
    const before = matches[i - 1];
    return before?.start !== start || before.end !== end || before.channel !== channel;
  });
}
