import type { Facts, JobFacts, OverdueFacts, Trigger } from '../transcripts/facts.js';
import type { Failure } from '../transcripts/transcript.js';
import type { Judgement, RuleSets } from './simulate.js';

/** Something that fires rules, as it is stored: a transcript, a failure, or a job that is overdue. */
export interface StoredOccasion {
  trigger: Trigger;
  job: JobFacts;
  /** When it happened, epoch milliseconds. */
  at: number;
  /** The transcript as JSON, or as gzip of it. */
  json?: string;
  packed?: Uint8Array;
  failure?: Failure;
  overdue?: OverdueFacts;
}

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
