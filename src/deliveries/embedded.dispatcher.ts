import { randomUUID } from 'node:crypto';
import type { Clock } from '../clock.js';
import { SECOND } from '../duration.js';
import { errorFields, type Log } from '../log.service.js';
import { Wakeup } from '../wakeup.service.js';
import type { ChannelGate } from './channel-gate.service.js';
import type { DeliverService } from './deliver.service.js';
import type { DeliveriesStore } from './deliveries.store.js';
import type { DeliveryDispatcher } from './delivery-dispatcher.js';
import { LeaseWatch, type Lease } from './lease-watch.js';
import type { Pace } from './pace.js';

/** A claim is renewed while it is worked on; a dead process's work is taken within a lease and one look. */
const LEASE = 30 * SECOND;
const RENEW_EVERY = 10 * SECOND;
/** How often the work of dead processes is looked for. */
const RESCUE_EVERY = 5 * SECOND;
/** Taken over at once. */
const MOST_LEASES = 100;
/** Sends in hand on one channel: one that stalls leaves the others theirs. */
const PARALLEL = 16;
/** Another replica may hold the rows that looked due. */
const LOOK_AGAIN = 20;
const LOOK_UPS = 'look-ups';

export interface DispatcherOptions {
  /** No other process works on this database: what is in hand at the start was left by a dead one. */
  alone: boolean;
  /** How long a due row of another process may wait to be seen. */
  pollMs: number;
  /** The limit on sends a second of a channel, if it has one. */
  paceOf: (channel: string) => Pace | undefined;
}

/**
 * Claims due rows in this process, channel by channel as the gate admits; several processes may do so on one PostgreSQL. Each claim has
 * an owner of its own: after a stall that outlived a lease, this process must not write under a claim that it made anew.
 */
export class EmbeddedDispatcher implements DeliveryDispatcher {
  /** By channel; look-ups are a lane of their own. */
  private readonly inHand = new Map<string, Set<Promise<unknown>>>();
  private readonly owners = new Map<string, number>();
  private readonly paces = new Map<string, Pace | undefined>();
  private readonly stopping = new AbortController();
  private readonly wakeup = new Wakeup(
    () => this.fill(),
    (error) => {
      this.log.error('deliveries.dispatcher-broke', errorFields(error));
    },
  );
  private readonly watch = new LeaseWatch(LEASE);
  private rescuedAt = -Infinity;
  private heartbeat: NodeJS.Timeout | undefined;

  constructor(
    private readonly deliveries: DeliveriesStore,
    private readonly service: DeliverService,
    private readonly gate: ChannelGate,
    private readonly clock: Clock,
    private readonly log: Log,
    private readonly options: DispatcherOptions,
  ) {}

  async start(): Promise<void> {
    await this.rescue();
    this.gate.onOpen(() => {
      this.wake();
    });
    if (!this.options.alone) this.heartbeat = setInterval(() => void this.renew(), RENEW_EVERY);
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
    await Promise.allSettled([...this.inHand.values()].flatMap((lane) => [...lane]));
    clearTimeout(timer);
    clearInterval(this.heartbeat);
  }

  /** @returns milliseconds until something may be due; what becomes free wakes us before */
  private async fill(): Promise<number> {
    if (performance.now() - this.rescuedAt > RESCUE_EVERY) await this.rescue();
    const waits = [await this.fillLookUps()];
    for (const { channel, dueAt } of await this.deliveries.waiting()) waits.push(await this.fillLane(channel, dueAt));
    return Math.max(0, Math.min(this.options.pollMs, ...waits));
  }

  /** Several at a time: their claims and outcomes share commits. */
  private async fillLane(channel: string, dueAt: number): Promise<number> {
    const wait = dueAt - this.clock.now();
    if (wait > 0) return wait;
    if (this.lane(channel).size > PARALLEL / 2) return Infinity;
    const admitted = this.gate.admits(channel);
    if (admitted === 'closed') return Math.max(LOOK_AGAIN, this.gate.triedIn(channel));
    const pace = this.paceOf(channel);
    const allowed = pace?.allowed(performance.now()) ?? Infinity;
    if (allowed < 1) return pace?.wait() ?? 0;
    if (admitted === 'trial') return this.tryChannel(channel, pace);
    const ids = await this.take(channel, Math.min(allowed, PARALLEL - this.lane(channel).size));
    pace?.spend(ids.length);
    return ids.length === 0 ? LOOK_AGAIN : 0;
  }

