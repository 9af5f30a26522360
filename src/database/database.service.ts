import { MigrationExecutor, type DataSource, type EntityManager } from 'typeorm';
import { SECOND } from '../duration.js';
import { ConfigError } from '../errors.js';
import { isObject } from '../json.js';
import { migrations, readSource, writeSource, type DatabaseSettings } from './data-source.js';
import type { Dialect } from './dialect.js';
import { dialectOf } from './source.dialect.js';
import { SqliteFile } from './sqlite-file.service.js';
import { storageFaultOf } from './storage-fault.js';
import { StorageGuard, type StorageTrouble } from './storage-guard.service.js';
import { rows, UnitOfWork } from './unit-of-work.service.js';

/** How often it is looked whether the files are still there; each commit looks as well. */
const WATCH_EVERY = 2 * SECOND;
/** A larger file is not read through at the start: it would take longer than a restart may. */
const CHECKED_BYTES = 512 * 1024 * 1024;

/** The opened database: migrated, checked, with its one writer and its reads. */
export class Database {
  private readonly watch: NodeJS.Timeout | undefined;
  private size = 0;

  private constructor(
    private readonly writes: DataSource,
    private readonly readOnly: DataSource | undefined,
    private readonly file: SqliteFile | undefined,
    private readonly guard: StorageGuard,
    readonly uow: UnitOfWork,
    readonly dialect: Dialect,
  ) {
    if (file) this.watch = setInterval(() => this.look(file), WATCH_EVERY).unref();
  }

  /**
   * Opens, locks (SQLite: one process a file) and migrates.
   * @throws ConfigError with the reason when the database cannot be used
   */
  static async open(settings: DatabaseSettings): Promise<Database> {
    let writes: DataSource | undefined;
    let file: SqliteFile | undefined;
    try {
      if (settings.kind === 'sqlite') file = SqliteFile.hold(settings.file);
      file?.requireWhole();
      if (settings.kind === 'postgres') await migrateInTurn(settings);
      writes = await writeSource(settings).initialize();
      if (file) await prepareFile(writes, file);
      const dialect = dialectOf(writes);
      const readOnly = readSource(settings);
      await readOnly?.initialize();
      const guard = new StorageGuard(() => file?.intact() ?? true);
      return new Database(writes, readOnly, file, guard, new UnitOfWork(writes, dialect, guard), dialect);
    } catch (error) {
      if (writes?.isInitialized) await writes.destroy();
      file?.release();
      throw openError(error, settings);
    }
  }

  /** Told once, when no commit can be trusted any more and only a restart can help. */
  onLastingTrouble(listener: (trouble: StorageTrouble) => void): void {
    this.guard.onLasting(listener);
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
    } catch (error) {
      // What a read finds damaged must not be written to. Any other failure of a read says nothing of the next write.
      if (storageFaultOf(error) === 'damaged') this.guard.failed(error);
      throw error;
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
    clearInterval(this.watch);
    await this.readOnly?.destroy();
    await this.writes.destroy();
    this.file?.release();
  }

  private look(file: SqliteFile): void {
    this.guard.inspect();
    const size = file.size();
    // Somebody cut it, or it was tidied up: the database itself knows.
    if (size < this.size && !this.guard.trouble) void this.recheck();
    this.size = size;
  }

  private async recheck(): Promise<void> {
    const found = await this.read<{ quick_check: string }>('pragma quick_check(1)').catch(() => undefined);
    if (found && found[0]?.quick_check !== 'ok') this.guard.failed({ code: 'SQLITE_CORRUPT' });
  }
}

/** Migrates, and makes certain that what was left by the process before is whole, on disk, and will be found again. */
async function prepareFile(source: DataSource, file: SqliteFile): Promise<void> {
  if (file.size() <= CHECKED_BYTES) await requireUndamaged(source);
  await migrate(source);
  await requireSyncedCommits(source);
  // After a sync that failed the log may hold commits that only the system's cache knows: this writes them into the file, and syncs.
  await source.query('pragma wal_checkpoint(truncate)');
  file.opened();
}

async function requireUndamaged(source: DataSource): Promise<void> {
  const [row] = await rows<{ quick_check: string }>(source.createQueryRunner().manager, 'pragma quick_check(1)', []);
  if (row?.quick_check !== 'ok')
    throw Object.assign(new Error('the check of its pages failed'), { code: 'SQLITE_CORRUPT' });
}

async function migrate(source: DataSource): Promise<void> {
  await requireKnownMigrations(source);
  await source.runMigrations();
}

/** Replicas that start together migrate one after the other, however long the first one takes. */
async function migrateInTurn(settings: DatabaseSettings): Promise<void> {
  const source = await writeSource(settings, 'patient').initialize();
  try {
    const runner = source.createQueryRunner();
    await runner.query('select pg_advisory_lock(4737215)');
    try {
      await migrate(source);
    } finally {
      await runner.query('select pg_advisory_unlock(4737215)');
      await runner.release();
    }
  } finally {
    await source.destroy();
  }
}

function openError(error: unknown, settings: DatabaseSettings): ConfigError {
  if (error instanceof ConfigError) return error;
  // Read by shape: the driver is native, and its error is of the class that it was first loaded with.
  const words = isObject(error) && typeof error.message === 'string' ? error.message : 'unknown reason';
  const reason = withoutCredentials(words);
  if (settings.kind === 'sqlite' && storageFaultOf(error) === 'damaged')
    return new ConfigError(
      `The database ${settings.file} is damaged: ${reason}. Restore a backup; what is left of it can be read with: sqlite3 FILE .recover`,
      { cause: error },
    );
  return new ConfigError(`The database cannot be opened: ${reason}`, { cause: error });
}

/** Refuses a database that a newer Herald has migrated: what this one would write to it, and lose of it, nobody knows. */
export async function requireKnownMigrations(source: DataSource): Promise<void> {
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
