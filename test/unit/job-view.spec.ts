import { describe, expect, it } from '@jest/globals';
import { JobEntity } from '../../src/jobs/job.entity.js';
import { jobView } from '../../src/jobs/job-view.js';

const AT = Date.UTC(2026, 0, 2, 3, 4, 5);

const job = (given: Partial<JobEntity>): JobEntity =>
  Object.assign(
    new JobEntity(),
    {
      id: 'j',
      state: 'submitted',
      audioKind: null,
      nextAttemptAt: null,
      lastError: null,
      deadlineAt: null,
      overdueAt: null,
    },
    { createdAt: AT, submittedAt: null, settledAt: null, contentDroppedAt: null },
    given,
  );

describe('a job as the API shows it', () => {
  it.each([
    ['https://a.example/call.wav?X-Signature=secret', 'https://a.example/call.wav'],
    ['https://a.example/call.wav#secret', 'https://a.example/call.wav'],
    ['https://user:secret@a.example/call.wav', 'https://a.example/call.wav'],
    ['https://user:sec@ret@a.example/call.wav', 'https://a.example/call.wav'],
    ['https://secret@a.example:8443/call.wav?token=secret#secret', 'https://a.example:8443/call.wav'],
    ['https://a.example/x@y/call.wav', 'https://a.example/x@y/call.wav'],
  ])('shows %s without its query and credentials', (audioUrl, url) => {
    expect(jobView(job({ audioKind: 'url', audioUrl })).audio).toEqual({ kind: 'url', url });
  });

  it('tells of an upload whether its audio is still kept, and not where', () => {
    const upload = { audioKind: 'upload', audioBytes: 5, audioType: 'audio/wav', audioName: 'call.wav' } as const;
    const shown = { kind: 'upload', bytes: 5, contentType: 'audio/wav', name: 'call.wav' };
    expect(jobView(job({ ...upload, audioBlob: 'audio-key' })).audio).toEqual({ ...shown, kept: true });
    expect(jobView(job({ ...upload, audioBlob: null })).audio).toEqual({ ...shown, kept: false });
  });

  it('has no audio when someone else submitted it', () => {
    expect(jobView(job({})).audio).toBeNull();
  });

  it('writes times as ISO 8601, and the next attempt only while the job waits for one', () => {
    expect(jobView(job({ state: 'pending', nextAttemptAt: AT }))).toMatchObject({
      createdAt: '2026-01-02T03:04:05.000Z',
      submittedAt: null,
      nextAttemptAt: '2026-01-02T03:04:05.000Z',
    });
    expect(jobView(job({ state: 'completed', nextAttemptAt: AT })).nextAttemptAt).toBeNull();
  });

  it('shows neither the lease nor the idempotency key', () => {
    const text = JSON.stringify(
      jobView(job({ leaseOwner: 'hidden', idempotencyKey: 'hidden', idempotencyHash: 'hidden' })),
    );
    expect(text).not.toContain('hidden');
  });
});
