import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate } from 'node:zlib';
import type { EntityManager } from 'typeorm';
import { Inject, Injectable } from '@nestjs/common';
import { BLOBS, type BlobStore } from '../blobs/blob-store.js';
import { Clock } from '../clock.js';
import { Database } from '../database/database.service.js';
import { changed } from '../database/unit-of-work.service.js';
import { CallbackEntity, type CallbackState } from './callback.entity.js';

/** The raw bytes were compressed in a way that cannot be undone, or grow beyond the limit. */
export class BodyUnreadableError extends Error {}

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

  /** Callbacks to settle, oldest first. `jobId` is empty where the job is found only when it is settled. */
  pending(limit: number): Promise<{ id: string; jobId: string }[]> {
    return this.database.read(
      `select id, job_id as "jobId" from callbacks where state = 'pending' order by id limit ${String(limit)}`,
    );
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
    const raw = await this.rawBody(callback);
    const encoding = (callback.contentEncoding ?? 'identity').trim().toLowerCase();
    try {
      switch (encoding) {
        case '':
        case 'identity':
          return raw;
        case 'gzip':
        case 'x-gzip':
          return await promisify(gunzip)(raw, { maxOutputLength: maxBytes });
        case 'deflate':
          return await promisify(inflate)(raw, { maxOutputLength: maxBytes });
        case 'br':
          return await promisify(brotliDecompress)(raw, { maxOutputLength: maxBytes });
      }
    } catch (error) {
      throw new BodyUnreadableError(
        `The body is not readable as ${encoding}, or grows over ${String(maxBytes)} bytes`,
        {
          cause: error,
        },
      );
    }
    throw new BodyUnreadableError('The content encoding is unknown; known are gzip, deflate and br');
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
