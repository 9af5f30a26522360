import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { Channel } from '../channels/channel.js';
import { ChannelsRegistry } from '../channels/channels.registry.service.js';
import type { Message } from '../channels/message.js';
import { Clock } from '../clock.js';
import type { Settings } from '../config/env.js';
import { SETTINGS } from '../config/settings.js';
import { isPrivateHost } from '../config/start-warnings.js';
import { SECOND } from '../duration.js';
import { EventBus } from '../event-bus.service.js';
import { Log } from '../log.service.js';
import { Metrics } from '../metrics.service.js';
import { hoursOf } from '../recipients/directory.js';
import { awakeAt, WAITS } from '../recipients/hours.js';
import { OptOutsStore } from '../recipients/opt-outs.store.js';
import { RecipientsStore } from '../recipients/recipients.store.js';
import {
  decide,
  decideInterrupted,
  DELIVERY_RETRY_POLICY,
  toOutcome,
  type Decision,
  type SendOutcome,
} from '../retry-policy.js';
import { ChannelGate } from './channel-gate.service.js';
import { Deaths, type Died } from './deaths.service.js';
import { DeliveriesStore, type Recorded } from './deliveries.store.js';
import { AT_ONCE, NEVER } from './delivery.js';
import type { AttemptEntity, DeliveryEntity } from './delivery.entity.js';
import { FIRST_LOOK_UP, LookUps } from './look-up.service.js';
import { MessageComposer, storedWith } from './message-composer.service.js';

export type DeliverOutcome = 'sent' | 'retried' | 'dead' | 'unknown' | 'released' | 'suppressed' | 'waiting' | 'lost';

/** One send with its connection must be over by then. */
const SEND_DEADLINE = 30 * SECOND;
/** Code of an attempt whose process died. */
const INTERRUPTED = 'INTERRUPTED';

/** An attempt that is over, and what follows. */
interface Ended {
  delivery: DeliveryEntity;
  owner: string;
  attempt: number | undefined;
  outcome: SendOutcome;
  decision: Decision;
  /** Of this process's monotonic clock, for the log. */
  started: number;
  /** When the vendor is asked whether it has the message, should that be open. */
  lookUpAt: number;
  /** Our own shutdown: ends the patience with a database that does not answer. */
  signal?: AbortSignal | undefined;
}

