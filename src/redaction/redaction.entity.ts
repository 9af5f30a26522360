import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { RedactionRule } from './policy.js';

/** The policy of a channel. A deleted one keeps its row, so that no version comes twice. */
@Entity('redactions')
export class RedactionEntity {
  @PrimaryColumn('text') channel!: string;
  @Column('integer') version!: number;
  /** Null: deleted. */
  @Column('simple-json', { nullable: true }) rules!: RedactionRule[] | null;
  @Column('boolean') enabled!: boolean;
  @Column('text') author!: string;
  @Column('bigint', { name: 'updated_at' }) updatedAt!: number;
}
