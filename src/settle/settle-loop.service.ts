import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { CallbackArrivals } from '../callbacks/arrivals.service.js';
import { CallbacksStore } from '../callbacks/callbacks.store.js';
import type { Settings } from '../config/env.js';
import { SETTINGS } from '../config/settings.js';
import { storageFaultOf } from '../database/storage-fault.js';
import { DISPATCHER, type DeliveryDispatcher } from '../deliveries/delivery-dispatcher.js';
import { SECOND } from '../duration.js';
import { JobSubmitter } from '../jobs/job-submitter.service.js';
import { errorFields, Log } from '../log.service.js';
import { ThreadUnavailableError } from '../one-thread.service.js';
import { ReadingThread } from '../rules/reading-thread.service.js';
import { Wakeup } from '../wakeup.service.js';
import { SettleService } from './settle.service.js';

/** Settled side by side: they wait for the same commit. */
const BATCH = 8;
/** More callbacks than this waiting at once are a crowd. */
const CROWD = 8;
/** Milliseconds that a batch waits for the crowd to pass, and how often it looks. */
const PATIENCE = 100;
const STEP = 5;
/** On PostgreSQL a callback may have come in through another process. */
const POLL = { sqlite: 30 * SECOND, postgres: SECOND };
/** A settle that breaks this often for one callback quarantines it, so that the others go on. */
const BREAKS = 5;

/**
 * Settles pending callbacks, oldest first: woken by the inbox, and at start for what a dead process left. Large ones in a row of their
 * own, one at a time: nobody waits for them but what came after them for the same job.
 */
@Injectable()
export class SettleLoop implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private stopping = false;
  private readonly small = this.loop(() => this.drain('small', BATCH));
  private readonly large = this.loop(() => this.drain('large', 1));

  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    @Inject(DISPATCHER) private readonly dispatcher: DeliveryDispatcher,
    private readonly callbacks: CallbacksStore,
    private readonly settler: SettleService,
    private readonly submitter: JobSubmitter,
    private readonly thread: ReadingThread,
    private readonly log: Log,
    private readonly arrivals: CallbackArrivals,
  ) {
    arrivals.onArrival(() => {
      // After the acknowledgement has been written: nothing here may make the sender wait.
      setImmediate(() => {
        this.wake();
      });
    });
  }

  private loop(work: () => Promise<number>): Wakeup {
    return new Wakeup(work, (error) => {
      this.log.error('settle.loop-broke', errorFields(error));
    });
  }

  private wake(): void {
    this.small.now();
    this.large.now();
  }

  onApplicationBootstrap(): void {
    if (this.settings.role === 'api') return;
    this.small.start();
    this.large.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopping = true;
    this.small.stop();
    this.large.stop();
    // A large body may take longer than an operator waits; it is pending still, and read again after the start.
    await this.thread.close();
    await Promise.all([this.small.idle(), this.large.idle()]);
  }

  private async drain(size: 'small' | 'large', batch: number): Promise<number> {
    const ofTheOtherSize = size === 'small' ? this.large : this.small;
    for (;;) {
      const pending = await this.callbacks.pending(size, batch);
      if (this.stopping) return 0;
      await this.letCallbacksFirst();
      const settled = await Promise.all(pending.map((id) => this.settleOne(id)));
      // What waited behind these for the same job may be of the other size.
      if (pending.length > 0) ofTheOtherSize.now();
      if (settled.includes(false)) return SECOND;
      if (pending.length === 0) return POLL[this.settings.database.kind];
    }
  }

  /** Callbacks that wait for their acknowledgement go first, within reason: what is settled later is settled all the same. */
  private async letCallbacksFirst(): Promise<void> {
    for (let waited = 0; waited < PATIENCE && this.arrivals.waiting > CROWD; waited += STEP) await sleep(STEP);
  }

  private async settleOne(id: string): Promise<boolean> {
    try {
      const settled = await this.settler.settle(id);
      if (!settled) return true;
      if (settled.deliveries > 0) this.dispatcher.wake();
      // One job less is outstanding at the provider.
      if (settled.outcome === 'complete' || settled.outcome === 'fail') this.submitter.wake();
      return true;
    } catch (error) {
      if (this.stopping && error instanceof ThreadUnavailableError) return false;
      this.log.error('callback.settle-broke', { callbackId: id, ...errorFields(error) });
      // The database was away: that says nothing of the callback.
      if (storageFaultOf(error) !== undefined) return false;
      const name = error instanceof Error ? error.name : 'unknown';
      const reason = `settling it broke ${String(BREAKS)} times (${name}); replay it after the repair`;
      await this.callbacks.settleBroke(id, reason, BREAKS).catch((broke: unknown) => {
        this.log.error('callback.settle-uncounted', { callbackId: id, ...errorFields(broke) });
      });
      return false;
    }
  }
}
