import type { DataSource, EntityManager } from 'typeorm';
import type { Dialect } from './dialect.js';

type Turn = () => Promise<void>;

/**
 * The one opener of transactions. On SQLite TypeORM has a single connection, and transactions that overlap in time nest into
 * each other: a later rollback takes the other's rows along. So they run one after the other here, and nothing inside one may
 * await anything but the database. On PostgreSQL each run has a connection of its own.
 */
export class UnitOfWork {
  private readonly urgent: Turn[] = [];
  private readonly waiting: Turn[] = [];
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
      const turn = (): Promise<void> => this.source.transaction(work).then(resolve, reject);
      (options.urgent ? this.urgent : this.waiting).push(turn);
      if (!this.running) void this.drain();
    });
  }

  private async drain(): Promise<void> {
    this.running = true;
    for (;;) {
      const turn = this.urgent.shift() ?? this.waiting.shift();
      if (!turn) break;
      await turn();
    }
    this.running = false;
  }
}

/** Rows of a raw statement, in the same shape on both drivers (`query()` alone differs for UPDATE … RETURNING). */
export async function rows<T>(tx: EntityManager, statement: string, parameters: unknown[]): Promise<T[]> {
  const result = await queryRunnerOf(tx).query(statement, parameters, true);
  return (result.records ?? []) as T[];
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
