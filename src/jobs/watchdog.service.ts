import { Inject, Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { Clock } from '../clock.js';
import type { Settings } from '../config/env.js';
import { SETTINGS } from '../config/settings.js';
import { MINUTE, SECOND } from '../duration.js';
import { errorFields, Log } from '../log.service.js';
import { Wakeup } from '../wakeup.service.js';
import type { JobEntity } from './job.entity.js';
import { JobsStore } from './jobs.store.js';

/** Deepgram works at most 20 minutes on a job and repeats its callback for 5; what has not come by then hardly will. */
const CALLBACK_WITHIN = 30 * MINUTE;
const EVERY = 30 * SECOND;

/** Notices jobs whose callback does not come. An overdue job is still settled by a late one. */
@Injectable()
export class JobWatchdog implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private settleOverdue: (job: JobEntity) => Promise<boolean> = () => Promise.resolve(false);
  private readonly wakeup = new Wakeup(
    () => this.look(),
    (error) => {
      this.log.error('jobs.watchdog-broke', errorFields(error));
    },
  );

  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly jobs: JobsStore,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** The layer that fires rules registers itself here; it lies above this one. */
  onOverdue(settle: (job: JobEntity) => Promise<boolean>): void {
    this.settleOverdue = settle;
  }

  onApplicationBootstrap(): void {
    if (this.settings.role !== 'api') this.wakeup.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.wakeup.stop();
    await this.wakeup.idle();
  }

  private async look(): Promise<number> {
    const late = await this.jobs.late(this.clock.now() - CALLBACK_WITHIN, 100);
    for (const job of late) await this.settleOverdue(job);
    return EVERY;
  }
}
