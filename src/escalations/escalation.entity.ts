import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { Trigger } from '../transcripts/facts.js';
import type { EscalationState, StepTaken } from './escalation.js';

/** A rule with steps that matched: how far it has come, and who acknowledged it. */
@Entity('escalations')
export class EscalationEntity {
  @PrimaryColumn('text') id!: string;
  @Column('text', { name: 'job_id' }) jobId!: string;
  /** What the rule fired for; unique with the rule. */
  @Column('text') subject!: string;
  /** For `delivery.dead`: the delivery that died. */
  @Column('text', { name: 'about_delivery_id', nullable: true }) aboutDeliveryId!: string | null;
  @Column('text', { name: 'trigger_name' }) trigger!: Trigger;
  @Column('text', { name: 'rule_id' }) ruleId!: string;
  @Column('text', { name: 'rule_name' }) ruleName!: string;
  /** The version that matched: its steps are taken, whatever the rule says by then. */
  @Column('integer', { name: 'rule_version' }) ruleVersion!: number;
  @Column('text') state!: EscalationState;
  /** Why it was stopped. */
  @Column('text', { nullable: true }) reason!: string | null;
  /** The last step that was taken; 0: only the rule's own actions. */
  @Column('integer') step!: number;
  @Column('integer') steps!: number;
  @Column('bigint', { name: 'next_at', nullable: true }) nextAt!: number | null;
  @Column('simple-json') history!: StepTaken[];
  @Column('bigint', { name: 'opened_at' }) openedAt!: number;
  @Column('bigint', { name: 'updated_at' }) updatedAt!: number;
  @Column('bigint', { name: 'acknowledged_at', nullable: true }) acknowledgedAt!: number | null;
  /** Name of the API key; null when it was acknowledged by the link. */
  @Column('text', { name: 'acknowledged_by', nullable: true }) acknowledgedBy!: string | null;
  /** The delivery whose link was used. */
  @Column('text', { name: 'acknowledged_delivery_id', nullable: true }) acknowledgedDeliveryId!: string | null;
}
