import type { EntityManager } from 'typeorm';
import { Inject, Injectable } from '@nestjs/common';
import { BLOBS, type BlobStore } from '../blobs/blob-store.js';
import { Clock } from '../clock.js';
import { Database } from '../database/database.service.js';
import { changed } from '../database/unit-of-work.service.js';
import { CallbackEntity, type CallbackState } from './callback.entity.js';
import { decodeBody } from './content-encoding.service.js';
import { LARGE_BYTES } from './large-body.js';

export interface CallbackFilter {
  state?: CallbackState | undefined;
  jobId?: string | undefined;
  from?: number | undefined;
  to?: number | undefined;
  cursor?: string | undefined;
  limit: number;
}

@Injectable()
export class CallbacksStore {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    @Inject(BLOBS) private readonly blobs: BlobStore,
  ) {}

  find(id: string): Promise<CallbackEntity | null> {
    return this.database.reads.findOneBy(CallbackEntity, { id });
  }

  /** Newest first; one row more than `limit` tells of a next page. */
  list(filter: CallbackFilter): Promise<CallbackEntity[]> {
    const query = this.database.reads.createQueryBuilder(CallbackEntity, 'callback').where('1 = 1');
    if (filter.state) query.andWhere('callback.state = :state', { state: filter.state });
    if (filter.jobId !== undefined) query.andWhere('callback.jobId = :jobId', { jobId: filter.jobId });
    if (filter.from !== undefined) query.andWhere('callback.receivedAt >= :from', { from: filter.from });
    if (filter.to !== undefined) query.andWhere('callback.receivedAt < :to', { to: filter.to });
    if (filter.cursor !== undefined) query.andWhere('callback.id < :cursor', { cursor: filter.cursor });
    return query
      .orderBy('callback.id', 'DESC')
      .take(filter.limit + 1)
      .getMany();
  }

  /**
   * Callbacks to settle, oldest first, and of each job only its oldest: callbacks of one job are settled in their order.
   * @param size what is read where all else runs, or what is read in a thread
   */
  async pending(size: 'small' | 'large', limit: number): Promise<string[]> {
    const isLarge = `(bytes >= ${String(LARGE_BYTES)} or coalesce(content_encoding, 'identity') <> 'identity')`;
    const found = await this.database.read<{ id: string }>(
      `select id from callbacks where state = 'pending' and ${size === 'large' ? isLarge : `not ${isLarge}`}
          and (job_id = '' or not exists (select 1 from callbacks earlier
                where earlier.job_id = callbacks.job_id and earlier.state = 'pending' and earlier.id < callbacks.id))
        order by id limit ${String(limit)}`,
    );
    return found.map(({ id }) => id);
  }

  /** The bytes exactly as they came. */
  async rawBody(callback: CallbackEntity): Promise<Buffer> {
    if (callback.blobKey !== null) return this.blobs.read(callback.blobKey);
    const [row] = await this.database.read<{ body: Buffer | null }>('select body from callbacks where id = ?', [
      callback.id,
    ]);
    return row?.body ?? Buffer.alloc(0);
  }

  /**
   * The bytes without their content encoding.
   * @throws BodyUnreadableError for an unknown or broken encoding, or more than `maxBytes`
   */
  async decodedBody(callback: CallbackEntity, maxBytes: number): Promise<Buffer> {
    return decodeBody(await this.rawBody(callback), callback.contentEncoding, maxBytes);
  }

  /** Locks a callback that is still to be settled; false when another has settled it. */
  async lockPending(tx: EntityManager, id: string): Promise<boolean> {
    const { dialect } = this.database;
    const found = await tx.query<{ id: string }[]>(
      dialect.bind(`select id from callbacks where id = ? and state = 'pending' ${dialect.claimLock}`),
      [id],
    );
    return found.length > 0;
  }

  async settle(
    tx: EntityManager,
    id: string,
    outcome: { state: Exclude<CallbackState, 'pending'>; reason?: string; jobId?: string },
  ): Promise<void> {
    await tx.update(
      CallbackEntity,
      { id },
      {
        state: outcome.state,
        reason: outcome.reason ?? null,
        replay: false,
        settledAt: this.clock.now(),
        ...(outcome.jobId === undefined ? {} : { jobId: outcome.jobId }),
      },
    );
  }

  /** Of a job that was erased: nothing of the callback is kept. Its blob is the caller's to delete, after the commit. */
  async erase(tx: EntityManager, id: string): Promise<void> {
    await tx.delete(CallbackEntity, { id });
  }

  /** Counts a settle that broke; after `limit` of them the callback is quarantined. */
  async settleBroke(id: string, reason: string, limit: number): Promise<void> {
    await this.database.uow.run(async (tx) => {
      await tx.increment(CallbackEntity, { id }, 'attempts', 1);
      await tx.update(CallbackEntity, { id, attempts: limit, state: 'pending' }, { state: 'quarantined', reason });
    });
  }

  /** False when the bytes were dropped by age. */
  async hasBody(id: string): Promise<boolean> {
    const found = await this.database.read(
      'select id from callbacks where id = ? and (body is not null or blob_key is not null or bytes = 0)',
      [id],
    );
    return found.length > 0;
  }

  /** Back to the inbox. @returns false when there is no such callback, or it waits already */
  async replay(tx: EntityManager, id: string): Promise<boolean> {
    const { dialect } = this.database;
    const count = await changed(
      tx,
      dialect.bind(
        `update callbacks set state = 'pending', reason = null, replay = true, attempts = 0 where id = ? and state <> 'pending'`,
      ),
      [id],
    );
    return count > 0;
  }
}
