import { randomUUID } from 'node:crypto';
import type { Clock } from '../clock.js';
import { MINUTE, SECOND } from '../duration.js';
import { errorFields, type Log } from '../log.service.js';
import { Wakeup } from '../wakeup.service.js';
import type { DeliverService } from './deliver.service.js';
import type { DeliveriesStore } from './deliveries.store.js';
import type { DeliveryDispatcher } from './delivery-dispatcher.js';

/** Longer than the deadline of a send with all its commits. */
const LEASE = MINUTE;
const PARALLEL = 16;
/** How often leases that ran out are looked for. */
const RESCUE_EVERY = 10 * SECOND;

/**
 * Claims due rows in this process; several processes may do so on one PostgreSQL. Each claim has an owner of its own: after a stall
 * that outlived a lease, this process must not write under a claim that it made anew.
 */
export class EmbeddedDispatcher implements DeliveryDispatcher {
  private readonly inHand = new Set<Promise<unknown>>();
  private readonly stopping = new AbortController();
  private readonly wakeup = new Wakeup(
    () => this.fill(),
    (error) => {
      this.log.error('deliveries.dispatcher-broke', errorFields(error));
    },
  );
  private rescuedAt = -Infinity;

  constructor(
    private readonly deliveries: DeliveriesStore,
    private readonly service: DeliverService,
    private readonly clock: Clock,
    private readonly log: Log,
    /** No other process works on this database: what is in hand at the start was left by a dead one. */
    private readonly alone: boolean,
    /** How long a due row of another process may wait to be seen. */
    private readonly pollMs: number,
  ) {}

  async start(): Promise<void> {
    await this.rescue(this.alone);
    this.wakeup.start();
  }

  wake(): void {
    this.wakeup.now();
  }

  async stop(graceMs: number): Promise<void> {
    this.wakeup.stop();
    await this.wakeup.idle();
    const timer = setTimeout(() => {
      this.stopping.abort();
    }, graceMs);
    await Promise.allSettled(this.inHand);
    clearTimeout(timer);
  }

  private async fill(): Promise<number> {
    if (performance.now() - this.rescuedAt > RESCUE_EVERY) await this.rescue(false);
    // Several at a time: their claims and outcomes share commits.
    if (this.inHand.size <= PARALLEL / 2) await this.take(PARALLEL - this.inHand.size);
    // With hands full, the next one that becomes free wakes us.
    if (this.inHand.size > PARALLEL / 2) return this.pollMs;
    const next = await this.deliveries.nextDue();
    return next === undefined ? this.pollMs : Math.min(this.pollMs, Math.max(0, next - this.clock.now()));
  }

  private async take(free: number): Promise<void> {
    const { queued, unknown } = await this.deliveries.dueNow();
    if (queued) {
      const owner = randomUUID();
      for (const id of await this.deliveries.claim(owner, free, LEASE)) {
        this.hold(this.service.deliver(id, owner, this.stopping.signal));
      }
    }
    if (unknown) {
      const owner = randomUUID();
      for (const id of await this.deliveries.claimUnknown(owner, PARALLEL, LEASE)) {
        this.hold(this.service.lookUp(id, owner));
      }
    }
  }

  private hold(work: Promise<unknown>): void {
    const held = work
      .catch((error: unknown) => {
        // The row keeps its lease and is rescued when that runs out.
        this.log.error('delivery.broke', errorFields(error));
      })
      .finally(() => {
        this.inHand.delete(held);
        this.wake();
      });
    this.inHand.add(held);
  }

  private async rescue(alone: boolean): Promise<void> {
    this.rescuedAt = performance.now();
    const owner = randomUUID();
    for (const { id, attempt } of await this.deliveries.rescue(owner, LEASE, alone)) {
      await this.service.rescued(id, owner, attempt).catch((error: unknown) => {
        // Its new lease runs out, and it is rescued again; the others must not wait for that.
        this.log.error('delivery.rescue-broke', { deliveryId: id, ...errorFields(error) });
      });
    }
  }
}
