import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { ChannelsRegistry } from '../channels/channels.registry.service.js';
import { UnprocessableError } from '../errors.js';
import { Ids } from '../ids.service.js';
import { ConsentsStore } from '../recipients/consents.store.js';
import type { ConsentEntity } from '../recipients/contact.entity.js';
import { CapsStore } from './caps.store.js';
import { DISPATCHER, type DeliveryDispatcher } from './delivery-dispatcher.js';
import { NEVER } from './delivery.js';
import { DeliveryEntity } from './delivery.entity.js';

const TEMPLATE = 'consent-invitation';

/** Asks people by text message whether they want text messages: a delivery like any other, that comes of no job and no rule. */
@Injectable()
export class Invitations implements OnModuleInit {
  constructor(
    @Inject(DISPATCHER) private readonly dispatcher: DeliveryDispatcher,
    private readonly consents: ConsentsStore,
    private readonly channels: ChannelsRegistry,
    private readonly caps: CapsStore,
    private readonly ids: Ids,
  ) {}

  onModuleInit(): void {
    this.consents.onAsked((tx, consent) => this.enqueue(tx, consent));
  }

  /** @throws UnprocessableError without a channel for SMS; RecipientInvalidError for a country that is not allowed */
  private async enqueue(tx: EntityManager, consent: ConsentEntity): Promise<() => void> {
    const channel = this.channels.all().find(({ kind }) => kind === 'sms');
    if (!channel) throw new UnprocessableError('No channel sends SMS');
    channel.permit?.(channel.parseRecipient(consent.address));
    const one = { channel: channel.name, kind: 'sms', to: consent.address, state: 'queued' } as const;
    const caps = await this.caps.open(tx, [one]);
    const held = caps.over(one);
    const { createdAt } = consent;
    await tx.insert(DeliveryEntity, {
      id: this.ids.next(),
      jobId: '',
      trigger: 'consent.asked',
      ruleId: '',
      ruleName: TEMPLATE,
      ruleVersion: 0,
      action: 0,
      channel: channel.name,
      kind: 'sms',
      recipient: consent.address,
      recipientData: {},
      template: TEMPLATE,
      attach: [],
      alsoFor: [],
      matches: [],
      state: held === undefined ? 'queued' : 'held',
      reason: held ?? null,
      dedupeKey: `consent:${consent.id}`,
      dueAt: held === undefined ? createdAt : NEVER,
      attemptsCounted: 0,
      attemptsMade: 0,
      queuedAt: createdAt,
      createdAt,
      updatedAt: createdAt,
    });
    if (held === undefined) caps.count(one);
    await caps.close();
    return () => {
      this.dispatcher.wake();
    };
  }
}
