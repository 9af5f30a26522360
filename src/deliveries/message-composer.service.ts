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
import { Policies, type PolicyInForce } from '../redaction/policies.service.js';
import { sumOf, type AppliedPolicy, type Masked } from '../redaction/policy.js';
import { Redactor } from '../redaction/redactor.service.js';
import type { AttachmentFormat } from '../rules/rule.js';
import type { RenderData } from '../templates/render.js';
import { MessageRenderer } from '../templates/message-renderer.service.js';
import { TemplatesStore } from '../templates/templates.store.js';
import { toFacts, type DeliveryFacts, type Facts } from '../transcripts/facts.js';
import { LINK_SECRET, makeLinkToken } from '../transcripts/link.js';
import type { Transcript } from '../transcripts/transcript.js';
import { TranscriptFiles } from '../transcripts/transcript-files.service.js';
import { TranscriptsStore } from '../transcripts/transcripts.store.js';
import { DeliveriesStore } from './deliveries.store.js';
import { DigestReader } from './digest-reader.service.js';
import { DIGEST, type RenderedDelivery, type StoredMessage, type StoredRedaction } from './delivery.js';
import type { DeliveryEntity } from './delivery.entity.js';

/** Of a message that asks for consent: it comes of no job. */
const NO_JOB = { id: '', origin: 'api', tags: {}, options: {} } as const;

export interface Composed {
  message: Message;
  stored: StoredMessage;
  templateVersion: number | null;
  redaction: StoredRedaction | null;
}

/**
 * Makes the message of a delivery: rendered once, and the same on every later attempt, unless the redaction policy of its channel was
 * changed in between: nothing goes out past the policy in force.
 */
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
    private readonly renderer: MessageRenderer,
    private readonly policies: Policies,
    private readonly redactor: Redactor,
    private readonly clock: Clock,
  ) {}

  /** @throws TemplateRenderError, RedactionError, RecipientInvalidError, SendRejectedError: nothing was sent, and the same try would fail again */
  async compose(delivery: DeliveryEntity, channel: Channel | undefined): Promise<Composed> {
    if (!channel) {
      const message = `There is no channel "${delivery.channel}" any more`;
      throw new SendRejectedError(message, { vendorCode: 'NO_CHANNEL', vendorClass: 'BUG' });
    }
    const content = await this.levelFor(delivery);
    const recipient = { ...delivery.recipientData, ...channel.parseRecipient(delivery.recipient), content };
    const transcript = await this.transcripts.find(delivery.jobId);
    const inForce = await this.policies.inForce(channel.name);
    if (!delivery.message || (inForce && inForce.version !== delivery.redactionVersion)) {
      return this.render(delivery, channel, recipient, transcript, inForce);
    }
    const policy = inForce && (await this.policies.applied(inForce, { ...(transcript && { transcript }), recipient }));
    const { attachments } = await this.attachments(delivery, transcript, content, policy);
    const message = restore(delivery.message, recipient, attachments);
    return { ...storedWith(delivery), message, stored: delivery.message };
  }

  /** The message of the last attempt, without its attachments: for whoever asks whether it was sent. */
  sent(delivery: DeliveryEntity, stored: StoredMessage, channel: Channel): Message {
    return restore(stored, { ...delivery.recipientData, ...channel.parseRecipient(delivery.recipient) }, []);
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
    inForce: PolicyInForce | undefined,
  ): Promise<Composed> {
    const template = await this.templates.current(delivery.template);
    if (!template) throw new TemplateRenderError(`There is no template "${delivery.template}" any more`);
    const known = { ...(transcript && { transcript }), recipient };
    const policy = inForce && (await this.policies.applied(inForce, known));
    const data = { ...(await this.factsOf(delivery, transcript, policy)), ...this.frame(delivery, recipient) };
    const { rendered, redaction } = await this.renderer.renderUnder(policy, template.parts, delivery.kind, data, {
      smsSegments: delivery.previewSegments ?? 1,
    });
    const { attachments, masked } = await this.attachments(delivery, transcript, recipient.content, policy);
    const message = channel.compose(rendered, recipient, attachments);
    return {
      message,
      stored: store(message),
      templateVersion: template.version,
      redaction: redaction ? { ...redaction, masked: sumOf(redaction.masked, masked) } : null,
    };
  }

  private async factsOf(
    delivery: DeliveryEntity,
    transcript: Transcript | undefined,
    policy: AppliedPolicy | undefined,
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
      ...(delivery.template === DIGEST ? { digest: await this.digests.read(delivery.id, policy) } : {}),
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

  private async attachments(
    delivery: DeliveryEntity,
    transcript: Transcript | undefined,
    content: ContentLevel,
    policy: AppliedPolicy | undefined,
  ): Promise<{ attachments: Attachment[]; masked: Masked[] }> {
    const attachments: Attachment[] = [];
    const all: Masked[] = [];
    for (const format of transcript && content === 'full' ? delivery.attach : []) {
      const { masked = [], ...file } =
        (transcript && (await this.file(delivery.jobId, transcript, format, policy))) ?? {};
      all.push(...masked);
      attachments.push('content' in file ? { filename: `transcript.${format}`, ...file } : tooLarge(format));
    }
    return { attachments, masked: sumOf(all) };
  }

  /** @returns undefined when it is larger than mail servers take */
  private file(
    jobId: string,
    transcript: Transcript,
    format: AttachmentFormat,
    policy: AppliedPolicy | undefined,
  ): Promise<{ contentType: string; content: string; masked?: Masked[] } | undefined> {
    const of = { jobId, transcript };
    return policy ? this.redactor.file(policy, of, format) : this.files.text(of, format);
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

/** What a delivery holds of its rendering. */
export function storedWith(delivery: DeliveryEntity): RenderedDelivery {
  const { message, templateVersion, masked, redactionVersion: version } = delivery;
  return { message, templateVersion, redaction: version === null ? null : { version, masked: masked ?? [] } };
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
