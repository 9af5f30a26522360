import { Inject, Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { BLOBS, type BlobStore } from '../blobs/blob-store.js';
import { Clock } from '../clock.js';
import type { Settings } from '../config/env.js';
import { SETTINGS } from '../config/settings.js';
import { HOUR, MINUTE, SECOND } from '../duration.js';
import { NotFoundError } from '../errors.js';
import { EventBus } from '../event-bus.service.js';
import { errorFields, Log } from '../log.service.js';
import { Metrics } from '../metrics.service.js';
import { PROVIDER, type TranscriptionProvider } from '../providers/provider.js';
import { Wakeup } from '../wakeup.service.js';
import { LONGEST_WAIT } from './deadline.js';
import type { JobEntity } from './job.entity.js';
import { JobSubmitter } from './job-submitter.service.js';
import { LateJobsStore } from './late-jobs.store.js';

/** Looks are at most so far apart; closer when the wait is short. */
const EVERY = 30 * SECOND;
/** After a start Deepgram may still repeat the callbacks that found nobody: at most so long nothing is late. */
const GRACE = 6 * MINUTE;
/** Late jobs of one look. */
const BATCH = 100;
/** Of them so many are submitted again, or a tenth of what may be outstanding: many at once shall be no storm at Deepgram. */
const RESUBMITTED = 10;
/** No pause between two tries of a submit is longer (SUBMIT_RETRY_POLICY), with what jitter adds. */
const LONGEST_SUBMIT_WAIT = 14 * HOUR;
/** The wall clock and the monotonic one differ by more than this between two looks: somebody has set the clock. */
const JUMP = MINUTE;

/** Gives a job up and fires its rules. @returns false when the job was settled, erased or submitted again meanwhile */
export type SettleOverdue = (job: JobEntity) => Promise<boolean>;

/**
 * Notices jobs whose callback does not come by their deadline: submits them again while their audio is there, and then calls them
 * overdue. An overdue job is still settled by a late callback.
 *
 * Deadlines are wall-clock times in the job's row, so that they survive a restart. When the clock is set, they move along; set while
 * no process ran, none ends later than the longest wait from now. After a start nothing is late for as long as Deepgram may still
 * be repeating a callback that found nobody.
 */
@Injectable()
export class JobWatchdog implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private settleOverdue: SettleOverdue | undefined;
  private readonly longestWait: number;
  private readonly every: number;
  /** Monotonic milliseconds before which nothing is late. */
  private patientUntil = 0;
  private last: { wall: number; monotonic: number } | undefined;
  private stopping = false;
  /** Late jobs that nothing could be done about, at the last look; they must not keep others waiting. */
  private broken = 0;
  private readonly resubmitted: number;
  private readonly wakeup = new Wakeup(
    () => this.look(),
    (error) => {
      this.log.error('jobs.watchdog-broke', errorFields(error));
    },
  );

  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    @Inject(PROVIDER) private readonly provider: TranscriptionProvider,
    @Inject(BLOBS) private readonly blobs: BlobStore,
    private readonly jobs: LateJobsStore,
    private readonly submitter: JobSubmitter,
    private readonly clock: Clock,
    private readonly metrics: Metrics,
    private readonly events: EventBus,
    private readonly log: Log,
  ) {
    const { overdueMinutes, maxOutstanding } = settings.deepgram;
    this.resubmitted = Math.max(RESUBMITTED, Math.ceil(maxOutstanding / 10));
    this.longestWait = overdueMinutes === undefined ? LONGEST_WAIT : overdueMinutes * MINUTE;
    this.every = Math.min(EVERY, Math.max(SECOND / 4, this.longestWait / 100));
  }

  /** The layer that fires rules registers itself here; it lies above this one. */
  onOverdue(settle: SettleOverdue): void {
    this.settleOverdue = settle;
  }

  onApplicationBootstrap(): void {
    if (this.settings.role === 'api') return;
    this.patientUntil = performance.now() + Math.min(GRACE, this.longestWait / 5);
    this.wakeup.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopping = true;
    this.wakeup.stop();
    await this.wakeup.idle();
  }

  private async look(): Promise<number> {
    await this.followClock();
    if (performance.now() < this.patientUntil) return this.every;
    const late = await this.jobs.late(this.clock.now(), Math.max(BATCH, 2 * this.resubmitted) + this.broken);
    this.broken = 0;
    let resubmitted = 0;
    for (const job of late) {
      if (this.stopping) break;
      try {
        if (!(await this.canResubmit(job))) await this.settleOverdue?.(job);
        else if (resubmitted < this.resubmitted && (await this.resubmit(job))) resubmitted++;
      } catch (error) {
        this.broken++;
        this.log.error('job.late-broke', { jobId: job.id, ...errorFields(error) });
      }
    }
    return this.every;
  }

  private async followClock(): Promise<void> {
    const { last } = this;
    const [wall, monotonic] = [this.clock.now(), performance.now()];
    const ahead = last ? wall - last.wall - (monotonic - last.monotonic) : 0;
    const latest = wall + this.longestWait;
    const moved = Math.abs(ahead) > JUMP ? await this.jobs.moveTimes(Math.round(ahead), latest) : 0;
    const bounded = await this.jobs.boundTimes(latest, wall + LONGEST_SUBMIT_WAIT);
    // After the writes: when they fail, the next look sees the same jump.
    this.last = { wall, monotonic };
    if (moved + bounded > 0) this.log.warn('jobs.times-moved', { aheadMs: Math.round(ahead), moved, bounded });
  }

  private async resubmit(job: JobEntity): Promise<boolean> {
    if (!(await this.jobs.resubmitLate(job))) return false;
    this.metrics.jobs.inc({ event: 'resubmitted' });
    this.events.publish({ type: 'job.resubmitted', id: job.id, jobId: job.id, state: 'pending' });
    this.log.warn('job.resubmitted', {
      jobId: job.id,
      resubmissions: job.resubmissions + 1,
      lateMs: this.clock.now() - (job.deadlineAt ?? 0),
    });
    this.submitter.wake();
    return true;
  }

  private async canResubmit(job: JobEntity): Promise<boolean> {
    const { deepgram, publicUrl } = this.settings;
    if (job.resubmissions >= deepgram.maxResubmissions || !this.provider.configured || publicUrl === undefined)
      return false;
    if (job.audioKind === 'url') return true;
    if (job.audioBlob === null) return false;
    try {
      const audio = await this.blobs.open(job.audioBlob);
      audio.destroy();
      return true;
    } catch (error) {
      if (error instanceof NotFoundError) return false;
      throw error;
    }
  }
}
