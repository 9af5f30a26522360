import { Injectable, type BeforeApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import type { ChannelState, ClosedBy } from '../channels/channel-state.js';
import { ChannelStates } from '../channels/channel-states.service.js';
import { ChannelsRegistry } from '../channels/channels.registry.service.js';
import { Clock } from '../clock.js';
import { MINUTE } from '../duration.js';
import { EventBus } from '../event-bus.service.js';
import { errorFields, Log } from '../log.service.js';
import { Metrics } from '../metrics.service.js';
import type { SendOutcome } from '../retry-policy.js';
import { ALL_CHANNELS, ChannelStatesStore, type StoredState } from './channel-states.store.js';
import { BREAKER_FAILURES, breakerPause, LONGEST_TRIAL, signalOf, trialAfter, type Signal } from './gate-policy.js';

/** How often pauses that another replica stored are looked for. */
const REFRESH_EVERY = 500;
/** A trial whose process died is due again after this. */
const TRIAL_LEASE = 2 * MINUTE;
const UNCLAIMED = 'unclaimed';

interface Closure {
  since: number;
  until: number;
  /** From `since` to `until`: a clock that was set back must not make it longer. */
  forMs: number;
  code: string;
  reason: string;
}

/** What this process knows of one channel. */
interface Lane {
  /** Sends in a row that the vendor did not answer. */
  silent: number;
  /** How often the breaker opened without a success between. */
  openings: number;
  throttled?: Closure | undefined;
  breaker?: Closure | undefined;
  /** The delivery that tries whether the channel works; UNCLAIMED until there is one. */
  trial?: string | undefined;
}

/**
 * Says which channels may send. A closed one is tried with one delivery at a time; the first that goes through opens it. What waits
 * behind a closed channel is not attempted, is not counted, and keeps its due time.
 */
@Injectable()
export class ChannelGate implements OnModuleInit, BeforeApplicationShutdown {
  private readonly lanes = new Map<string, Lane>();
  private stored = new Map<string, StoredState>();
  private opened: () => void = () => undefined;
  private timer: NodeJS.Timeout | undefined;
  private reading: Promise<void> = Promise.resolve();

  constructor(
    private readonly store: ChannelStatesStore,
    private readonly channels: ChannelsRegistry,
    private readonly clock: Clock,
    private readonly events: EventBus,
    private readonly log: Log,
    metrics: Metrics,
    shown: ChannelStates,
  ) {
    shown.readFrom(() => this.states());
    metrics.watchChannels(() => this.states());
  }

  async onModuleInit(): Promise<void> {
    await this.refresh();
    // Credentials come from the environment, so a start is when they may have been mended: tried at once.
    for (const { name } of this.channels.all()) await this.giveBack(name);
    if (!this.store.shared) return;
    this.timer = setInterval(() => {
      this.refresh().catch((error: unknown) => {
        // The last known state holds; without the database nothing is sent anyway.
        this.log.warn('channels.refresh-failed', errorFields(error));
      });
    }, REFRESH_EVERY);
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.reading;
  }

  /** Told when something that waited may go. */
  onOpen(listener: () => void): void {
    this.opened = listener;
  }

  /** Every channel, in the order of the registry. */
  states(): ChannelState[] {
    return this.channels.all().map(({ name }) => this.state(name));
  }

  /** The kill switch. */
  sending(): { paused: boolean; since?: number; by?: string; reason?: string } {
    const all = this.pauseOf(ALL_CHANNELS);
    if (!all) return { paused: false };
    return {
      paused: true,
      since: all.pausedAt,
      by: all.actor ?? '',
      ...(all.reason !== null && { reason: all.reason }),
    };
  }

  /** @returns `trial` when one delivery may go, after {@link beginTrial} */
  admits(channel: string): 'open' | 'trial' | 'closed' {
    const own = this.pauseOf(channel);
    if (this.pauseOf(ALL_CHANNELS) !== undefined || (own && !own.byVendor)) return 'closed';
    const { trial, throttled, breaker } = this.lane(channel);
    if (!own && !throttled && !breaker) return 'open';
    if (trial !== undefined) return 'closed';
    const now = this.clock.now();
    const waits = [throttled, breaker].some((closure) => closure && isAhead(closure.until, closure.forMs, now));
    return waits || (own && isAhead(own.trialAt ?? 0, LONGEST_TRIAL, now)) ? 'closed' : 'trial';
  }

  /** Milliseconds until a closed channel may be tried; Infinity when that is not a matter of time. */
  triedIn(channel: string): number {
    const own = this.pauseOf(channel);
    const { trial, throttled, breaker } = this.lane(channel);
    if (this.pauseOf(ALL_CHANNELS) || (own && !own.byVendor) || trial !== undefined) return Infinity;
    const now = this.clock.now();
    return Math.max(0, ...[own?.trialAt, throttled?.until, breaker?.until].map((at) => (at ?? now) - now));
  }

  /** Takes the trial for this process. @returns false when another replica was faster, or somebody closed the channel */
  async beginTrial(channel: string): Promise<boolean> {
    const lane = this.lane(channel);
    const own = this.pauseOf(channel);
    lane.trial = UNCLAIMED;
    if (!own) return true;
    const again = this.clock.now() + TRIAL_LEASE;
    let taken = false;
    try {
      taken = await this.store.takeTrial(channel, own.trialAt ?? 0, again);
    } finally {
      // A database that fails here must not leave the channel with a trial that nobody makes.
      if (taken) own.trialAt = again;
      else lane.trial = undefined;
    }
    return taken;
  }

  /** Which delivery the trial is; undefined: none was there to try with. */
  async tries(channel: string, deliveryId: string | undefined): Promise<void> {
    this.lane(channel).trial = deliveryId;
    if (deliveryId === undefined) await this.giveBack(channel);
  }

  /** The trial ended without a word of the vendor's: another delivery may try at once. Does nothing for others. */
  async trialOver(channel: string, deliveryId: string): Promise<void> {
    const lane = this.lane(channel);
    if (lane.trial !== deliveryId) return;
    lane.trial = undefined;
    await this.giveBack(channel);
  }

  /** Learns from the end of a send. The memory changes before the first wait; resolves when a pause is stored. Never rejects. */
  async meet(channel: string, deliveryId: string, outcome: SendOutcome): Promise<void> {
    const signal = signalOf(outcome);
    if (signal.kind === 'nothing') return;
    const lane = this.lane(channel);
    const isTrial = lane.trial === deliveryId;
    if (isTrial) lane.trial = undefined;
    const before = this.state(channel);
    const stored = this.learn(channel, lane, signal, isTrial);
    this.tell(before, this.state(channel));
    await stored?.catch((error: unknown) => {
      this.log.error('channels.state-not-stored', { channel, ...errorFields(error) });
    });
  }

  /**
   * The vendor's later word (a report) that every message will be refused: pauses the channel as a refused send does.
   * @param reason for people, without addresses
   */
  async refused(channel: string, code: string, reason: string): Promise<void> {
    await this.meet(channel, '', { kind: 'deferred', counts: false, code, message: reason, vendorClass: 'CONFIG' });
  }

  /** @param channel a name, or `*` for all sending */
  async pause(channel: string, actor: string, reason: string | undefined): Promise<void> {
    await this.change(channel, () => this.store.pause(channel, actor, reason));
  }

  /** Opens whatever closed it: a person, the vendor, a throttle, the breaker. What waits is sent at once. */
  async resume(channel: string, actor: string): Promise<void> {
    await this.change(channel, () => this.store.resume(channel, actor));
  }

  /** Somebody has changed what is stored: reads it now. */
  async reread(): Promise<void> {
    await this.refresh();
  }

  /** The time in which Herald itself held a channel back is not held against a delivery: its age counts from here at the earliest. */
  resumedAt(channel: string): number {
    return Math.max(...[channel, ALL_CHANNELS].map((name) => this.stored.get(name)?.updatedAt ?? 0));
  }

  private async change(channel: string, write: () => Promise<void>): Promise<void> {
    const names = channel === ALL_CHANNELS ? this.channels.all().map(({ name }) => name) : [channel];
    const before = names.map((name) => this.state(name));
    await write();
    await this.refresh();
    for (const state of before) this.tell(state, this.state(state.channel));
  }

  private learn(channel: string, lane: Lane, signal: Signal, isTrial: boolean): Promise<void> | undefined {
    const own = this.pauseOf(channel);
    const now = this.clock.now();
    switch (signal.kind) {
      case 'works':
        Object.assign(lane, { silent: 0, openings: 0, breaker: undefined });
        if (!isTrial) return undefined;
        lane.throttled = undefined;
        if (own?.byVendor !== true) return undefined;
        this.forget(channel);
        return this.store.resumeFromVendor(channel);
      case 'silent':
        lane.silent += 1;
        if (isTrial || lane.silent === BREAKER_FAILURES) this.openBreaker(lane, signal, now);
        return isTrial ? this.failTrial(own, now, signal) : undefined;
      case 'throttled':
        lane.silent = 0;
        lane.throttled = closure(signal, now, signal.forMs);
        return isTrial && own ? this.store.trialEnded(channel, now, undefined) : undefined;
      case 'refused':
        lane.silent = 0;
        if (own) return isTrial ? this.failTrial(own, now, signal) : undefined;
        Object.assign(lane, { breaker: undefined, throttled: undefined });
        return this.closeByVendor(channel, signal, now);
      case 'nothing':
        return undefined;
    }
  }

  private openBreaker(lane: Lane, fault: { code: string; reason: string }, now: number): void {
    lane.breaker = {
      ...closure(fault, now, breakerPause(lane.openings, Math.random)),
      since: lane.breaker?.since ?? now,
    };
    lane.openings += 1;
  }

  private failTrial(own: StoredState | undefined, now: number, fault: { code: string; reason: string }) {
    if (own?.byVendor !== true) return undefined;
    own.trials += 1;
    own.trialAt = now + trialAfter(own.trials);
    return this.store.trialEnded(own.channel, own.trialAt, fault);
  }

  private closeByVendor(channel: string, { code, reason }: { code: string; reason: string }, now: number) {
    const trialAt = now + trialAfter(0);
    const paused = { pausedAt: now, byVendor: true, actor: null, code, reason, trialAt, trials: 0, updatedAt: now };
    this.stored.set(channel, { channel, ...paused });
    return this.store.pauseByVendor(channel, code, reason, trialAt);
  }

  private async giveBack(channel: string): Promise<void> {
    const own = this.pauseOf(channel);
    if (own?.byVendor !== true) return;
    own.trialAt = this.clock.now();
    await this.store.trialEnded(channel, own.trialAt, undefined);
  }

  /** One read after the other, so that an old answer never replaces a newer one. */
  private refresh(): Promise<void> {
    const next = this.reading.then(() => this.load());
    this.reading = next.catch(() => undefined);
    return next;
  }

  private async load(): Promise<void> {
    const found = new Map((await this.store.all()).map((state) => [state.channel, state]));
    const before = this.stored;
    this.stored = found;
    let resumed = false;
    for (const [channel, state] of found) {
      const known = before.get(channel);
      if (state.pausedAt !== null || known?.updatedAt === state.updatedAt) continue;
      resumed = true;
      // A person's word also ends what each replica closed by itself.
      if (state.actor !== null) this.lanes.delete(channel);
    }
    if (resumed) this.opened();
  }

  private state(channel: string): ChannelState {
    const { throttled, breaker } = this.lane(channel);
    const all = this.pauseOf(ALL_CHANNELS);
    const own = this.pauseOf(channel);
    if (all) return { ...shownPause(channel, 'kill-switch', all) };
    if (own) return { ...shownPause(channel, own.byVendor ? 'vendor' : 'operator', own) };
    if (throttled) return shownClosure(channel, 'throttled', throttled);
    if (breaker) return shownClosure(channel, 'breaker', breaker);
    return { channel, open: true };
  }

  private tell(before: ChannelState, after: ChannelState): void {
    if (before.cause === after.cause) return;
    const { channel, open, cause, code } = after;
    this.events.publish({ type: open ? 'channel.resumed' : 'channel.paused', id: channel, state: cause ?? 'open' });
    if (open) this.log.info('channel.resumed', { channel, cause: before.cause });
    else this.log.warn('channel.paused', { channel, cause, code });
    if (open) this.opened();
  }

  private pauseOf(channel: string): (StoredState & { pausedAt: number }) | undefined {
    const state = this.stored.get(channel);
    return state && isPaused(state) ? state : undefined;
  }

  private forget(channel: string): void {
    const state = this.stored.get(channel);
    if (state)
      this.stored.set(channel, {
        ...state,
        pausedAt: null,
        byVendor: false,
        trialAt: null,
        updatedAt: this.clock.now(),
      });
  }

  private lane(channel: string): Lane {
    let lane = this.lanes.get(channel);
    if (!lane) this.lanes.set(channel, (lane = { silent: 0, openings: 0 }));
    return lane;
  }
}

function isPaused(state: StoredState): state is StoredState & { pausedAt: number } {
  return state.pausedAt !== null;
}

/** Whether a time is still to come; a clock that was set back does not put it off for longer than it was meant for. */
function isAhead(at: number, longest: number, now: number): boolean {
  return at > now && at - now <= longest;
}

function closure({ code, reason }: { code: string; reason: string }, now: number, forMs: number): Closure {
  return { since: now, until: now + forMs, forMs, code, reason };
}

function shownPause(channel: string, cause: ClosedBy, pause: StoredState & { pausedAt: number }): ChannelState {
  return {
    channel,
    open: false,
    cause,
    since: pause.pausedAt,
    ...(pause.code !== null && { code: pause.code }),
    ...(pause.reason !== null && { reason: pause.reason }),
    ...(pause.trialAt !== null && { until: pause.trialAt }),
  };
}

function shownClosure(channel: string, cause: ClosedBy, { since, until, code, reason }: Closure): ChannelState {
  return { channel, open: false, cause, since, code, reason, until };
}
