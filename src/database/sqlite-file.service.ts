import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { endianness, uptime } from 'node:os';
import path from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { ConfigError } from '../errors.js';
import { isObject } from '../json.js';

/** Kept in the lock file: a database was once made beside it. */
const MADE = 1;

/** What the operating system calls a file; a new file of the same name is another one. */
type Identity = `${bigint}:${bigint}`;

/** A SQLite database as files: held by one process, looked at before it is opened, and watched while it is open. */
export class SqliteFile {
  private readonly known = new Map<string, Identity | undefined>();

  private constructor(
    readonly file: string,
    private readonly held: BetterSqlite3.Database,
  ) {}

  /**
   * Holds `FILE.lock` for the life of the process. The operating system lets go of it when the process dies, however it dies.
   * @throws ConfigError when another process holds it
   */
  static hold(file: string): SqliteFile {
    mkdirSync(path.dirname(file), { recursive: true });
    const lock = new BetterSqlite3(`${file}.lock`, { timeout: 0 });
    try {
      lock.pragma('journal_mode = MEMORY');
      lock.pragma('locking_mode = EXCLUSIVE');
      lock.exec('begin exclusive');
      return new SqliteFile(file, lock);
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

  /**
   * Before the database is opened: opening a missing file would make an empty one, and a log that was cut is read without a word.
   * @throws ConfigError with what was lost and what to do
   */
  requireWhole(): void {
    const { file } = this;
    if (sizeOf(file) === 0) {
      const traces = this.traces();
      if (traces.length > 0)
        throw new ConfigError(
          `The database ${file} is missing or empty, but ${traces.join(' and ')} show that there was one. Herald does not start empty: ` +
            'put the file back, or restore a backup. To begin anew, move the whole data directory away.',
        );
      return;
    }
    if (logWasCut(file))
      throw new ConfigError(
        `${file}-wal is missing or shorter than the process before has left it: what was stored last would be lost. ` +
          `Put the file back, or restore a backup. To go on without it, remove ${file}-shm.`,
      );
  }

  /** The database is open and whole: from now on its absence is a loss, and these files are the ones to watch. */
  opened(): void {
    if (this.held.pragma('user_version', { simple: true }) !== MADE) {
      // In this locking mode the end of a transaction does not let go of the file.
      this.held.exec(`pragma user_version = ${MADE}; commit; begin exclusive`);
    }
    for (const name of [this.file, `${this.file}-wal`]) this.known.set(name, identityOf(name));
  }

  /** Whether the open files are those that a restart would find. */
  intact(): boolean {
    for (const [name, identity] of this.known) if (identityOf(name) !== identity) return false;
    return true;
  }

  /** Bytes of the database file. */
  size(): number {
    return sizeOf(this.file);
  }

  release(): void {
    this.held.close();
  }

  private traces(): string[] {
    const folder = path.dirname(this.file);
    const blobs = path.join(folder, 'blobs');
    return [
      ...(this.held.pragma('user_version', { simple: true }) === MADE ? [`${this.file}.lock`] : []),
      ...(sizeOf(`${this.file}-wal`) > 0 ? [`${this.file}-wal`] : []),
      ...(existsSync(path.join(folder, 'secret')) ? [path.join(folder, 'secret')] : []),
      ...(existsSync(blobs) && readdirSync(blobs).length > 0 ? [blobs] : []),
    ];
  }
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

/** By name only: to open and close the file of an open database would drop the locks that SQLite holds on it. */
function identityOf(file: string): Identity | undefined {
  const found = statSync(file, { bigint: true, throwIfNoEntry: false });
  return found && `${found.dev}:${found.ino}`;
}

/**
 * Compares the write-ahead log with its index (`-shm`), which a process that was killed leaves behind. The index is never synced, so
 * it tells the truth only while the machine has not been started anew since; else the answer is no.
 */
function logWasCut(file: string): boolean {
  const index = statSync(`${file}-shm`, { throwIfNoEntry: false });
  const started = Date.now() - uptime() * 1000;
  if (!index || index.size < 48 || index.mtimeMs < started) return false;
  const head = headOf(`${file}-shm`, 48);
  const u32 = (at: number): number => (endianness() === 'LE' ? head.readUInt32LE(at) : head.readUInt32BE(at));
  const u16 = (at: number): number => (endianness() === 'LE' ? head.readUInt16LE(at) : head.readUInt16BE(at));
  const frames = u32(16);
  if (u32(0) !== INDEX_VERSION || head[12] === 0 || frames === 0) return false;
  const pageSize = u16(14) === 1 ? 65_536 : u16(14);
  if (sizeOf(`${file}-wal`) < 32 + frames * (24 + pageSize)) return true;
  return !headOf(`${file}-wal`, 32).subarray(16, 24).equals(head.subarray(32, 40));
}

/** Of the index's format, see https://sqlite.org/walformat.html */
const INDEX_VERSION = 3_007_000;

function headOf(file: string, bytes: number): Buffer {
  const head = Buffer.alloc(bytes);
  const handle = openSync(file, 'r');
  try {
    readSync(handle, head, 0, bytes, 0);
    return head;
  } finally {
    closeSync(handle);
  }
}
