import type { Facts } from '../transcripts/facts.js';
import type { StoredOccasion } from '../transcripts/occasion.js';
import type { Judgement, RuleSets } from './simulate.js';

/** What the simulation's thread is asked for. */
export interface SimulationTask {
  /** Whose rules are to be used. */
  simulation: string;
  /** Those rules, when the thread does not have them. */
  sets?: RuleSets;
  /** Simulations that still run: the rules of others are forgotten. */
  alive: string[];
  /** In the order of time. */
  occasions: StoredOccasion[];
}

/** What the rules make of one occasion that something is to be told of. */
export interface JudgedOccasion extends Judgement {
  /** Its place in the task. */
  index: number;
  /** Enough to plan with. */
  facts: Facts;
}
