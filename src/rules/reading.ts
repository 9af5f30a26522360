import type { ParserModule } from '../providers/provider.js';
import type { Facts, JobFacts } from '../transcripts/facts.js';
import type { StoredForm } from '../transcripts/stored-form.js';
import type { Failure } from '../transcripts/transcript.js';
import type { Evaluation, Rule } from './rule.js';
import type { Observation, SeriesSnapshot } from './series.js';
import type { Why } from './why-node.js';

/** What the reading thread is asked for. */
export type ReadingTask = ReadTask | EvaluateTask | ExplainTask;

/** A callback body to its transcript, and what the rules make of that. */
export interface ReadTask {
  do: 'read';
  bytes: Uint8Array;
  parser: ParserModule;
  job: JobFacts;
  /** The job is made from this callback: its tags are those of the body. */
  adopt: boolean;
  /** What is known of the calls before. */
  series: SeriesSnapshot;
  /** Those to evaluate, when they are others than at the last task: they go over by copy. */
  rules?: Rule[];
}

/** What rules make of a stored transcript. */
export interface EvaluateTask {
  do: 'evaluate';
  /** JSON, gzip. */
  packed: Uint8Array;
  job: JobFacts;
  rules: Rule[];
  series: SeriesSnapshot;
}

/** Why a rule makes of a stored transcript what it does. */
export interface ExplainTask {
  do: 'explain';
  /** JSON, gzip. */
  packed: Uint8Array;
  job: JobFacts;
  rule: Rule;
  series: SeriesSnapshot;
}

/** What comes back: texts and bytes, and small things that do not grow with the transcript. */
export type ReadingAnswer = ReadAnswer | EvaluateAnswer | ExplainAnswer;

export type ReadAnswer =
  | { kind: 'unreadable'; reason: string }
  | { kind: 'failure'; failure: Failure; requestId?: string }
  | { kind: 'transcript'; requestId: string; extra: Record<string, string>; stored: StoredForm; judged: Judged };

export interface EvaluateAnswer {
  kind: 'judged';
  judged: Judged;
}

export interface ExplainAnswer {
  kind: 'explained';
  why: Why;
}

/** Evaluations in the order of the rules, and facts that are enough to plan with. */
export interface Judged {
  evaluations: Evaluation[];
  /** What this call adds to series. */
  observations: Observation[];
  facts: Facts;
}
