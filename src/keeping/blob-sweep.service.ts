import { Inject, Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { BLOBS, type BlobStore } from '../blobs/blob-store.js';
import { Clock } from '../clock.js';
import { Database } from '../database/database.service.js';
import { DAY, HOUR } from '../duration.js';
import { errorFields, Log } from '../log.service.js';
import { Wakeup } from '../wakeup.service.js';
import { ClockGuard } from './clock-guard.service.js';

/** Longer than any upload takes between its file and its row, and than any jump of the clock that {@link ClockGuard} lets pass. */
const STALE_AFTER = 2 * DAY;

/**
 * Removes blobs whose row is gone or never came: a process that died between the two leaves one behind. Age is told by the wall clock,
 * so nothing is removed while that is doubted.
 */
@Injectable()
export class BlobSweep implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly wakeup = new Wakeup(
    () => this.sweep(),
    (error) => {
      this.log.error('blobs.sweep-broke', errorFields(error));
    },
  );

  constructor(
    @Inject(BLOBS) private readonly blobs: BlobStore,
    private readonly database: Database,
    private readonly guard: ClockGuard,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  onApplicationBootstrap(): void {
    this.wakeup.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.wakeup.stop();
    await this.wakeup.idle();
  }

  /** @returns milliseconds until the next sweep */
  async sweep(): Promise<number> {
    if ((await this.guard.look()).doubted !== undefined) return HOUR;
    const used = await this.database.read<{ key: string }>(
      `select audio_blob as "key" from jobs where audio_blob is not null
       union all select blob_key from callbacks where blob_key is not null`,
    );
    const count = await this.blobs.sweep(new Set(used.map(({ key }) => key)), STALE_AFTER, this.clock.now());
    if (count > 0) this.log.info('blobs.swept', { count });
    return HOUR;
  }
}
