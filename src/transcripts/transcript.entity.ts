import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { Transcript } from './transcript.js';

@Entity('transcripts')
export class TranscriptEntity {
  @PrimaryColumn('text', { name: 'job_id' }) jobId!: string;
  /** The callback that it was read from: the untouched body. */
  @Column('text', { name: 'callback_id' }) callbackId!: string;
  @Column('text', { name: 'request_id' }) requestId!: string;
  @Column('text', { nullable: true }) language!: string | null;
  @Column('float') duration!: number;
  @Column('text') text!: string;
  @Column('simple-json') data!: Transcript;
  @Column('bigint', { name: 'created_at' }) createdAt!: number;
}
