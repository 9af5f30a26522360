import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { AuditStore } from '../database/audit.store.js';
import { BLOBS, type BlobStore } from '../blobs/blob-store.js';
import { Clock } from '../clock.js';
import { Database } from '../database/database.service.js';
import { changed, rows } from '../database/unit-of-work.service.js';
import { JobEntity } from './job.entity.js';

/** How many rows of each kind went with a job. */
export interface ErasedRows {
  transcripts: number;
  callbacks: number;
  deliveries: number;
  evaluations: number;
  /** Audio and large callback bodies. */
  files: number;
}

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
    const erased = await this.eraseRows(id, actor);
    if (erased) await this.database.uow.forget();
    return erased !== undefined;
  }

  /**
   * The same without the last step: erased words may stand in the write-ahead log until {@link UnitOfWork.forget}, once for many jobs.
   * @param unlessPending leaves a job alone that still has something to settle or to send
   * @returns undefined when there is no such job, or it was left alone
   */
  async eraseRows(id: string, actor: string, unlessPending = false): Promise<ErasedRows | undefined> {
    const erased = await this.database.uow.run(async (tx) => {
      // A settle of this job that is under way ends before it, or finds it erased.
      await this.lock(tx, id);
      const job = await tx.findOneBy(JobEntity, { id });
      if (job?.deletedAt !== null) return undefined;
      if (unlessPending && (await this.hasPending(tx, id))) return undefined;
      const blobs = [job.audioBlob, ...(await this.callbackBlobs(tx, id))].filter((key) => key !== null);
      const counts = { ...(await this.eraseChildren(tx, id)), files: blobs.length };
      await tx.update(JobEntity, { id }, { ...EMPTY, deletedAt: this.clock.now() });
      await this.audit.record(tx, actor, 'job.deleted', id);
      return { blobs, counts };
    });
    if (!erased) return undefined;
    for (const key of erased.blobs) await this.blobs.delete(key);
    return erased.counts;
  }

  /** Keeps the job as it is until the end of the transaction, where transactions can overlap. */
  async lock(tx: EntityManager, id: string): Promise<void> {
    const { dialect } = this.database;
    await tx.query(dialect.bind(`select id from jobs where id = ? ${dialect.rowLock}`), [id]);
  }

  /** Whether something of the job is still to be settled, sent, looked up or decided by a person. */
  async hasPending(tx: EntityManager, id: string): Promise<boolean> {
    const found = await rows(tx, this.database.dialect.bind(PENDING), [id, id, id]);
    return found.length > 0;
  }

  async callbackBlobs(tx: EntityManager, id: string): Promise<(string | null)[]> {
    const { dialect } = this.database;
    const found = await rows<{ key: string | null }>(
      tx,
      dialect.bind('select blob_key as "key" from callbacks where job_id = ?'),
      [id],
    );
    return found.map(({ key }) => key);
  }

  /** A message that carries what came of several jobs goes on without this one; the words of all are out of what is stored. */
  private async leaveBundles(tx: EntityManager, id: string): Promise<void> {
    const { dialect } = this.database;
    for (const statement of LEAVE_BUNDLES) await changed(tx, dialect.bind(statement), [id]);
  }

  private async eraseChildren(tx: EntityManager, id: string): Promise<Omit<ErasedRows, 'files'>> {
    const { dialect } = this.database;
    const remove = (statement: string): Promise<number> => changed(tx, dialect.bind(statement), [id]);
    await this.leaveBundles(tx, id);
    await remove('delete from attempts where delivery_id in (select id from deliveries where job_id = ?)');
    await remove('delete from submissions where job_id = ?');
    await remove('delete from escalations where job_id = ?');
    await remove('delete from series where job_id = ?');
    for (const [statement, parameters] of dialect.unindexTranscript(id))
      await tx.query(dialect.bind(statement), parameters);
    return {
      deliveries: await remove('delete from deliveries where job_id = ?'),
      evaluations: await remove('delete from evaluations where job_id = ?'),
      callbacks: await remove('delete from callbacks where job_id = ?'),
      transcripts: await remove('delete from transcripts where job_id = ?'),
    };
  }
}

/** What waits inside of a message that is still to go waits too. */
const PENDING = `select 1 as one from deliveries where job_id = ? and (state in ('queued', 'waiting', 'sending', 'unknown', 'held')
    or exists (select 1 from deliveries bundle where bundle.id = deliveries.bundle_id
      and bundle.state in ('queued', 'waiting', 'sending', 'unknown', 'held')))
  union all select 1 from callbacks where job_id = ? and state = 'pending'
  union all select 1 from escalations where job_id = ? and state = 'open'`;

const LEAVE_BUNDLES = [
  `update deliveries set message = null where id in (select bundle_id from deliveries where job_id = ? and bundle_id is not null)`,
  `update deliveries set job_id = (select min(item.job_id) from deliveries item
      where item.bundle_id = deliveries.id and item.job_id <> deliveries.job_id)
    where job_id = ? and exists (select 1 from deliveries item
      where item.bundle_id = deliveries.id and item.job_id <> deliveries.job_id)`,
];

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
