import { Column, Entity, PrimaryColumn } from 'typeorm';

export const CALLBACK_STATES = ['pending', 'settled', 'duplicate', 'quarantined'] as const;
export type CallbackState = (typeof CALLBACK_STATES)[number];

/**
 * One request that a provider made to us, as it came. The body is left out of the mapping: rows are listed without it, and the
 * store reads it by id when it is settled or shown.
 */
@Entity('callbacks')
export class CallbackEntity {
  @PrimaryColumn('text') id!: string;
  /** Empty until a callback to `/hook` has been adopted as a job. */
  @Column('text', { name: 'job_id' }) jobId!: string;
  /** Job and hash of the bytes: the same callback posted twice is one row. */
  @Column('text', { name: 'dedupe_key' }) dedupeKey!: string;
  @Column('text') state!: CallbackState;
  @Column('text', { nullable: true }) reason!: string | null;
  @Column('text') method!: string;
  @Column('text', { name: 'content_type', nullable: true }) contentType!: string | null;
  @Column('text', { name: 'content_encoding', nullable: true }) contentEncoding!: string | null;
  @Column('bigint') bytes!: number;
  @Column('text') sha256!: string;
  @Column('text', { name: 'blob_key', nullable: true }) blobKey!: string | null;
  /** How often the same bytes came again. */
  @Column('integer') repeats!: number;
  /** Settle again even though the job is settled; see `POST /v1/callbacks/:id/replay`. */
  @Column('boolean') replay!: boolean;
  /** Settles tried so far: a body that breaks the settle is quarantined, not tried for ever. */
  @Column('integer') attempts!: number;
  @Column('bigint', { name: 'received_at' }) receivedAt!: number;
  @Column('bigint', { name: 'settled_at', nullable: true }) settledAt!: number | null;
}