  private async take(channel: string, count: number): Promise<string[]> {
    const owner = randomUUID();
    const ids = await this.deliveries.claim(owner, channel, count, LEASE);
    for (const id of ids) this.hold(channel, owner, this.service.deliver(id, owner, this.stopping.signal));
    return ids;
  }

  /** Sends one delivery of a closed channel, to see whether it works again. */
  private async tryChannel(channel: string, pace: Pace | undefined): Promise<number> {
    if (!(await this.gate.beginTrial(channel))) return SECOND;
    const owner = randomUUID();
    let id: string | undefined;
    try {
      [id] = await this.deliveries.claim(owner, channel, 1, LEASE);
    } finally {
      await this.gate.tries(channel, id);
    }
    if (id === undefined) return LOOK_AGAIN;
    pace?.spend(1);
    const tried = id;
    const work = this.service.deliver(tried, owner, this.stopping.signal);
    this.hold(
      channel,
      owner,
      work.finally(() => this.gate.trialOver(channel, tried)),
    );
    return Infinity;
  }

  private async fillLookUps(): Promise<number> {
    const free = PARALLEL - this.lane(LOOK_UPS).size;
    if (free <= 0) return Infinity;
    const next = await this.deliveries.nextLookUp();
    if (next === undefined) return Infinity;
    if (next > this.clock.now()) return next - this.clock.now();
    const owner = randomUUID();
    const ids = await this.deliveries.claimUnknown(owner, free, LEASE);
    for (const id of ids) this.hold(LOOK_UPS, owner, this.service.lookUp(id, owner));
    return ids.length === 0 ? LOOK_AGAIN : 0;
  }

  private hold(channel: string, owner: string, work: Promise<unknown>): void {
    const lane = this.lane(channel);
    this.owners.set(owner, (this.owners.get(owner) ?? 0) + 1);
    const held = work
      .catch((error: unknown) => {
        // Nobody holds it any more, and it is rescued.
        this.log.error('delivery.broke', errorFields(error));
      })
      .finally(() => {
        lane.delete(held);
        const left = (this.owners.get(owner) ?? 1) - 1;
        if (left === 0) this.owners.delete(owner);
        else this.owners.set(owner, left);
        this.wake();
      });
    lane.add(held);
  }

  private async renew(): Promise<void> {
    if (this.owners.size === 0) return;
    await this.deliveries.renew([...this.owners.keys()], LEASE).catch((error: unknown) => {
      this.log.warn('deliveries.renew-failed', errorFields(error));
    });
  }

  private async rescue(): Promise<void> {
    this.rescuedAt = performance.now();
    const owner = randomUUID();
    const whose = this.options.alone ? { allBut: [...this.owners.keys()] } : await this.lapsed();
    if (Array.isArray(whose) && whose.length === 0) return;
    for (const { id, attempt } of await this.deliveries.rescue(owner, LEASE, whose)) {
      await this.service.rescued(id, owner, attempt).catch((error: unknown) => {
        // It is rescued again; the others must not wait for that.
        this.log.error('delivery.rescue-broke', { deliveryId: id, ...errorFields(error) });
      });
    }
  }

  /** Leases of dead processes, at most as many as one statement takes well. */
  private async lapsed(): Promise<Lease[]> {
    const others = (await this.deliveries.leases()).filter(({ owner }) => !this.owners.has(owner));
    return this.watch.lapsed(others, performance.now()).slice(0, MOST_LEASES);
  }

  private lane(channel: string): Set<Promise<unknown>> {
    let lane = this.inHand.get(channel);
    if (!lane) this.inHand.set(channel, (lane = new Set()));
    return lane;
  }

  private paceOf(channel: string): Pace | undefined {
    if (!this.paces.has(channel)) this.paces.set(channel, this.options.paceOf(channel));
    return this.paces.get(channel);
  }
}
