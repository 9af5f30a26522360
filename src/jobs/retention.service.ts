import { Inject, Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { Clock } from '../clock.js';
import type { Settings } from '../config/env.js';
import { SETTINGS } from '../config/settings.js';
import { DAY, HOUR } from '../duration.js';
import { errorFields, Log } from '../log.service.js';
import { Wakeup } from '../wakeup.service.js';
import { JobErasureStore } from './job-erasure.store.js';
import { JobsStore } from './jobs.store.js';

const BATCH = 100;

/** Erases jobs whose outcome is older than HERALD_RETENTION_DAYS, as `DELETE /v1/jobs/:id` does. Without the setting nothing is erased. */
@Injectable()
export class Retention implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private stopping = false;
  private readonly wakeup = new Wakeup(
    () => this.purge(),
    (error) => {
      this.log.error('jobs.retention-broke', errorFields(error));
    },
  );

  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly jobs: JobsStore,
    private readonly erasure: JobErasureStore,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  onApplicationBootstrap(): void {
    if (this.settings.retentionDays !== undefined && this.settings.role !== 'api') this.wakeup.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopping = true;
    this.wakeup.stop();
    await this.wakeup.idle();
  }

  private async purge(): Promise<number> {
    const before = this.clock.now() - (this.settings.retentionDays ?? Infinity) * DAY;
    let erased = 0;
    for (;;) {
      const old = await this.jobs.settledBefore(before, BATCH);
      for (const id of old) {
        if (this.stopping) return HOUR;
        if (await this.erasure.erase(id, 'retention')) erased++;
      }
      if (old.length < BATCH) break;
    }
    if (erased > 0) this.log.info('jobs.erased-by-age', { count: erased });
    return HOUR;
  }
}
