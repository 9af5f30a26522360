/** States of a job. `overdue` is still settled by a late callback. */
export const JOB_STATES = ['pending', 'submitted', 'completed', 'failed', 'overdue'] as const;
export type JobState = (typeof JOB_STATES)[number];

/** Why the last submit did not go through, for people; no secret, no URL. */
export interface SubmitError {
  code: string;
  message: string;
  /** Epoch milliseconds. */
  at: number;
}
