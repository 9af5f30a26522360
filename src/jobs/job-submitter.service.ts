import { randomUUID } from 'node:crypto';
import { Inject, Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { BLOBS, type BlobStore } from '../blobs/blob-store.js';
import { Clock } from '../clock.js';
import type { Settings } from '../config/env.js';
import { SETTINGS } from '../config/settings.js';
import { MINUTE, SECOND } from '../duration.js';
import { EventBus } from '../event-bus.service.js';
import type { JsonObject } from '../json.js';
import { errorFields, Log } from '../log.service.js';
import { Metrics } from '../metrics.service.js';
import { CALLBACK_URL, PROVIDER, type AudioSource, type TranscriptionProvider } from '../providers/provider.js';
import { decide, SUBMIT_RETRY_POLICY, toOutcome } from '../retry-policy.js';
import type { Failure } from '../transcripts/transcript.js';
import { Wakeup } from '../wakeup.service.js';
import { callbackWait } from './deadline.js';
import type { JobEntity } from './job.entity.js';
import { JobsStore } from './jobs.store.js';

/** Settles a job that the provider refused, and fires its rules. @returns false when the lease was lost meanwhile */
export type SettleRefused = (job: JobEntity, failure: Failure, owner: string) => Promise<boolean>;

/** Options for one submission, made of those of its job. */
export type ExtendOptions = (options: JsonObject) => Promise<JsonObject>;

const LEASE = 2 * MINUTE;
/** On PostgreSQL another process may have taken the job in. */
const POLL = { sqlite: MINUTE, postgres: SECOND };
/** Uploads at once: each takes a connection and disk reads, not memory. */
const PARALLEL = 8;

/**
 * Submits pending jobs, within the gate on jobs outstanding at the provider. The job row owns its retries: what is due, how often
 * it was tried and why it failed survive a restart.
 */
@Injectable()
export class JobSubmitter implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly owner = randomUUID();
  private readonly wakeup = new Wakeup(
    () => this.fill(),
    (error) => {
      this.log.error('jobs.submitter-broke', errorFields(error));
    },
  );
  private readonly inHand = new Set<Promise<void>>();
  private readonly stopping = new AbortController();
  private settleRefused: SettleRefused | undefined;
  private extendOptions: ExtendOptions = (options) => Promise.resolve(options);

  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    @Inject(PROVIDER) private readonly provider: TranscriptionProvider,
    @Inject(BLOBS) private readonly blobs: BlobStore,
    @Inject(CALLBACK_URL) private readonly callbackUrl: (jobId: string) => string,
    private readonly jobs: JobsStore,
    private readonly clock: Clock,
    private readonly metrics: Metrics,
    private readonly events: EventBus,
    private readonly log: Log,
  ) {}

  /** The layer that settles jobs registers itself here; it lies above this one. */
  onRefused(settle: SettleRefused): void {
    this.settleRefused = settle;
  }

  /** The layer that knows the rules may send their phrases along. The job keeps its own options. */
  onOptions(extend: ExtendOptions): void {
    this.extendOptions = extend;
  }

  /** Something may be due. */
  wake(): void {
    this.wakeup.now();
  }

  async onApplicationBootstrap(): Promise<void> {
    if (!this.settleRefused) throw new Error('JobSubmitter needs onRefused: import SettleModule');
    if (!this.provider.configured || this.settings.role === 'api') return;
    if (this.settings.database.kind === 'sqlite') await this.jobs.releaseAll();
    this.wakeup.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.wakeup.stop();
    this.stopping.abort();
    await Promise.allSettled(this.inHand);
  }

  /** @returns when to look again, in milliseconds from now */
  private async fill(): Promise<number> {
    while (this.inHand.size < PARALLEL && !this.stopping.signal.aborted) {
      const outstanding = (await this.jobs.outstanding()) + this.inHand.size;
      // A callback opens the gate: the settle step wakes us.
      if (outstanding >= this.settings.deepgram.maxOutstanding) return 5 * SECOND;
      const job = await this.jobs.claimPending(this.owner, LEASE);
      if (!job) break;
      const work = this.submit(job)
        .catch((error: unknown) => {
          this.log.error('job.submit-broke', { jobId: job.id, ...errorFields(error) });
        })
        .finally(() => {
          this.inHand.delete(work);
          this.wake();
        });
      this.inHand.add(work);
    }
    const next = await this.jobs.nextPending();
    const poll = POLL[this.settings.database.kind];
    return next === undefined ? poll : Math.min(poll, Math.max(0, next - this.clock.now()));
  }

  private async submit(job: JobEntity): Promise<void> {
    const started = performance.now();
    const heartbeat = setInterval(
      () => void this.jobs.extendLease(job.id, this.owner, LEASE).catch(() => undefined),
      LEASE / 4,
    );
    try {
      const { requestId } = await this.provider.submit(
        {
          audio: this.audioOf(job),
          options: await this.extendOptions(job.options as JsonObject),
          callbackUrl: this.callbackUrl(job.id),
          jobId: job.id,
        },
        this.stopping.signal,
      );
      const first = await this.jobs.submitted(job.id, this.owner, requestId, this.waitFor(job));
      this.tell(job, first ? 'submitted' : 'settled-before', started);
    } catch (error) {
      await this.failed(job, error, started);
    } finally {
      clearInterval(heartbeat);
    }
  }

  private async failed(job: JobEntity, error: unknown, started: number): Promise<void> {
    const outcome = toOutcome(error);
    // An ambiguous submit is tried again like any other: the job takes whichever callback comes first.
    const retried = { attempts: job.attempts - 1, createdAt: job.createdAt, ambiguous: 'resend' } as const;
    const now = this.clock.now();
    const decision = this.stopping.signal.aborted
      ? ({ state: 'queued', dueAt: now } as const)
      : decide(outcome, retried, SUBMIT_RETRY_POLICY, now, Math.random);
    if (decision.state === 'queued') {
      await this.jobs.postponed(
        job.id,
        this.owner,
        { code: outcome.code, message: outcome.message, at: now },
        decision.dueAt,
      );
      this.tell(job, 'postponed', started, outcome.code, decision.dueAt);
      return;
    }
    const failed = await this.settleRefused?.(job, { code: outcome.code, message: outcome.message }, this.owner);
    this.tell(job, failed ? 'failed' : 'settled-before', started, outcome.code);
  }

  /** Milliseconds that the callback may take. */
  private waitFor(job: JobEntity): number {
    const { overdueMinutes } = this.settings.deepgram;
    if (overdueMinutes !== undefined) return overdueMinutes * MINUTE;
    const { model } = job.options as JsonObject;
    return callbackWait({
      kind: job.audioKind ?? 'url',
      bytes: job.audioBytes,
      contentType: job.audioType,
      model: typeof model === 'string' ? model : undefined,
    });
  }

  private audioOf(job: JobEntity): AudioSource {
    if (job.audioKind === 'url') return { kind: 'url', url: job.audioUrl ?? '' };
    return {
      kind: 'upload',
      bytes: job.audioBytes ?? 0,
      contentType: job.audioType ?? 'application/octet-stream',
      open: () => this.blobs.open(job.audioBlob ?? ''),
    };
  }

  private tell(job: JobEntity, outcome: string, started: number, code?: string, dueAt?: number): void {
    this.metrics.jobs.inc({ event: outcome });
    this.events.publish({ type: `job.${outcome}`, id: job.id, jobId: job.id });
    this.log.info('job.submit-attempted', {
      jobId: job.id,
      attempt: job.attempts,
      outcome,
      code,
      ms: Math.round(performance.now() - started),
      dueAt,
    });
  }
}
