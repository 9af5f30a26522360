import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { Failure } from '../transcripts/transcript.js';
import type { JobState, SubmitError } from './job.js';

/** One request to transcribe one audio source. A deleted job stays as an empty row, so that a late callback is known and dropped. */
@Entity('jobs')
export class JobEntity {
  @PrimaryColumn('text') id!: string;
  @Column('text') state!: JobState;
  @Column('text') origin!: 'api' | 'external';
  @Column('text', { name: 'audio_kind', nullable: true }) audioKind!: 'url' | 'upload' | null;
  @Column('text', { name: 'audio_url', nullable: true }) audioUrl!: string | null;
  /** Key in the blob store; null once the transcript is stored. */
  @Column('text', { name: 'audio_blob', nullable: true }) audioBlob!: string | null;
  @Column('bigint', { name: 'audio_bytes', nullable: true }) audioBytes!: number | null;
  @Column('text', { name: 'audio_type', nullable: true }) audioType!: string | null;
  @Column('text', { name: 'audio_name', nullable: true }) audioName!: string | null;
  @Column('simple-json') options!: object;
  @Column('text', { nullable: true }) preset!: string | null;
  @Column('simple-json') tags!: Record<string, string>;
  @Column('text', { name: 'idempotency_key', nullable: true }) idempotencyKey!: string | null;
  /** Hash of the request that the key came with. */
  @Column('text', { name: 'idempotency_hash', nullable: true }) idempotencyHash!: string | null;
  @Column('text', { name: 'request_id', nullable: true }) requestId!: string | null;
  @Column('simple-json', { nullable: true }) failure!: Failure | null;
  /** Submits tried so far. */
  @Column('integer') attempts!: number;
  @Column('bigint', { name: 'next_attempt_at', nullable: true }) nextAttemptAt!: number | null;
  @Column('simple-json', { name: 'last_error', nullable: true }) lastError!: SubmitError | null;
  @Column('text', { name: 'lease_owner', nullable: true }) leaseOwner!: string | null;
  @Column('bigint', { name: 'lease_until', nullable: true }) leaseUntil!: number | null;
  @Column('bigint', { name: 'created_at' }) createdAt!: number;
  @Column('bigint', { name: 'submitted_at', nullable: true }) submittedAt!: number | null;
  /** When the callback should have come; null before the first submission and for jobs of others. */
  @Column('bigint', { name: 'deadline_at', nullable: true }) deadlineAt!: number | null;
  /** How often it was submitted again by itself since a person last asked for it. */
  @Column('integer', { default: 0 }) resubmissions!: number;
  /** When Herald last gave up waiting; kept when a late callback settles the job. */
  @Column('bigint', { name: 'overdue_at', nullable: true }) overdueAt!: number | null;
  @Column('bigint', { name: 'settled_at', nullable: true }) settledAt!: number | null;
  @Column('bigint', { name: 'deleted_at', nullable: true }) deletedAt!: number | null;
  /** When its words were dropped by age: transcript, callback bodies, messages. */
  @Column('bigint', { name: 'content_dropped_at', nullable: true }) contentDroppedAt!: number | null;
}
