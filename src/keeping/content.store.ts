import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { BLOBS, type BlobStore } from '../blobs/blob-store.js';
import { Clock } from '../clock.js';
import { AuditStore } from '../database/audit.store.js';
import { Database } from '../database/database.service.js';
import { changed, rows } from '../database/unit-of-work.service.js';
import { JobErasureStore } from '../jobs/job-erasure.store.js';
import { withoutWords } from './without-words.js';

/** Drops what was said and keeps what happened: states, times, durations, counts, tags, recipients, rules and their outcomes. */
@Injectable()
export class ContentStore {
  constructor(
    private readonly database: Database,
    private readonly jobs: JobErasureStore,
    private readonly audit: AuditStore,
    private readonly clock: Clock,
    @Inject(BLOBS) private readonly blobs: BlobStore,
  ) {}

  /**
   * Drops the words of a job: transcript and its index, callback bodies, messages, the words that made rules match, audio.
   * @returns false when there is nothing to drop, or something of the job is still to be settled or sent
   */
  async drop(id: string): Promise<boolean> {
    const { dialect } = this.database;
    const dropped = await this.database.uow.run(async (tx) => {
      await this.jobs.lock(tx, id);
      const [job] = await rows<{ audio_blob: string | null }>(
        tx,
        dialect.bind('select audio_blob from jobs where id = ? and deleted_at is null and content_dropped_at is null'),
        [id],
      );
      if (!job || (await this.jobs.hasPending(tx, id))) return undefined;
      const blobs = [job.audio_blob, ...(await this.jobs.callbackBlobs(tx, id))];
      for (const statement of DROP) await changed(tx, dialect.bind(statement), [id]);
      for (const [statement, parameters] of dialect.unindexTranscript(id))
        await tx.query(dialect.bind(statement), parameters);
      await this.dropMatchedWords(tx, id);
      const now = this.clock.now();
      await changed(tx, dialect.bind('update jobs set audio_blob = null, content_dropped_at = ? where id = ?'), [
        now,
        id,
      ]);
      await this.audit.record(tx, 'retention', 'job.content-dropped', id);
      return blobs;
    });
    if (!dropped) return false;
    await this.deleteBlobs(dropped);
    return true;
  }

  /** Drops the kept audio of a job that came to nothing. @returns false when there is none any more */
  async dropAudio(id: string): Promise<boolean> {
    const { dialect } = this.database;
    const key = await this.database.uow.run(async (tx) => {
      await this.jobs.lock(tx, id);
      const [job] = await rows<{ audio_blob: string }>(
        tx,
        dialect.bind(
          `select audio_blob from jobs where id = ? and audio_blob is not null and state in ('failed', 'overdue')`,
        ),
        [id],
      );
      if (!job) return undefined;
      await changed(tx, dialect.bind('update jobs set audio_blob = null where id = ?'), [id]);
      await this.audit.record(tx, 'retention', 'job.audio-dropped', id);
      return job.audio_blob;
    });
    if (key === undefined) return false;
    await this.blobs.delete(key);
    return true;
  }

  /** Drops the body of a callback that no purge of a job reaches. @returns false when it has none any more */
  async dropCallback(id: string): Promise<boolean> {
    const { dialect } = this.database;
    const key = await this.database.uow.run(async (tx) => {
      const [found] = await rows<{ blob_key: string | null }>(
        tx,
        dialect.bind(
          `select blob_key from callbacks where id = ? and state <> 'pending' and (body is not null or blob_key is not null)
             ${dialect.rowLock}`,
        ),
        [id],
      );
      if (!found) return undefined;
      await changed(tx, dialect.bind('update callbacks set body = null, blob_key = null where id = ?'), [id]);
      return found.blob_key;
    });
    if (key === undefined) return false;
    await this.deleteBlobs([key]);
    return true;
  }

  /** Drops a message that asked for consent; the ledger keeps that it was asked. @returns false when it is gone already */
  async dropInvitation(id: string): Promise<boolean> {
    const { dialect, uow } = this.database;
    return uow.run(async (tx) => {
      await changed(tx, dialect.bind('delete from attempts where delivery_id = ?'), [id]);
      return (await changed(tx, dialect.bind(`delete from deliveries where id = ? and job_id = ''`), [id])) > 0;
    });
  }

  private async dropMatchedWords(tx: EntityManager, jobId: string): Promise<void> {
    const { dialect } = this.database;
    const found = await rows<{ id: string; data: string }>(
      tx,
      dialect.bind('select id, data from evaluations where job_id = ?'),
      [jobId],
    );
    for (const { id, data } of found)
      await changed(tx, dialect.bind('update evaluations set data = ? where id = ?'), [withoutWords(data), id]);
  }

  private async deleteBlobs(keys: (string | null)[]): Promise<void> {
    for (const key of keys) if (key !== null) await this.blobs.delete(key);
  }
}

const DROP = [
  // A row without a callback: its duration and language stay, and a late callback still finds that there was a transcript.
  `update transcripts set callback_id = '', text = '', data = 'null', packed = null where job_id = ?`,
  'update callbacks set body = null, blob_key = null where job_id = ?',
  'update deliveries set message = null where id in (select bundle_id from deliveries where job_id = ? and bundle_id is not null)',
  `update deliveries set message = null, matches = '[]' where job_id = ?`,
];
