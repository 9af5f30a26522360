import { setTimeout as sleep } from 'node:timers/promises';
import type { DataSource, EntityManager, QueryRunner } from 'typeorm';
import { SECOND } from '../duration.js';
import type { Dialect } from './dialect.js';
import { storageFaultOf } from './storage-fault.js';
import { StorageGuard } from './storage-guard.service.js';

/** Work that waits for its transaction. */
interface Turn {
  run(tx: EntityManager): Promise<void>;
  committed(): void;
  reject(error: unknown): void;
  /** Milliseconds of the monotonic clock. */
  since: number;
  error?: unknown;
}

/** So long a run waits for another process that holds the database. */
const LOCK_PATIENCE = 5 * SECOND;
const LOCK_PAUSE = 50;

/** So many share one commit at the most: an urgent one that comes meanwhile waits for all of them. */
const GROUP = 16;
/** Milliseconds that a commit may wait for company at the most: one for callbacks, whose sender waits too, and any other. */
const GATHER = { urgent: 8, other: 16 };
/** How long {@link UnitOfWork.forget} waits for other processes that read the file: three seconds. */
const FORGET_TRIES = 15;
const FORGET_PAUSE_MS = 200;

/**
 * The one opener of transactions. On SQLite TypeORM has a single connection, and transactions that overlap in time nest into
 * each other: a later rollback takes the other's rows along. So they run one after the other here, and nothing inside one may
 * await anything but the database. What waits meanwhile shares the next commit, each in a savepoint of its own: one sync for
 * all of them, and the failure of one leaves the others alone. On PostgreSQL each run has a connection of its own.
 */
export class UnitOfWork {
  private readonly urgent: Turn[] = [];
  private readonly waiting: Turn[] = [];
  /** What has to run outside of a transaction. */
  private readonly between: (() => Promise<void>)[] = [];
  private running = false;
  /** The last commit on a disk: how long its sync took, and when it ended, in milliseconds of the monotonic clock. */
  private synced = { took: 0, at: 0 };

  constructor(
    private readonly source: DataSource,
    readonly dialect: Dialect,
    private readonly guard = new StorageGuard(),
  ) {}

  /**
   * Runs `work` in a transaction; resolves after the commit (synced), rejects after the rollback.
   * @param options.urgent goes before everything that waits; for callbacks, whose sender has five minutes of patience
   * @throws StorageUnavailableError when no commit can be trusted any more; the driver's error when it cannot store now
   */
  run<T>(work: (tx: EntityManager) => Promise<T>, options: { urgent?: boolean } = {}): Promise<T> {
    if (this.dialect.concurrentWriters) return this.runApart(work);
    return new Promise<T>((resolve, reject) => {
      let result: T;
      const turn: Turn = {
        run: async (tx) => {
          result = await work(tx);
        },
        committed: () => {
          resolve(result);
        },
        reject,
        since: performance.now(),
      };
      (options.urgent ? this.urgent : this.waiting).push(turn);
      this.schedule(options.urgent === true);
    });
  }

  /**
   * Takes erased content out of the write-ahead log, between transactions; does nothing where the database does so itself.
   * @returns false when another process read the file all the time (a backup does): it has to be tried again later
   */
  async forget(): Promise<boolean> {
    const { forget } = this.dialect;
    if (forget === undefined) return true;
    for (let tries = 1; tries <= FORGET_TRIES; tries++) {
      if (await this.truncateLog(forget)) return true;
      await new Promise((resolve) => setTimeout(resolve, FORGET_PAUSE_MS));
    }
    return false;
  }

  private truncateLog(statement: string): Promise<boolean> {
    return new Promise<boolean>((resolve, reject) => {
      this.between.push(() =>
        this.source
          .query<{ busy: number }[]>(statement)
          .then(([row]) => row?.busy === 0)
          .then(resolve, reject),
      );
      this.schedule(false);
    });
  }

  /** The driver is synchronous, so a commit waits for what comes in the same turn of the event loop; an urgent one does not. */
  private schedule(now: boolean): void {
    if (this.running) return;
    if (now) void this.drain();
    else setImmediate(() => this.running || void this.drain());
  }

  /** Between the look that finds nothing and the end nothing is awaited, so nothing can come in unseen. */
  private async drain(): Promise<void> {
    this.running = true;
    for (;;) {
      await this.gather();
      const between = this.between.shift();
      const group = this.nextGroup();
      if (!between && group.length === 0) break;
      if (group.length > 0) await this.commit(group);
      if (between) await between();
    }
    this.running = false;
  }

  /**
   * A sync stops the event loop. On a slow disk commits back to back would leave no time for anything else, and each would hold what came in
   * during the one before: one or two runs. So the next waits about as long as the last one took; on a fast disk, or after a pause, not at all.
   */
  private async gather(): Promise<void> {
    for (;;) {
      const urgent = this.urgent.length > 0;
      const group = urgent ? this.urgent : this.waiting;
      if (group.length === 0 || group.length >= GROUP || this.between.length > 0) return;
      const wait = urgent ? Math.min(GATHER.urgent, this.synced.took) : Math.min(GATHER.other, 2 * this.synced.took);
      if (performance.now() - this.synced.at >= wait - 1) return;
      await sleep(1);
    }
  }

