import { Inject, Injectable } from '@nestjs/common';
import type { Channel, Recipient } from '../channels/channel.js';
import type { Attachment, Message } from '../channels/message.js';
import { Clock } from '../clock.js';
import type { Settings } from '../config/env.js';
import { SETTINGS } from '../config/settings.js';
import { SendRejectedError, TemplateRenderError } from '../errors.js';
import { makeAckToken } from '../escalations/ack-link.js';
import { overdueFacts } from '../jobs/deadline.js';
import { JobsStore } from '../jobs/jobs.store.js';
import { lowerLevel, type ContentLevel } from '../recipients/content-level.js';
import { RecipientsStore } from '../recipients/recipients.store.js';
import type { AttachmentFormat } from '../rules/rule.js';
import type { RenderData } from '../templates/render.js';
import { RenderPool } from '../templates/render-pool.service.js';
import { TemplatesStore } from '../templates/templates.store.js';
import { toFacts, type DeliveryFacts, type Facts } from '../transcripts/facts.js';
import { LINK_SECRET, makeLinkToken } from '../transcripts/link.js';
import type { Transcript } from '../transcripts/transcript.js';
import { TranscriptFiles } from '../transcripts/transcript-files.service.js';
import { TranscriptsStore } from '../transcripts/transcripts.store.js';
import { DeliveriesStore } from './deliveries.store.js';
import { DigestReader } from './digest-reader.service.js';
import { DIGEST, type StoredMessage } from './delivery.js';
import type { DeliveryEntity } from './delivery.entity.js';

/** Of a message that asks for consent: it comes of no job. */
const NO_JOB = { id: '', origin: 'api', tags: {}, options: {} } as const;

export interface Composed {
  message: Message;
  stored: StoredMessage;
  templateVersion: number | null;
}

