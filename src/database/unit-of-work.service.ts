import type { DataSource, EntityManager } from 'typeorm';
import type { Dialect } from './dialect.js';

/** Work that waits for its transaction. */
interface Turn {
  run(tx: EntityManager): Promise<void>;
  committed(): void;
  reject(error: unknown): void;
  error?: unknown;
}

/** So many share one commit at the most: an urgent one that comes meanwhile waits for all of them. */
const GROUP = 16;
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

  constructor(
    private readonly source: DataSource,
    readonly dialect: Dialect,
  ) {}

  /**
   * Runs `work` in a transaction; resolves after the commit (synced), rejects after the rollback.
   * @param options.urgent goes before everything that waits; for callbacks, whose sender has five minutes of patience
   */
  run<T>(work: (tx: EntityManager) => Promise<T>, options: { urgent?: boolean } = {}): Promise<T> {
    if (this.dialect.concurrentWriters) return this.source.transaction(work);
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

  /** Awaits nothing but work: between the look that finds nothing and the end, nothing can come in unseen. */
  private async drain(): Promise<void> {
    this.running = true;
    for (;;) {
      const between = this.between.shift();
      const group = this.nextGroup();
      if (!between && group.length === 0) break;
      if (group.length > 0) await this.commit(group);
      if (between) await between();
    }
    this.running = false;
  }

  /** Urgent ones by themselves, so that they wait for nobody else's statements. */
  private nextGroup(): Turn[] {
    return this.urgent.length > 0 ? this.urgent.splice(0, GROUP) : this.waiting.splice(0, GROUP);
  }

  private async commit(group: Turn[]): Promise<void> {
    const [only] = group;
    try {
      await this.leaveDeadTransaction();
      await this.source.transaction(async (tx) => {
        if (group.length === 1) await only?.run(tx);
        else for (const turn of group) await inSavepoint(tx, turn);
      });
    } catch (error) {
      // Nothing of the group was committed.
      for (const turn of group) turn.reject(turn.error ?? error);
      return;
    }
    for (const turn of group) {
      if ('error' in turn) turn.reject(turn.error);
      else turn.committed();
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
