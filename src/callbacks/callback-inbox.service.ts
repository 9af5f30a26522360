import type { EntityManager } from 'typeorm';
import { SECOND } from '../duration.js';
import { StorageUnavailableError } from '../errors.js';
import type { Ids } from '../ids.service.js';
import type { Clock } from '../clock.js';
import type { Database } from '../database/database.service.js';
import { errorFields, type Log } from '../log.service.js';

/** A callback as it came. `body` for small ones, `blobKey` for those that went to the blob store. */
export interface IncomingCallback {
  /** Empty for a callback to `/hook`: the job is found, or adopted, when it is settled. */
  jobId: string;
  method: string;
  contentType: string | undefined;
  contentEncoding: string | undefined;
  bytes: number;
  sha256: string;
  body: Buffer | undefined;
  blobKey: string | undefined;
}

export interface AppendedCallback {
  id: string;
  /** The same bytes for the same job were stored before; this one only counts. */
  repeated: boolean;
}

interface Entry {
  callback: IncomingCallback;
  resolve(appended: AppendedCallback): void;
  reject(error: StorageUnavailableError): void;
  /** Its sender was told to come again; if its commit is under way it may be stored all the same, and the repeat is known by its bytes. */
  given: boolean;
}

/** One commit takes at most this many callbacks and bytes, so that none waits for long behind others. */
const BATCH_ROWS = 256;
const BATCH_BYTES = 16 * 1024 * 1024;
/** More waiting bytes than this and the sender is asked to come again: it does, for five minutes. */
const WAITING_BYTES = 64 * 1024 * 1024;
/** Deepgram waits ten seconds for an answer. */
const PATIENCE = 8 * SECOND;

/**
 * The durable inbox. `append` resolves only after the commit that holds the callback is on disk. Callbacks that arrive while a
 * commit is under way share the next one: one fsync for all of them.
 */
export class CallbackInbox {
  private waiting: Entry[] = [];
  private waitingBytes = 0;
  private writing = false;
  private committing = 0;
  private readonly insert: string;

  constructor(
    private readonly database: Database,
    private readonly ids: Ids,
    private readonly clock: Clock,
    private readonly log: Log,
    /** Called after each commit that holds something to settle. */
    private readonly committed: () => void,
  ) {
    this.insert = database.dialect.bind(
      `insert into callbacks (id, job_id, dedupe_key, state, method, content_type, content_encoding, bytes, sha256, body, blob_key,
         repeats, replay, attempts, received_at)
       values (?, ?, ?, 'pending', ?, ?, ?, ?, ?, ?, ?, 0, false, 0, ?)
       on conflict (dedupe_key) do update set repeats = callbacks.repeats + 1
       returning id, repeats`,
    );
  }

  /** Callbacks that wait for their commit. */
  get depth(): number {
    return this.waiting.length + this.committing;
  }

  /** @throws StorageUnavailableError when it cannot be stored, or not in time; nothing was acknowledged */
  append(callback: IncomingCallback): Promise<AppendedCallback> {
    if (this.waitingBytes > WAITING_BYTES) {
      return Promise.reject(new StorageUnavailableError('Too many callbacks are waiting to be stored; come again'));
    }
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        entry.given = true;
        reject(new StorageUnavailableError('The callback could not be stored in time; come again'));
      }, PATIENCE);
      const entry: Entry = {
        callback,
        resolve: (appended) => {
          clearTimeout(timer);
          resolve(appended);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
        given: false,
      };
      this.waiting.push(entry);
      this.waitingBytes += callback.body?.length ?? 0;
      this.schedule();
    });
  }

  /**
   * The driver is synchronous: nothing arrives during a commit. So the write waits until every request that is ready to be read
   * has been read, and takes them together.
   */
  private schedule(): void {
    if (this.writing) return;
    this.writing = true;
    setImmediate(() => void this.write());
  }

  private async write(): Promise<void> {
    while (this.waiting.length > 0) {
      const batch = this.nextBatch();
      if (batch.length === 0) break;
      this.committing = batch.length;
      try {
        const appended = await this.database.uow.run((tx) => this.insertAll(tx, batch), { urgent: true });
        batch.forEach((entry, index) => {
          entry.resolve(appended[index] ?? { id: '', repeated: false });
        });
        this.committed();
      } catch (error) {
        this.log.error('callbacks.not-stored', { count: batch.length, ...errorFields(error) });
        const refusal = new StorageUnavailableError('The callback could not be stored; come again', { cause: error });
        for (const entry of batch) entry.reject(refusal);
      }
    }
    this.committing = 0;
    this.writing = false;
  }

  private nextBatch(): Entry[] {
    this.waiting = this.waiting.filter((entry) => {
      if (entry.given) this.waitingBytes -= entry.callback.body?.length ?? 0;
      return !entry.given;
    });
    let bytes = 0;
    let count = 0;
    for (const { callback } of this.waiting) {
      if (count === BATCH_ROWS || (count > 0 && bytes + (callback.body?.length ?? 0) > BATCH_BYTES)) break;
      bytes += callback.body?.length ?? 0;
      count++;
    }
    this.waitingBytes -= bytes;
    return this.waiting.splice(0, count);
  }

  private async insertAll(tx: EntityManager, batch: Entry[]): Promise<AppendedCallback[]> {
    const runner = tx.queryRunner;
    if (!runner) throw new Error('The inbox writes inside UnitOfWork.run only');
    const appended: AppendedCallback[] = [];
    const now = this.clock.now();
    for (const { callback } of batch) {
      const result = await runner.query(
        this.insert,
        [
          this.ids.next(),
          callback.jobId,
          `${callback.jobId}:${callback.sha256}`,
          callback.method,
          callback.contentType ?? null,
          callback.contentEncoding ?? null,
          callback.bytes,
          callback.sha256,
          callback.body ?? null,
          callback.blobKey ?? null,
          now,
        ],
        true,
      );
      const [row] = result.records as { id: string; repeats: number }[];
      if (!row) throw new Error('The inbox insert returned no row');
      appended.push({ id: row.id, repeated: row.repeats > 0 });
    }
    return appended;
  }
}
