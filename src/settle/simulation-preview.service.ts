import { Injectable } from '@nestjs/common';
import { ChannelsRegistry } from '../channels/channels.registry.service.js';
import type { StoredMessage } from '../deliveries/delivery.js';
import type { DeliveryEntity } from '../deliveries/delivery.entity.js';
import { alsoForOf } from '../deliveries/planned-before.js';
import { MessageComposer } from '../deliveries/message-composer.service.js';
import { HeraldError } from '../errors.js';
import type { Notification } from '../rules/plan.js';
import type { Trigger } from '../transcripts/facts.js';
import { wellFormed } from '../transcripts/preview.js';
import type { ShownMessage } from './simulation.schema.js';

/** Characters of a message that are shown. */
const TEXT_MAX = 1_000;

export type MessagePreview = Pick<ShownMessage, 'preview' | 'problem'>;

/** Renders what a simulation plans, as the delivery would be rendered now. */
@Injectable()
export class SimulationPreview {
  constructor(
    private readonly composer: MessageComposer,
    private readonly channels: ChannelsRegistry,
  ) {}

  /** @returns nothing for what would not be sent; `problem` for what cannot be rendered */
  async of(notification: Notification, source: { jobId: string; trigger: Trigger }): Promise<MessagePreview> {
    if (notification.state === 'dead' || notification.state === 'suppressed') return {};
    try {
      const delivery = asDelivery(notification, source);
      const { stored, redaction } = await this.composer.compose(delivery, this.channels.get(notification.channel));
      return { preview: { ...previewOf(stored), ...(redaction && { masked: redaction.masked }) } };
    } catch (error) {
      // Its message is for people and names no address.
      if (error instanceof HeraldError) return { problem: error.message };
      throw error;
    }
  }
}

function previewOf(stored: StoredMessage): NonNullable<ShownMessage['preview']> {
  const cut = stored.text.length > TEXT_MAX;
  return {
    ...(stored.kind === 'email' && { subject: stored.subject }),
    text: cut ? `${wellFormed(stored.text.slice(0, TEXT_MAX))}\u2026` : stored.text,
    ...(stored.kind === 'sms' && { segments: stored.segments }),
    cut,
  };
}

/** A delivery that is never stored. Attachments are left out: their contents would be made only to be thrown away. */
function asDelivery(
  notification: Notification,
  { jobId, trigger }: { jobId: string; trigger: Trigger },
): DeliveryEntity {
  const { recipient, to, previewSegments, dueAt } = notification;
  return {
    // As long as a real one: a link that is made of it takes its room in an SMS.
    id: '00000000-0000-7000-8000-000000000000',
    jobId,
    trigger,
    ruleId: notification.ruleId,
    ruleName: notification.ruleName,
    ruleVersion: notification.ruleVersion,
    action: notification.action,
    alsoFor: alsoForOf(notification),
    channel: notification.channel,
    kind: notification.kind,
    recipient: to,
    recipientData: recipient,
    template: notification.template,
    templateVersion: null,
    attach: [],
    previewSegments: previewSegments ?? null,
    matches: notification.matches,
    aboutDeliveryId: null,
    escalationStep: notification.step ?? null,
    bundleId: null,
    urgent: notification.urgent === true ? 1 : 0,
    state: 'queued',
    reason: null,
    dedupeKey: notification.dedupeKey,
    dueAt,
    leaseOwner: null,
    leaseUntil: null,
    attemptsCounted: 0,
    attemptsMade: 0,
    message: null,
    masked: null,
    redactionVersion: null,
    providerMessageId: null,
    queuedAt: dueAt,
    createdAt: dueAt,
    updatedAt: dueAt,
    sentAt: null,
    deliveredAt: null,
  };
}
