import { Inject, Injectable } from '@nestjs/common';
import { AuditStore } from '../database/audit.store.js';
import { BLOBS, type BlobStore } from '../blobs/blob-store.js';
import { Clock } from '../clock.js';
import { Database } from '../database/database.service.js';
import { rows } from '../database/unit-of-work.service.js';
import { JobEntity } from './job.entity.js';

/** Erases a job with everything that came of it. Plain statements over all tables: no other store has to be known here. */
@Injectable()
export class JobErasureStore {
  constructor(
    private readonly database: Database,
    private readonly audit: AuditStore,
    private readonly clock: Clock,
    @Inject(BLOBS) private readonly blobs: BlobStore,
  ) {}

  /** An empty row stays, so that a callback that comes later is known to be unwanted. @returns false when there is no such job */
  async erase(id: string, actor: string): Promise<boolean> {
    const { dialect } = this.database;
    const blobs = await this.database.uow.run(async (tx) => {
      // A settle of this job that is under way ends before it, or finds it erased.
      await tx.query(dialect.bind(`select id from jobs where id = ? ${dialect.rowLock}`), [id]);
      const job = await tx.findOneBy(JobEntity, { id });
      if (job?.deletedAt !== null) return undefined;
      const callbacks = await rows<{ blob_key: string | null }>(
        tx,
        dialect.bind('select blob_key from callbacks where job_id = ?'),
        [id],
      );
      const statements = [
        'delete from attempts where delivery_id in (select id from deliveries where job_id = ?)',
        'delete from deliveries where job_id = ?',
        'delete from evaluations where job_id = ?',
        'delete from callbacks where job_id = ?',
        'delete from transcripts where job_id = ?',
        dialect.unindexTranscript,
      ];
      for (const statement of statements) await tx.query(dialect.bind(statement), [id]);
      await tx.update(JobEntity, { id }, { ...EMPTY, deletedAt: this.clock.now() });
      await this.audit.record(tx, actor, 'job.deleted', id);
      return [job.audioBlob, ...callbacks.map((callback) => callback.blob_key)];
    });
    if (!blobs) return false;
    await this.database.uow.forget();
    for (const key of blobs) if (key !== null) await this.blobs.delete(key);
    return true;
  }
}

const EMPTY = {
  audioUrl: null,
  audioBlob: null,
  audioName: null,
  options: {},
  tags: {},
  idempotencyKey: null,
  failure: null,
  lastError: null,
  nextAttemptAt: null,
};