/** Sends one claimed delivery: render, commit "started", send, commit the outcome. Nothing slow lies between the last two. */
@Injectable()
export class DeliverService {
  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly deliveries: DeliveriesStore,
    private readonly composer: MessageComposer,
    private readonly channels: ChannelsRegistry,
    private readonly recipients: RecipientsStore,
    private readonly gate: ChannelGate,
    private readonly optOuts: OptOutsStore,
    private readonly lookUps: LookUps,
    private readonly deaths: Deaths,
    private readonly clock: Clock,
    private readonly metrics: Metrics,
    private readonly events: EventBus,
    private readonly log: Log,
  ) {}

  /** @param owner the claim that the caller holds; @param signal our own shutdown */
  async deliver(id: string, owner: string, signal: AbortSignal): Promise<DeliverOutcome> {
    const started = performance.now();
    const delivery = await this.deliveries.find(id);
    if (delivery?.leaseOwner !== owner || delivery.state !== 'sending') return 'lost';
    const channel = this.channels.get(delivery.channel);
    const { kind, recipient } = delivery;
    // Of no job is only what asks for consent.
    const asks = delivery.jobId === '';
    const suppression = await this.recipients.suppression(kind, recipient, channel?.sender, asks);
    if (suppression !== undefined) return this.suppress(delivery, owner, suppression);
    const waits = await this.waits(delivery);
    if (waits) return this.postpone(delivery, owner, waits);

    let attempt: number | 'paused' | undefined;
    let outcome: SendOutcome;
    try {
      const { message, stored, ...rendered } = await this.composer.compose(delivery, channel);
      attempt = await this.deliveries.startAttempt(id, owner, { ...rendered, message: stored });
      if (attempt === undefined) return 'lost';
      if (attempt === 'paused') return await this.putBack(delivery, owner, channel, started);
      outcome = await this.send(requireChannel(channel), message, delivery, attempt, signal);
    } catch (error) {
      // Rendering failed, or there is no such channel: the vendor has seen nothing.
      attempt ??= await this.deliveries.startAttempt(id, owner, storedWith(delivery), false);
      if (attempt === undefined) return 'lost';
      if (attempt === 'paused') return this.putBack(delivery, owner, channel, started);
      outcome = toOutcome(error);
    }
    const stored = this.gate.meet(delivery.channel, id, outcome);
    const result = await this.record(delivery, owner, attempt, outcome, channel, started, signal);
    await stored;
    return result;
  }

  /** A person paused the sending, or changed the redaction policy, after the claim: nothing has begun, and the delivery keeps its place. */
  private async putBack(
    delivery: DeliveryEntity,
    owner: string,
    channel: Channel | undefined,
    started: number,
  ): Promise<DeliverOutcome> {
    await this.gate.reread();
    return this.record(delivery, owner, undefined, { kind: 'released' }, channel, started);
  }

  /** Takes back a delivery whose process died. @param attempt the one that had begun: the vendor may have seen it */
  async rescued(id: string, owner: string, attempt: AttemptEntity | undefined): Promise<void> {
    const delivery = await this.deliveries.find(id);
    if (!delivery) return;
    const channel = this.channels.get(delivery.channel);
    const started = performance.now();
    if (attempt === undefined) {
      await this.record(delivery, owner, undefined, { kind: 'released' }, channel, started);
      return;
    }
    const times = interruptions(await this.deliveries.attempts(id), attempt.number);
    const again = times === 1 ? '' : `, ${String(times)} times in a row`;
    const failure = { code: INTERRUPTED, message: `Herald stopped during the send${again}.`, vendorClass: 'AMBIGUOUS' };
    const now = this.clock.now();
    const retried = { ambiguous: channel?.ambiguous ?? 'hold', createdAt: delivery.queuedAt };
    const decision = decideInterrupted({ times, ...failure }, retried, DELIVERY_RETRY_POLICY, now, Math.random);
    const lookUpAt = Math.max(now, attempt.startedAt + FIRST_LOOK_UP);
    const outcome = { kind: 'ambiguous', ...failure } as const;
    await this.commit({ delivery, owner, attempt: attempt.number, outcome, decision, started, lookUpAt });
  }

  /** Asks the vendor whether a send that may have happened did. */
  lookUp(id: string, owner: string): Promise<void> {
    return this.lookUps.lookUp(id, owner);
  }

  private async send(
    channel: Channel,
    message: Message,
    delivery: DeliveryEntity,
    attempt: number,
    shutdown: AbortSignal,
  ): Promise<SendOutcome> {
    if (isAborted(shutdown)) return { kind: 'released' };
    const reportUrl = this.reportUrl(delivery.id);
    try {
      const receipt = await channel.send(message, {
        deliveryId: delivery.id,
        attempt,
        idempotencyKey: delivery.id,
        signal: AbortSignal.any([shutdown, AbortSignal.timeout(SEND_DEADLINE)]),
        ...(reportUrl === undefined ? {} : { reportUrl }),
      });
      return { kind: 'sent', receipt };
    } catch (error) {
      const outcome = toOutcome(error);
      // Our own shutdown broke it off before anything was sent: not held against the delivery.
      return isAborted(shutdown) && outcome.vendorClass === 'NOT_SENT' ? { kind: 'released' } : outcome;
    }
  }

  /** Where Twilio reports to. Not for an address that it could not reach: it would refuse the message for it. */
  private reportUrl(deliveryId: string): string | undefined {
    const { publicUrl, twilio } = this.settings;
    if (publicUrl === undefined) return undefined;
    const reachable = twilio?.baseUrl !== undefined || !isPrivateHost(new URL(publicUrl).hostname);
    return reachable ? `${publicUrl}/reports/twilio/${deliveryId}` : undefined;
  }

  private async record(
    delivery: DeliveryEntity,
    owner: string,
    attempt: number | undefined,
    outcome: SendOutcome,
    channel: Channel | undefined,
    started: number,
    signal?: AbortSignal,
  ): Promise<DeliverOutcome> {
    const now = this.clock.now();
    const retried = {
      attempts: delivery.attemptsCounted,
      createdAt: Math.max(delivery.queuedAt, this.gate.resumedAt(delivery.channel)),
      ambiguous: channel?.ambiguous ?? 'hold',
    } as const;
    const decision = decide(outcome, retried, DELIVERY_RETRY_POLICY, now, Math.random);
    const lookUpAt = now + FIRST_LOOK_UP;
    return this.commit({ delivery, owner, attempt, outcome, decision, started, lookUpAt, signal });
  }

  private async commit(ended: Ended): Promise<DeliverOutcome> {
    const { delivery, owner, attempt, outcome, decision, started } = ended;
    const next = this.recorded(ended, this.clock.now());
    if (outcome.kind === 'released') next.dueAt = Math.min(next.dueAt, delivery.dueAt);
    const failure = 'code' in outcome ? { code: outcome.code, error: outcome.message } : {};
    const end = { outcome: outcome.kind, ...failure };
    const isOptOut = 'vendorClass' in outcome && outcome.vendorClass === 'OPTED_OUT';
    const also = isOptOut
      ? (tx: EntityManager) => this.optOuts.told(tx, delivery, this.channels.get(delivery.channel), outcome.code)
      : undefined;
    const write = (died: Died) => this.deliveries.record(delivery.id, owner, attempt, end, next, died, also);
    const expected = decision.state === 'dead' ? (next.reason ?? '') : undefined;
    const held = await persistently(() => this.deaths.write(delivery, write, expected), ended.signal);
    if (isOptOut) this.optOuts.committed();
    const result = held ? resultOf(decision, outcome) : 'lost';
    this.tell(delivery, attempt, result, failure.code, next, started);
    return result;
  }

  private recorded({ decision, outcome, lookUpAt }: Ended, now: number): Recorded {
    switch (decision.state) {
      case 'sent': {
        const id = outcome.kind === 'sent' ? outcome.receipt.providerMessageId : undefined;
        return {
          state: 'sent',
          reason: null,
          dueAt: NEVER,
          counted: true,
          sentAt: now,
          ...(id === undefined ? {} : { providerMessageId: id }),
        };
      }
      case 'queued': {
        const reason = 'message' in outcome ? `${outcome.code}: ${outcome.message}` : null;
        return { state: 'queued', reason, dueAt: decision.dueAt, counted: decision.counted };
      }
      case 'dead':
        return {
          state: 'dead',
          reason: `${decision.reason}: ${decision.message} (${decision.code})`,
          dueAt: NEVER,
          counted: true,
        };
      case 'unknown':
        return {
          state: 'unknown',
          reason: `may have been sent: ${decision.message} (${decision.code})`,
          dueAt: lookUpAt,
          counted: true,
        };
    }
  }

  /** A channel that was closed, or a retry, may bring a message into the quiet hours of its recipient. */
  private async waits({
    kind,
    recipient,
    urgent,
  }: DeliveryEntity): Promise<Pick<Recorded, 'reason' | 'dueAt'> | undefined> {
    if (urgent === AT_ONCE) return undefined;
    const directory = await this.recipients.directory();
    const contact = directory.contactAt(kind, recipient);
    const hours = contact && hoursOf(contact, directory.timeZone);
    if (!hours) return undefined;
    const { at, why } = awakeAt(this.clock.now(), hours, urgent === 1);
    return why === undefined ? undefined : { reason: WAITS[why], dueAt: at };
  }

  private async postpone(
    delivery: DeliveryEntity,
    owner: string,
    until: Pick<Recorded, 'reason' | 'dueAt'>,
  ): Promise<DeliverOutcome> {
    const next = { state: 'waiting', counted: false, ...until } as const;
    const held = await this.deliveries.record(delivery.id, owner, undefined, { outcome: 'released' }, next);
    return held ? 'waiting' : 'lost';
  }

  private async suppress(delivery: DeliveryEntity, owner: string, reason: string): Promise<DeliverOutcome> {
    const next = { state: 'suppressed', reason: `suppressed: ${reason}`, dueAt: NEVER, counted: false } as const;
    const held = await this.deliveries.record(delivery.id, owner, undefined, { outcome: 'released' }, next);
    return held ? 'suppressed' : 'lost';
  }

  private tell(
    delivery: DeliveryEntity,
    attempt: number | undefined,
    outcome: DeliverOutcome,
    code: string | undefined,
    next: Recorded,
    started: number,
  ): void {
    this.metrics.deliveries.inc({ channel: delivery.channel, outcome });
    this.events.publish({ type: `delivery.${outcome}`, id: delivery.id, jobId: delivery.jobId, state: next.state });
    this.log.info('delivery.attempted', {
      deliveryId: delivery.id,
      jobId: delivery.jobId,
      ruleId: delivery.ruleId,
      channel: delivery.channel,
      attempt,
      outcome,
      code,
      ms: Math.round(performance.now() - started),
      dueAt: next.state === 'queued' ? next.dueAt : undefined,
    });
  }
}

