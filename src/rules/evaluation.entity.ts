import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { Trigger } from '../transcripts/facts.js';
import type { Evaluation } from './rule.js';

/** In one word; `skipped`: an earlier rule with `stop` had matched. */
export type EvaluationOutcome = 'matched' | 'failed' | 'unmatched' | 'skipped';

/** What one rule made of one job, with its explanation; stored for rules that did not match too. */
@Entity('evaluations')
export class EvaluationEntity {
  @PrimaryColumn('text') id!: string;
  @Column('text', { name: 'job_id' }) jobId!: string;
  @Column('text', { name: 'callback_id', nullable: true }) callbackId!: string | null;
  @Column('text', { name: 'trigger_name' }) trigger!: Trigger;
  @Column('text', { name: 'rule_id' }) ruleId!: string;
  @Column('text', { name: 'rule_name' }) ruleName!: string;
  @Column('integer', { name: 'rule_version' }) ruleVersion!: number;
  @Column('boolean') matched!: boolean;
  @Column('text') outcome!: EvaluationOutcome;
  @Column('simple-json') data!: Evaluation;
  /** Recipients that a matching rule named and that could not be used, with the reason. */
  @Column('simple-json') skipped!: { action: number; to: string; reason: string }[];
  @Column('bigint', { name: 'created_at' }) createdAt!: number;
}
