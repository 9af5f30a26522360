import { isoTime } from '../iso-time.js';
import type { JobEntity } from './job.entity.js';

/** A job as the API shows it; times are ISO 8601. An audio URL is shown without its query: it may hold a signature. */
export function jobView(job: JobEntity) {
  return {
    id: job.id,
    state: job.state,
    origin: job.origin,
    audio: audioView(job),
    options: job.options,
    preset: job.preset,
    tags: job.tags,
    requestId: job.requestId,
    failure: job.failure,
    attempts: job.attempts,
    nextAttemptAt: isoTime(job.state === 'pending' ? job.nextAttemptAt : null),
    lastError: job.lastError && { ...job.lastError, at: isoTime(job.lastError.at) },
    createdAt: isoTime(job.createdAt),
    submittedAt: isoTime(job.submittedAt),
    deadlineAt: isoTime(job.state === 'submitted' ? job.deadlineAt : null),
    resubmissions: job.resubmissions,
    overdueAt: isoTime(job.overdueAt),
    settledAt: isoTime(job.settledAt),
    contentDroppedAt: isoTime(job.contentDroppedAt),
  };
}

function audioView(job: JobEntity) {
  if (job.audioKind === null) return null;
  if (job.audioKind === 'url') return { kind: 'url', url: withoutQuery(job.audioUrl ?? '') };
  return {
    kind: 'upload',
    bytes: job.audioBytes,
    contentType: job.audioType,
    name: job.audioName,
    kept: job.audioBlob !== null,
  };
}

function withoutQuery(url: string): string {
  return url.replace(/[?#].*$/s, '').replace(/\/\/[^/]*@/, '//');
}
