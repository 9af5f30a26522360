import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { RuleDefinition } from './rule.js';

@Entity('rules')
export class RuleEntity {
  @PrimaryColumn('text') id!: string;
  @Column('text') name!: string;
  @Column('integer') version!: number;
  @Column('simple-json') definition!: RuleDefinition;
  @Column('bigint', { name: 'created_at' }) createdAt!: number;
  @Column('bigint', { name: 'updated_at' }) updatedAt!: number;
}

/** Every save of a rule; `definition` null is the version that deleted it. */
@Entity('rule_versions')
export class RuleVersionEntity {
  @PrimaryColumn('text', { name: 'rule_id' }) ruleId!: string;
  @PrimaryColumn('integer') version!: number;
  @Column('simple-json', { nullable: true }) definition!: RuleDefinition | null;
  @Column('text') author!: string;
  /** Why it was saved. */
  @Column('text', { nullable: true }) comment!: string | null;
  @Column('bigint', { name: 'created_at' }) createdAt!: number;
}
