import type { Facts, Trigger } from '../transcripts/facts.js';

/** Only what a trigger declares, of all that is known of a job; undefined when the job has not what the trigger is about. */
export function factsOn(on: Trigger, { job, transcript, failure, overdue, delivery }: Facts): Facts | undefined {
  switch (on) {
    case 'transcript.completed':
      return transcript && { job, transcript };
    case 'transcript.failed':
      return failure && { job, failure };
    case 'job.overdue':
      return overdue && { job, overdue };
    case 'delivery.dead':
      return delivery && { job, ...(transcript && { transcript }), delivery };
  }
}
