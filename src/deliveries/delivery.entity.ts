import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { ChannelKind, Recipient } from '../channels/channel.js';
import type { ContentLevel } from '../recipients/content-level.js';
import type { Masked } from '../redaction/policy.js';
import type { AttachmentFormat, SpeechMatch } from '../rules/rule.js';
import type { Trigger } from '../transcripts/facts.js';
import type { AlsoFor } from './planned-before.js';
import type { AttemptOutcome, DeliveryState, StoredMessage } from './delivery.js';

/** A stored notification with its own state and retries. Every write after a claim shows the lease owner. */
@Entity('deliveries')
export class DeliveryEntity {
  @PrimaryColumn('text') id!: string;
  @Column('text', { name: 'job_id' }) jobId!: string;
  @Column('text', { name: 'trigger_name' }) trigger!: Trigger | 'consent.asked';
  @Column('text', { name: 'rule_id' }) ruleId!: string;
  @Column('text', { name: 'rule_name' }) ruleName!: string;
  @Column('integer', { name: 'rule_version' }) ruleVersion!: number;
  /** Index of the action in its rule. */
  @Column('integer') action!: number;
  /** The other rules, or actions of its rule, that it speaks for. */
  @Column('simple-json', { name: 'also_for' }) alsoFor!: AlsoFor[];
  @Column('text') channel!: string;
  @Column('text') kind!: ChannelKind;
  /** Normalised address; as the rule gave it when it was refused. */
  @Column('text') recipient!: string;
  @Column('simple-json', { name: 'recipient_data' }) recipientData!: Omit<Recipient, 'address'> & {
    content?: ContentLevel;
  };
  @Column('text') template!: string;
  /** Version that was rendered; null until then. */
  @Column('integer', { name: 'template_version', nullable: true }) templateVersion!: number | null;
  @Column('simple-json') attach!: AttachmentFormat[];
  @Column('integer', { name: 'preview_segments', nullable: true }) previewSegments!: number | null;
  @Column('simple-json') matches!: SpeechMatch[];
  /** For `delivery.dead`: the delivery that died. */
  @Column('text', { name: 'about_delivery_id', nullable: true }) aboutDeliveryId!: string | null;
  /** For `bundled`: the delivery that carries it. */
  @Column('text', { name: 'bundle_id', nullable: true }) bundleId!: string | null;
  /** 1: it waits for no quiet hours and no digest; 2: nor for a snooze (a person sends it). */
  @Column('integer', { default: 0 }) urgent!: number;
  /** Of a rule that escalates: 0 for its own actions, then the step; null for other rules. */
  @Column('integer', { name: 'escalation_step', nullable: true }) escalationStep!: number | null;
  @Column('text') state!: DeliveryState;
  @Column('text', { nullable: true }) reason!: string | null;
  @Column('text', { name: 'dedupe_key' }) dedupeKey!: string;
  @Column('bigint', { name: 'due_at' }) dueAt!: number;
  @Column('text', { name: 'lease_owner', nullable: true }) leaseOwner!: string | null;
  @Column('bigint', { name: 'lease_until', nullable: true }) leaseUntil!: number | null;
  /** Attempts held against this delivery; `attempts_made` counts them all. */
  @Column('integer', { name: 'attempts_counted' }) attemptsCounted!: number;
  @Column('integer', { name: 'attempts_made' }) attemptsMade!: number;
  /** As rendered; the same on every attempt. */
  @Column('simple-json', { nullable: true }) message!: StoredMessage | null;
  /** What the channel's redaction policy masked in the message and its attachments; null where none was in force. */
  @Column('simple-json', { nullable: true }) masked!: Masked[] | null;
  /** Version of that policy. */
  @Column('integer', { name: 'redaction_version', nullable: true }) redactionVersion!: number | null;
  @Column('text', { name: 'provider_message_id', nullable: true }) providerMessageId!: string | null;
  /** When it was planned, or last put back by a person: how long it may be tried is counted from here. */
  @Column('bigint', { name: 'queued_at' }) queuedAt!: number;
  @Column('bigint', { name: 'created_at' }) createdAt!: number;
  @Column('bigint', { name: 'updated_at' }) updatedAt!: number;
  @Column('bigint', { name: 'sent_at', nullable: true }) sentAt!: number | null;
  @Column('bigint', { name: 'delivered_at', nullable: true }) deliveredAt!: number | null;
}

@Entity('attempts')
export class AttemptEntity {
  @PrimaryColumn('text', { name: 'delivery_id' }) deliveryId!: string;
  /** From 1. */
  @PrimaryColumn('integer') number!: number;
  /** Committed before the vendor is called. */
  @Column('bigint', { name: 'started_at' }) startedAt!: number;
  @Column('bigint', { name: 'ended_at', nullable: true }) endedAt!: number | null;
  @Column('text', { nullable: true }) outcome!: AttemptOutcome | null;
  @Column('text', { nullable: true }) code!: string | null;
  @Column('text', { nullable: true }) error!: string | null;
  /** The vendor's id of the message that this attempt made, from its answer, its report or a look-up. */
  @Column('text', { name: 'provider_message_id', nullable: true }) providerMessageId!: string | null;
  /** The vendor's later word on it: `STATUS` or `STATUS:CODE`. */
  @Column('text', { name: 'report_status', nullable: true }) reportStatus!: string | null;
}
