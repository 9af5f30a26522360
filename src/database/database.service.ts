import { mkdirSync } from 'node:fs';
import path from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { MigrationExecutor, type DataSource, type EntityManager } from 'typeorm';
import { ConfigError } from '../errors.js';
import { isObject } from '../json.js';
import { migrations, readSource, writeSource, type DatabaseSettings } from './data-source.js';
import type { Dialect } from './dialect.js';
import { dialectOf } from './source.dialect.js';
import { rows, UnitOfWork } from './unit-of-work.service.js';

/** The opened database: migrated, checked, with its one writer and its reads. */
export class Database {
  private constructor(
    private readonly writes: DataSource,
    private readonly readOnly: DataSource | undefined,
    private readonly fileLock: BetterSqlite3.Database | undefined,
    readonly uow: UnitOfWork,
    readonly dialect: Dialect,
  ) {}

  /**
   * Opens, locks (SQLite: one process a file) and migrates.
   * @throws ConfigError with the reason when the database cannot be used
   */
  static async open(settings: DatabaseSettings): Promise<Database> {
    const writes = writeSource(settings);
    let fileLock: BetterSqlite3.Database | undefined;
    try {
      if (settings.kind === 'sqlite') fileLock = lockFile(settings.file);
      await writes.initialize();
      const dialect = dialectOf(writes);
      await migrate(writes, settings);
      if (settings.kind === 'sqlite') await requireSyncedCommits(writes);
      const readOnly = readSource(settings);
      await readOnly?.initialize();
      return new Database(writes, readOnly, fileLock, new UnitOfWork(writes, dialect), dialect);
    } catch (error) {
      if (writes.isInitialized) await writes.destroy();
      fileLock?.close();
      if (error instanceof ConfigError) throw error;
      // Read by shape: the driver is native, and its error is of the class that it was first loaded with.
      const reason = isObject(error) && typeof error.message === 'string' ? error.message : 'unknown reason';
      throw new ConfigError(`The database cannot be opened: ${withoutCredentials(reason)}`, { cause: error });
    }
  }

  /** For reads only; on SQLite a write through it fails. Sees what is committed, never the inside of a transaction. */
  get reads(): EntityManager {
    return (this.readOnly ?? this.writes).manager;
  }

  /** Rows of a raw read. */
  async read<T>(statement: string, parameters: unknown[] = []): Promise<T[]> {
    const source = this.readOnly ?? this.writes;
    const runner = source.createQueryRunner();
    try {
      const result = await runner.query(this.dialect.bind(statement), parameters, true);
      return result.records as T[];
    } finally {
      // SQLite has one shared runner, which must not be released.
      if (this.dialect.concurrentWriters) await runner.release();
    }
  }

  /** Resolves when the database answers. */
  async ping(): Promise<void> {
    await this.read('select 1 as one');
  }

  async close(): Promise<void> {
    await this.readOnly?.destroy();
    await this.writes.destroy();
    this.fileLock?.close();
  }
}

/**
 * Holds `FILE.lock` for the life of the process. The operating system lets go of it when the process dies, however it dies.
 * @throws ConfigError when another process holds it
 */
function lockFile(file: string): BetterSqlite3.Database {
  mkdirSync(path.dirname(file), { recursive: true });
  const lock = new BetterSqlite3(`${file}.lock`, { timeout: 0 });
  try {
    lock.pragma('locking_mode = EXCLUSIVE');
    lock.exec('begin exclusive');
    return lock;
  } catch (error) {
    lock.close();
    if (!isObject(error) || error.code !== 'SQLITE_BUSY') throw error;
    throw new ConfigError(
      `Another Herald is running on ${file}. Stop it first, or give this one another HERALD_DATA_DIR. ` +
        'Several processes need PostgreSQL (DATABASE_URL).',
      { cause: error },
    );
  }
}

async function migrate(source: DataSource, settings: DatabaseSettings): Promise<void> {
  if (settings.kind === 'sqlite') {
    await requireKnownMigrations(source);
    await source.runMigrations();
    return;
  }
  const runner = source.createQueryRunner();
  try {
    // Replicas that start together migrate one after the other.
    await runner.query('select pg_advisory_lock(4737215)');
    await requireKnownMigrations(source);
    await source.runMigrations();
  } finally {
    await runner.query('select pg_advisory_unlock(4737215)');
    await runner.release();
  }
}

/** Refuses a database that a newer Herald has migrated: what this one would write to it, and lose of it, nobody knows. */
async function requireKnownMigrations(source: DataSource): Promise<void> {
  const known = migrations.map(({ name }) => name);
  const unknown = (await new MigrationExecutor(source).getExecutedMigrations()).find(
    ({ name }) => !known.includes(name),
  );
  if (unknown)
    throw new ConfigError(
      `The database was made by a newer version of Herald (this one does not know its migration ${unknown.name}). ` +
        'Start that version again, or restore a backup from before the upgrade.',
    );
}

/** Refuses to run when a commit would be acknowledged before it is on disk. */
async function requireSyncedCommits(source: DataSource): Promise<void> {
  const [row] = await rows<{ synchronous: number }>(source.createQueryRunner().manager, 'pragma synchronous', []);
  if (row?.synchronous !== 2)
    throw new ConfigError('SQLite does not run with synchronous=FULL: commits would not be safe.');
}

function withoutCredentials(text: string): string {
  return text.replace(/\/\/[^@/\s]*@/g, '//***@');
}
