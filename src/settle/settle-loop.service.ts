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

/** Settles pending callbacks, oldest first: woken by the inbox, and at start for what a dead process left. */
@Injectable()
export class SettleLoop implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private stopping = false;
  private readonly wakeup = new Wakeup(
    () => this.drain(),
    (error) => {
      this.log.error('settle.loop-broke', errorFields(error));
    },
  );

  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    @Inject(DISPATCHER) private readonly dispatcher: DeliveryDispatcher,
    private readonly callbacks: CallbacksStore,
    private readonly settler: SettleService,
    private readonly submitter: JobSubmitter,
    private readonly log: Log,
    private readonly arrivals: CallbackArrivals,
  ) {
    arrivals.onArrival(() => {
      // After the acknowledgement has been written: nothing here may make the sender wait.
      setImmediate(() => {
        this.wakeup.now();
      });
    });
  }

  onApplicationBootstrap(): void {
    if (this.settings.role !== 'api') this.wakeup.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopping = true;
    this.wakeup.stop();
    await this.wakeup.idle();
  }

  private async drain(): Promise<number> {
    for (;;) {
      const pending = await this.callbacks.pending(BATCH);
      if (this.stopping) return 0;
      await this.letCallbacksFirst();
      const settled = await Promise.all(inLanes(pending).map((lane) => this.settleLane(lane)));
      if (settled.includes(false)) return SECOND;
      if (pending.length < BATCH) return POLL[this.settings.database.kind];
    }
  }

  /** Callbacks that wait for their acknowledgement go first, within reason: what is settled later is settled all the same. */
  private async letCallbacksFirst(): Promise<void> {
    for (let waited = 0; waited < PATIENCE && this.arrivals.waiting > CROWD; waited += STEP) await sleep(STEP);
  }

  private async settleLane(ids: string[]): Promise<boolean> {
    for (const id of ids) if (!(await this.settleOne(id))) return false;
    return true;
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

/** Callbacks of one job stay in their order: the first transcript wins. */
function inLanes(pending: { id: string; jobId: string }[]): string[][] {
  const lanes = new Map<string, string[]>();
  for (const { id, jobId } of pending) {
    const key = jobId === '' ? id : jobId;
    lanes.set(key, [...(lanes.get(key) ?? []), id]);
  }
  return [...lanes.values()];
}
