import { Injectable } from '@nestjs/common';
import type { DeliveryReport, FoundMessage } from '../channels/channel.js';
import { ChannelsRegistry } from '../channels/channels.registry.service.js';
import { Clock } from '../clock.js';
import { HOUR, MINUTE, SECOND } from '../duration.js';
import { EventBus } from '../event-bus.service.js';
import { Log } from '../log.service.js';
import { Metrics } from '../metrics.service.js';
import { decide, DELIVERY_RETRY_POLICY } from '../retry-policy.js';
import { Deaths } from './deaths.service.js';
import { DeliveriesStore } from './deliveries.store.js';
import { NEVER } from './delivery.js';
import type { AttemptEntity, DeliveryEntity } from './delivery.entity.js';
import { MessageComposer } from './message-composer.service.js';
import { ReportsStore } from './reports.store.js';
import { MessageTakenError, UnknownStore, type Resolved } from './unknown.store.js';

/** The first look-up after a send that may have happened: before, the vendor need not list it yet. */
export const FIRST_LOOK_UP = MINUTE;
/** Further ones, counted from the start of the send; after the last the delivery is held for a person, or for a report. */
const LOOK_UPS = [2 * MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR];
/** While the vendor cannot be asked nothing is known: asked again every hour, for three days. */
const ASK_AGAIN = HOUR;
const ASK_UNTIL = DELIVERY_RETRY_POLICY.horizonMs;

/** After another delivery, or a send in hand, was found to have made the message. */
const LOOK_AGAIN = 2 * SECOND;

/** `failed`: the vendor could not be asked, which says nothing. */
type Found = FoundMessage | 'absent' | 'unsure' | 'failed';

/** Asks the vendor whether a send that may have happened did. It is sent again only when the vendor surely has no such message. */
@Injectable()
export class LookUps {
  constructor(
    private readonly deliveries: DeliveriesStore,
    private readonly unknowns: UnknownStore,
    private readonly reports: ReportsStore,
    private readonly composer: MessageComposer,
    private readonly channels: ChannelsRegistry,
    private readonly deaths: Deaths,
    private readonly clock: Clock,
    private readonly metrics: Metrics,
    private readonly events: EventBus,
    private readonly log: Log,
  ) {}

  /** @param owner the claim that the caller holds */
  async lookUp(id: string, owner: string): Promise<void> {
    const delivery = await this.deliveries.find(id);
    if (delivery?.leaseOwner !== owner || delivery.state !== 'unknown') return;
    const attempt = (await this.deliveries.attempts(id)).at(-1);
    const found = attempt ? await this.ask(delivery, attempt) : 'unsure';
    const next = this.resolved(delivery, attempt?.startedAt ?? delivery.updatedAt, found);
    try {
      const write = (died: Parameters<UnknownStore['resolve']>[3]) => this.unknowns.resolve(id, owner, next, died);
      const expected = next.state === 'dead' ? (next.reason ?? '') : undefined;
      if (!(await this.deaths.write(delivery, write, expected))) return;
      this.tell(delivery, next);
      // Its status callback may be lost as its answer was.
      if (attempt && typeof found === 'object' && isFinal(found.report)) {
        await this.reports.apply(id, attempt.number, found.report);
      }
    } catch (error) {
      if (!(error instanceof MessageTakenError)) throw error;
      // A later look sees whose message it is.
      const dueAt = this.clock.now() + LOOK_AGAIN;
      await this.unknowns.resolve(id, owner, { state: 'unknown', reason: delivery.reason, dueAt });
    }
  }

  private async ask(delivery: DeliveryEntity, attempt: AttemptEntity): Promise<Found> {
    const channel = this.channels.get(delivery.channel);
    if (!channel?.lookup || !delivery.message) return 'unsure';
    try {
      const message = this.composer.sent(delivery, delivery.message, channel);
      const taken = await this.unknowns.taken(delivery.recipient, attempt);
      return await channel.lookup(message, { deliveryId: delivery.id, startedAt: attempt.startedAt, taken });
    } catch {
      return 'failed';
    }
  }

  private resolved(delivery: DeliveryEntity, startedAt: number, found: Found): Resolved {
    if (typeof found === 'object') {
      const { providerMessageId } = found;
      return {
        state: 'sent',
        reason: 'found at the vendor',
        dueAt: NEVER,
        sentAt: startedAt,
        ...(providerMessageId === undefined ? {} : { providerMessageId }),
      };
    }
    if (found === 'absent') return this.sentAgain(delivery);
    const now = this.clock.now();
    const next = LOOK_UPS.map((wait) => startedAt + wait).find((at) => at > now);
    const later = found === 'failed' && now < startedAt + ASK_UNTIL ? now + ASK_AGAIN : NEVER;
    return { state: 'unknown', reason: delivery.reason, dueAt: next ?? later };
  }

  /** As after a send that failed: later and later, and not for ever. */
  private sentAgain(delivery: DeliveryEntity): Resolved {
    const failure = { code: 'ABSENT', message: 'not at the vendor', vendorClass: 'NOT_SENT' };
    const decision = decide(
      { kind: 'deferred', counts: true, ...failure },
      { attempts: delivery.attemptsCounted - 1, createdAt: delivery.queuedAt, ambiguous: 'hold' },
      DELIVERY_RETRY_POLICY,
      this.clock.now(),
      Math.random,
    );
    if (decision.state === 'queued') {
      return { state: 'queued', reason: 'not at the vendor; sent again', dueAt: decision.dueAt };
    }
    return { state: 'dead', reason: 'exhausted: not at the vendor (ABSENT)', dueAt: NEVER };
  }

  private tell({ id, jobId, channel }: DeliveryEntity, { state, dueAt }: Resolved): void {
    const held = state === 'unknown' && dueAt === NEVER;
    const outcome = held ? 'unknown-held' : state;
    if (state !== 'unknown' || held) {
      this.metrics.deliveries.inc({ channel, outcome });
      this.events.publish({ type: `delivery.${outcome}`, id, jobId, state });
    }
    this.log.info('delivery.looked-up', { deliveryId: id, jobId, channel, outcome, dueAt: held ? undefined : dueAt });
  }
}

function isFinal(report: DeliveryReport | undefined): report is DeliveryReport {
  return report !== undefined && report.status !== 'sending' && report.status !== 'sent';
}
