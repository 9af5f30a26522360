import BetterSqlite3 from 'better-sqlite3';
import { ConfigError } from '../errors.js';

/** What a copied database holds. */
export interface CopiedDatabase {
  /** Names, oldest first. */
  migrations: string[];
  /** Rows of the tables that matter to people. */
  counts: Record<string, number>;
  /** Keys of the blobs that its rows name. */
  blobs: string[];
}

const COUNTED = ['jobs', 'callbacks', 'transcripts', 'deliveries', 'contacts', 'rules'];
/** Between two of these the event loop turns. */
const PAGES = 2_000;

/**
 * Copies a SQLite database that a running Herald writes to. The copy is the state of one moment after the call: everything that was
 * acknowledged before is in it. The server is not kept from writing.
 */
export async function copySqlite(file: string, to: string): Promise<void> {
  const source = new BetterSqlite3(file, { readonly: true, fileMustExist: true, timeout: 5_000 });
  try {
    // One view for the whole copy: without it, each write of the server would begin the copy anew.
    source.exec('begin');
    source.prepare('select count(*) from sqlite_master').get();
    await source.backup(to, { progress: () => PAGES });
  } finally {
    source.close();
  }
}

/**
 * Checks a copy and tells what it holds. Leaves it as one file.
 * @throws ConfigError when the copy is damaged
 */
export function inspectCopy(file: string): CopiedDatabase {
  const copy = new BetterSqlite3(file, { fileMustExist: true });
  try {
    copy.pragma('journal_mode = DELETE');
    const verdict = copy.pragma('integrity_check', { simple: true });
    if (verdict !== 'ok') throw new ConfigError(`The database is damaged: ${String(verdict).slice(0, 200)}`);
    const column = (statement: string): unknown[] => copy.prepare(statement).pluck().all();
    return {
      migrations: column('select name from migrations order by id') as string[],
      counts: Object.fromEntries(COUNTED.map((table) => [table, column(`select count(*) from ${table}`)[0] as number])),
      blobs: column(
        `select audio_blob from jobs where audio_blob is not null
         union select blob_key from callbacks where blob_key is not null`,
      ) as string[],
    };
  } finally {
    copy.close();
  }
}

/** Makes a copy true that names blobs which were deleted while it was made: their audio is no longer kept. */
export function forgetBlobs(file: string, keys: string[]): void {
  const copy = new BetterSqlite3(file, { fileMustExist: true });
  try {
    for (const key of keys) copy.prepare('update jobs set audio_blob = null where audio_blob = ?').run(key);
  } finally {
    copy.close();
  }
}
