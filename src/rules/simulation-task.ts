import type { Facts } from '../transcripts/facts.js';
import type { StoredOccasion } from '../transcripts/occasion.js';
import type { Judgement, RuleSets } from './simulate.js';

/** What a simulation's thread is asked for. */
export interface SimulationTask {
  /** The rules, when the thread does not have them. */
  sets?: RuleSets;
  /** In the order of time. */
  occasions: StoredOccasion[];
}

/** What the rules make of one occasion that something is to be told of. */
export interface JudgedOccasion extends Omit<Judgement, 'observations'> {
  /** Its place in the task. */
  index: number;
  /** Enough to plan with. */
  facts: Facts;
}