  /** Urgent ones by themselves, so that they wait for nobody else's statements. */
  private nextGroup(): Turn[] {
    return this.urgent.length > 0 ? this.urgent.splice(0, GROUP) : this.waiting.splice(0, GROUP);
  }

  private async commit(group: Turn[]): Promise<void> {
    try {
      while (!(await this.tryCommit(group))) if (group.length === 0) return;
    } catch (error) {
      // Nothing of the group was committed.
      this.guard.failed(error);
      for (const turn of group) turn.reject(turn.error ?? error);
      return;
    }
    for (const turn of group) {
      if ('error' in turn) turn.reject(turn.error);
      else turn.committed();
    }
  }

  /** @returns false when another process holds the database: nothing has run yet, and who still waits is left in the group */
  private async tryCommit(group: Turn[]): Promise<boolean> {
    const begun = { yet: false };
    let done = 0;
    try {
      this.guard.admit();
      await this.leaveDeadTransaction();
      await this.source.transaction(async (tx) => {
        for (const statement of this.dialect.lockForWriting) await queryRunnerOf(tx).query(statement);
        begun.yet = true;
        if (group.length === 1) await group[0]?.run(tx);
        else for (const turn of group) await inSavepoint(tx, turn);
        done = performance.now();
      });
      const at = performance.now();
      this.synced = { took: at - done, at };
    } catch (error) {
      if (begun.yet || storageFaultOf(error) !== 'locked') throw error;
      await this.waitForLock(group, error);
      return false;
    }
    this.guard.committed();
    return true;
  }

  /**
   * From a timer: the driver's own wait stops the event loop. Whoever has waited too long, here or behind, is told so.
   */
  private async waitForLock(group: Turn[], error: unknown): Promise<void> {
    await sleep(LOCK_PAUSE);
    const latest = performance.now() - LOCK_PATIENCE;
    for (const queue of [group, this.urgent, this.waiting]) {
      const late = queue.filter(({ since }) => since < latest);
      if (late.length === 0) continue;
      this.guard.failed(error);
      queue.splice(0, queue.length, ...queue.filter(({ since }) => since >= latest));
      for (const turn of late) turn.reject(error);
    }
  }

  /** On a connection of its own. One that does not answer is closed, so that nobody gets it next. */
  private async runApart<T>(work: (tx: EntityManager) => Promise<T>): Promise<T> {
    this.guard.admit();
    const runner = this.source.createQueryRunner();
    try {
      await runner.startTransaction();
      const result = await work(runner.manager);
      await runner.commitTransaction();
      this.guard.committed();
      return result;
    } catch (error) {
      this.guard.failed(error);
      if (isUnanswered(error)) await hangUp(runner);
      else if (runner.isTransactionActive) await runner.rollbackTransaction().catch(() => undefined);
      throw error;
    } finally {
      await runner.release();
    }
  }

  /**
   * A full disk ends a transaction by itself. TypeORM's ROLLBACK then fails, and it would open every later transaction as a
   * savepoint of the one that is gone: its runs would resolve without a commit.
   */
  private async leaveDeadTransaction(): Promise<void> {
    const runner = this.source.createQueryRunner();
    if (!runner.isTransactionActive) return;
    // Gives the ROLLBACK something to end; fails when there is something.
    await runner.query('begin').catch(() => undefined);
    await runner.rollbackTransaction();
  }
}

/** @throws only when the savepoint cannot be undone: then the whole group is rolled back */
async function inSavepoint(tx: EntityManager, turn: Turn): Promise<void> {
  const runner = queryRunnerOf(tx);
  await runner.query('savepoint turn');
  try {
    await turn.run(tx);
  } catch (error) {
    turn.error = error;
    await runner.query('rollback to savepoint turn');
  }
  await runner.query('release savepoint turn');
}

function isUnanswered(error: unknown): boolean {
  return error instanceof Error && error.message.includes('Query read timeout');
}

async function hangUp(runner: QueryRunner): Promise<void> {
  const client = (await runner.connect()) as { end(): Promise<void> };
  // With a query under way this cuts the connection; the other side may never say goodbye.
  void client.end().catch(() => undefined);
}

/** Rows of a raw statement, in the same shape on both drivers (`query()` alone differs for UPDATE … RETURNING). */
export async function rows<T>(tx: EntityManager, statement: string, parameters: unknown[]): Promise<T[]> {
  const result = await queryRunnerOf(tx).query(statement, parameters, true);
  return result.records as T[];
}

/** Number of rows that a raw statement changed. */
export async function changed(tx: EntityManager, statement: string, parameters: unknown[]): Promise<number> {
  const result = await queryRunnerOf(tx).query(statement, parameters, true);
  return result.affected ?? 0;
}

function queryRunnerOf(tx: EntityManager) {
  if (!tx.queryRunner) throw new Error('A statement was run outside of UnitOfWork.run');
  return tx.queryRunner;
}