/** As it is now: the compiler would take an earlier look for the last. */
function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}

/**
 * The vendor has answered; an outcome that is not stored would make a sent message look like one that may have been sent. So a database
 * that is away is waited for: ten minutes or until our shutdown after a send, some seconds (without a signal) otherwise.
 */
async function persistently<T>(write: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  for (const pause of [100, 500, ...Array.from({ length: signal ? 300 : 1 }, () => 2 * SECOND)]) {
    try {
      return await write();
    } catch (error) {
      if (signal?.aborted) throw error;
      await sleep(pause, undefined, signal && { signal }).catch(() => undefined);
    }
  }
  return write();
}

/** How often in a row the newest attempts ended with their process; the one that is open counts. */
function interruptions(attempts: AttemptEntity[], open: number): number {
  const before = attempts.filter(({ number }) => number < open).reverse();
  const other = before.findIndex(({ code }) => code !== INTERRUPTED);
  return 1 + (other < 0 ? before.length : other);
}

function resultOf(decision: Decision, outcome: SendOutcome): DeliverOutcome {
  if (outcome.kind === 'released') return 'released';
  return decision.state === 'queued' ? 'retried' : decision.state;
}

function requireChannel(channel: Channel | undefined): Channel {
  if (!channel) throw new Error('unreachable: the composer refuses a delivery without a channel');
  return channel;
}
