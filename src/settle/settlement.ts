import type { JobState } from '../jobs/job.js';

/** What a callback turned out to hold. */
type Held = { kind: 'transcript' } | { kind: 'failure' } | { kind: 'unreadable'; reason: string };

/** What is known of the job that a callback belongs to, at the moment of settling. */
export type JobStanding =
  | {
      kind: 'known';
      state: JobState;
      hasTranscript: boolean;
      /** The job was submitted again after the submission that this callback is of. */
      superseded?: boolean;
    }
  /** Erased on request: nothing of a late callback may be kept. */
  | { kind: 'deleted' }
  /** No row: somebody else submitted it, or the row was lost with a restored database. The credential proves that it is ours. */
  | { kind: 'unknown' };

/** What a callback does. `adopt`: a job is made for it first. */
export type Settlement =
  | { kind: 'complete'; adopt: boolean }
  | { kind: 'fail'; adopt: boolean }
  | { kind: 'duplicate'; reason: string }
  | { kind: 'erase' }
  | { kind: 'quarantine'; reason: string };

/**
 * Decides what a callback does to its job. The first transcript wins and is never replaced, except by a replay; a transcript beats
 * a failure that came before it (an ambiguous submit can give both); a failure changes nothing that is settled,
 * nor anything of a job that was submitted again: the later submission decides.
 */
export function settlementOf(result: Held, job: JobStanding, replay: boolean): Settlement {
  if (job.kind === 'deleted') return { kind: 'erase' };
  if (result.kind === 'unreadable') return { kind: 'quarantine', reason: result.reason };
  const adopt = job.kind === 'unknown';
  if (result.kind === 'transcript') {
    if (job.kind === 'known' && job.hasTranscript && !replay) {
      return { kind: 'duplicate', reason: 'the job has its transcript' };
    }
    return { kind: 'complete', adopt };
  }
  if (job.kind === 'known' && (job.state === 'completed' || job.hasTranscript)) {
    return { kind: 'duplicate', reason: 'the job has its transcript' };
  }
  if (job.kind === 'known' && job.state === 'failed' && !replay) {
    return { kind: 'duplicate', reason: 'the job has failed already' };
  }
  if (job.kind === 'known' && job.superseded && !replay) {
    return { kind: 'duplicate', reason: 'the job was submitted again after the submission that failed' };
  }
  return { kind: 'fail', adopt };
}
