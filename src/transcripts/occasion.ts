import type { JobFacts, OverdueFacts, Trigger } from './facts.js';
import type { Failure } from './transcript.js';

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
