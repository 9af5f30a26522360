import { Inject, Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { Clock } from '../clock.js';
import type { Settings } from '../config/env.js';
import { SETTINGS } from '../config/settings.js';
import { Database } from '../database/database.service.js';
import { DAY, HOUR } from '../duration.js';
import { JobErasureStore } from '../jobs/job-erasure.store.js';
import { errorFields, Log } from '../log.service.js';
import { Wakeup } from '../wakeup.service.js';
import { ClockGuard } from './clock-guard.service.js';
import { ContentStore } from './content.store.js';
import { PurgeStore } from './purge.store.js';

const BATCH = 100;
/** Between two jobs, so that a long purge takes the machine from nobody. */
const BREATH_MS = 2;

/** What a purge did, or why it did nothing. */
export interface PurgeReport {
  /** Epoch milliseconds. */
  at: number;
  postponed: boolean;
  jobs: number;
  contents: number;
  audio: number;
  callbacks: number;
}

/**
 * Drops by age, every hour: audio, then words, then whole jobs. One job a transaction: a process that dies in between leaves nothing
 * half, and the next run goes on where this one ended.
 */
@Injectable()
export class Purge implements OnApplicationBootstrap, BeforeApplicationShutdown {
  /** Of the last run in this process. */
  last: PurgeReport | undefined;
  private stopping = false;
  private owed = false;
  private readonly wakeup = new Wakeup(
    async () => {
      await this.run();
      return HOUR;
    },
    (error) => {
      this.log.error('keeping.purge-broke', errorFields(error));
    },
  );

  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly database: Database,
    private readonly due: PurgeStore,
    private readonly contents: ContentStore,
    private readonly jobs: JobErasureStore,
    private readonly guard: ClockGuard,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  onApplicationBootstrap(): void {
    if (this.settings.role !== 'api') this.wakeup.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopping = true;
    this.wakeup.stop();
    await this.idle();
  }

  /** Soon, not in an hour. */
  wake(): void {
    this.wakeup.now();
  }

  /** Resolves when no run is in progress. */
  idle(): Promise<void> {
    return this.wakeup.idle();
  }

  async run(): Promise<PurgeReport> {
    const report = { at: this.clock.now(), postponed: false, jobs: 0, contents: 0, audio: 0, callbacks: 0 };
    this.last = report;
    const trust = await this.guard.look();
    if (trust.doubted !== undefined) {
      report.postponed = true;
      this.log.warn('keeping.purge-postponed', {
        clock: report.at,
        lastTrusted: trust.good.wall,
        hoursLeft: Math.ceil(this.guard.left(trust) / HOUR),
      });
      return report;
    }
    const { retentionDays = Infinity, contentRetentionDays = Infinity, audioRetentionDays } = this.settings;
    const contentDays = Math.min(contentRetentionDays, retentionDays);
    report.audio = await this.each(
      audioRetentionDays,
      (before) => this.due.jobsWithAudio(before, BATCH),
      (id) => this.contents.dropAudio(id),
    );
    report.contents = await this.each(
      contentRetentionDays,
      (before) => this.due.jobsWithContent(before, BATCH),
      (id) => this.contents.drop(id),
    );
    report.callbacks = await this.each(
      contentDays,
      (before) => this.due.strayCallbacks(before, BATCH),
      (id) => this.contents.dropCallback(id),
    );
    report.jobs = await this.each(
      retentionDays,
      (before) => this.due.endedJobs(before, BATCH),
      async (id) => (await this.jobs.eraseRows(id, 'retention', true)) !== undefined,
    );
    await this.each(
      retentionDays,
      (before) => this.due.invitations(before, BATCH),
      (id) => this.contents.dropInvitation(id),
    );
    const { jobs, contents, audio, callbacks } = report;
    if (jobs + contents + audio + callbacks > 0) this.log.info('keeping.purged', { jobs, contents, audio, callbacks });
    return report;
  }

  /** @returns how many were dropped */
  private async each(
    days: number,
    find: (before: number) => Promise<string[]>,
    drop: (id: string) => Promise<boolean>,
  ): Promise<number> {
    if (days === Infinity) return 0;
    const before = this.clock.now() - days * DAY;
    let dropped = 0;
    for (;;) {
      const found = await find(before);
      const done = await this.batch(found, drop);
      dropped += done;
      if (done > 0) this.owed = true;
      await this.forget();
      // What could not be dropped after all would be found again at once: it has an hour.
      if (found.length < BATCH || done === 0 || this.stopping) return dropped;
    }
  }

  /** While another process reads the file, what was dropped stands in the log: then the next run tries again. */
  private async forget(): Promise<void> {
    if (this.owed) this.owed = !(await this.database.uow.forget());
  }

  private async batch(ids: string[], drop: (id: string) => Promise<boolean>): Promise<number> {
    let done = 0;
    for (const id of ids) {
      if (this.stopping) break;
      if (await drop(id)) done++;
      await new Promise((resolve) => setTimeout(resolve, BREATH_MS));
    }
    return done;
  }
}
