import { Inject, Injectable } from '@nestjs/common';
import { ConflictError, NotFoundError } from '../errors.js';
import { EventBus } from '../event-bus.service.js';
import { Log } from '../log.service.js';
import { Metrics } from '../metrics.service.js';
import { LINK_SECRET } from '../transcripts/link.js';
import type { DeliveryEntity } from '../deliveries/delivery.entity.js';
import { readAckToken } from './ack-link.js';
import type { EscalationEntity } from './escalation.entity.js';
import { EscalationsQueryStore } from './escalations.query.store.js';
import { EscalationsStore, type Acknowledger } from './escalations.store.js';

/** What the link in a message leads to. */
export interface BehindLink {
  delivery: DeliveryEntity;
  /** One; several when one message told of several rules. */
  escalations: EscalationEntity[];
}

/** Acknowledging, by the link in a message or over the API. */
@Injectable()
export class Acknowledgements {
  constructor(
    @Inject(LINK_SECRET) private readonly secret: string,
    private readonly escalations: EscalationsStore,
    private readonly queries: EscalationsQueryStore,
    private readonly metrics: Metrics,
    private readonly events: EventBus,
    private readonly log: Log,
  ) {}

  /** Changes nothing. @returns undefined for a link that leads nowhere (any more) */
  async lookUp(token: string): Promise<BehindLink | undefined> {
    const deliveryId = readAckToken(token, this.secret);
    return deliveryId === undefined ? undefined : this.queries.behindLink(deliveryId);
  }

  /** Acknowledges what the link stands for; what was acknowledged before stays as it is. @returns it afterwards */
  async byLink(token: string): Promise<BehindLink | undefined> {
    const found = await this.lookUp(token);
    if (!found) return undefined;
    await this.acknowledge(found.escalations, { deliveryId: found.delivery.id });
    return this.lookUp(token);
  }

  /**
   * @param key name of the API key
   * @returns the escalation, acknowledged now or before
   * @throws NotFoundError; ConflictError when it was stopped
   */
  async byKey(id: string, key: string): Promise<EscalationEntity> {
    await this.acknowledge([await this.find(id)], { key });
    const escalation = await this.find(id);
    if (escalation.state === 'stopped')
      throw new ConflictError(
        `The escalation was stopped (${escalation.reason ?? ''}): there is nothing to acknowledge`,
      );
    return escalation;
  }

  /** @throws NotFoundError */
  async find(id: string): Promise<EscalationEntity> {
    const found = await this.queries.find(id);
    if (!found) throw new NotFoundError('There is no such escalation');
    return found;
  }

  private async acknowledge(escalations: readonly EscalationEntity[], by: Acknowledger): Promise<void> {
    const waiting = escalations.filter(({ state }) => state === 'open' || state === 'exhausted');
    const [first] = waiting;
    if (!first) return;
    const { jobId } = first;
    const done = await this.escalations.acknowledge(
      jobId,
      waiting.map(({ id }) => id),
      by,
    );
    for (const id of done) {
      this.metrics.escalations.inc({ event: 'acknowledged' });
      this.events.publish({ type: 'escalation.acknowledged', id, jobId, state: 'acknowledged' });
      this.log.info('escalation.acknowledged', { escalationId: id, jobId, via: 'key' in by ? 'api' : 'link' });
    }
  }
}