/** Makes the message of a delivery: rendered once, and the same on every later attempt. */
@Injectable()
export class MessageComposer {
  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    @Inject(LINK_SECRET) private readonly linkSecret: string,
    private readonly jobs: JobsStore,
    private readonly transcripts: TranscriptsStore,
    private readonly files: TranscriptFiles,
    private readonly templates: TemplatesStore,
    private readonly deliveries: DeliveriesStore,
    private readonly digests: DigestReader,
    private readonly recipients: RecipientsStore,
    private readonly renderer: RenderPool,
    private readonly clock: Clock,
  ) {}

  /** @throws TemplateRenderError, RecipientInvalidError, SendRejectedError: nothing was sent, and the same try would fail again */
  async compose(delivery: DeliveryEntity, channel: Channel | undefined): Promise<Composed> {
    if (!channel) {
      const message = `There is no channel "${delivery.channel}" any more`;
      throw new SendRejectedError(message, { vendorCode: 'NO_CHANNEL', vendorClass: 'BUG' });
    }
    const content = await this.levelFor(delivery);
    const recipient = { ...delivery.recipientData, ...channel.parseRecipient(delivery.recipient), content };
    const transcript = await this.transcripts.find(delivery.jobId);
    const attachments = content === 'full' ? await this.attachments(delivery, transcript) : [];
    if (delivery.message) {
      const message = restore(delivery.message, recipient, attachments);
      return { message, stored: delivery.message, templateVersion: delivery.templateVersion };
    }
    return this.render(delivery, channel, recipient, transcript, attachments);
  }

  /** As it was planned, or lower when the person wants less by now. */
  private async levelFor({ kind, recipient, recipientData }: DeliveryEntity): Promise<ContentLevel> {
    const directory = await this.recipients.directory();
    return lowerLevel(recipientData.content, directory.contactAt(kind, recipient)?.content);
  }

  private async render(
    delivery: DeliveryEntity,
    channel: Channel,
    recipient: Recipient & { content: ContentLevel },
    transcript: Transcript | undefined,
    attachments: Attachment[],
  ): Promise<Composed> {
    const template = await this.templates.current(delivery.template);
    if (!template) throw new TemplateRenderError(`There is no template "${delivery.template}" any more`);
    const data = { ...(await this.factsOf(delivery, transcript)), ...this.frame(delivery, recipient) };
    const rendered = await this.renderer.render(template.parts, delivery.kind, data, {
      smsSegments: delivery.previewSegments ?? 1,
    });
    const message = channel.compose(rendered, recipient, attachments);
    return { message, stored: store(message), templateVersion: template.version };
  }

  private async factsOf(
    delivery: DeliveryEntity,
    transcript: Transcript | undefined,
  ): Promise<Facts & Pick<RenderData, 'digest' | 'link'>> {
    if (delivery.jobId === '') return { job: { ...NO_JOB, createdAt: delivery.createdAt } };
    const job = await this.jobs.find(delivery.jobId);
    if (!job) throw new TemplateRenderError('The job of this delivery was deleted');
    if (job.contentDroppedAt !== null)
      throw new TemplateRenderError('The words of this job were dropped by age: there is nothing left to tell');
    const { publicUrl } = this.settings;
    const facts: Facts = toFacts(this.jobs.facts(job), {
      ...(transcript === undefined ? {} : { transcript }),
      ...(job.failure === null ? {} : { failure: job.failure }),
    });
    const about = delivery.aboutDeliveryId === null ? undefined : await this.aboutDelivery(delivery.aboutDeliveryId);
    return {
      ...facts,
      ...(about === undefined ? {} : { delivery: about }),
      ...(job.overdueAt === null ? {} : { overdue: overdueFacts(job, job.overdueAt) }),
      ...(delivery.template === DIGEST ? { digest: await this.digests.read(delivery.id) } : {}),
      ...(publicUrl === undefined ? {} : { link: `${publicUrl}/t/${makeLinkToken(job.id, this.linkSecret)}` }),
    };
  }

  /** What a message knows beside the facts. */
  private frame(
    delivery: DeliveryEntity,
    recipient: Recipient & { content: ContentLevel },
  ): Omit<RenderData, keyof Facts | 'digest' | 'link'> {
    const { publicUrl, brand, timeZone, locale } = this.settings;
    return {
      rule: { name: delivery.ruleName },
      rules: [...new Set([delivery.ruleName, ...delivery.alsoFor.map(({ ruleName }) => ruleName)])],
      matches: delivery.matches,
      recipient: {
        ...(recipient.name === undefined ? {} : { name: recipient.name }),
        locale: recipient.locale ?? locale,
        timeZone: recipient.timeZone ?? timeZone,
        content: recipient.content,
      },
      ...(publicUrl === undefined || delivery.escalationStep === null
        ? {}
        : { ack: `${publicUrl}/a/${makeAckToken(delivery.id, this.linkSecret)}` }),
      brand,
      now: this.clock.now(),
    };
  }

  private async aboutDelivery(id: string): Promise<DeliveryFacts | undefined> {
    const dead = await this.deliveries.find(id);
    return dead ? deliveryFacts(dead, dead.reason ?? '') : undefined;
  }

  private async attachments(delivery: DeliveryEntity, transcript: Transcript | undefined): Promise<Attachment[]> {
    const attachments: Attachment[] = [];
    for (const format of transcript ? delivery.attach : []) {
      const content = transcript && (await this.files.text({ jobId: delivery.jobId, transcript }, format));
      attachments.push(content === undefined ? tooLarge(format) : { filename: `transcript.${format}`, ...content });
    }
    return attachments;
  }
}

/** In the place of a file that no mail server takes; the message itself goes out. */
function tooLarge(format: AttachmentFormat): Attachment {
  return {
    filename: `transcript.${format}.txt`,
    contentType: 'text/plain; charset=utf-8',
    content: 'The transcript is too large to be attached. It can be read under the link in the message.\n',
  };
}

/** What rules and templates see of a delivery that died. */
export function deliveryFacts(delivery: DeliveryEntity, reason: string): DeliveryFacts {
  return { id: delivery.id, channel: delivery.channel, ruleName: delivery.ruleName, reason };
}

function store(message: Message): StoredMessage {
  if (message.kind === 'sms') {
    return { kind: 'sms', text: message.text, segments: message.segments, encoding: message.encoding };
  }
  const { subject, text, html } = message;
  return { kind: 'email', subject, text, html, attachments: message.attachments.map(({ filename }) => filename) };
}

function restore(stored: StoredMessage, recipient: Recipient, attachments: Attachment[]): Message {
  return { ...stored, to: recipient.address, ...(stored.kind === 'email' ? { attachments } : {}) } as Message;
}
