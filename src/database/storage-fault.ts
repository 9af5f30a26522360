import { isObject } from '../json.js';

/** What a database, or the disk under it, says when it cannot work: now, or not before somebody has mended it. */
export type StorageFault =
  /** No room. */
  | 'full'
  /** Another process holds the file. */
  | 'locked'
  /** A sync failed: what the disk holds of this commit, and of those before it, nobody knows. */
  | 'unsynced'
  /** The file holds what no database file holds. */
  | 'damaged'
  /** The file was removed, replaced or cut. */
  | 'gone'
  /** Disk or server answer with an error, or not at all. */
  | 'unreachable';

/** The kind of an error of a driver or of the file system; undefined for one that has to do with the statement. */
export function storageFaultOf(error: unknown): StorageFault | undefined {
  const inner = isObject(error) && isObject(error.driverError) ? error.driverError : error;
  if (!isObject(inner)) return undefined;
  if (typeof inner.code === 'string') {
    const known = CODES.find(([pattern]) => pattern.test(String(inner.code)))?.[1];
    if (known !== undefined) return known;
  }
  return typeof inner.message === 'string' && WITHOUT_CODE.test(inner.message) ? 'unreachable' : undefined;
}

/** SQLite's result codes, errno of disk and connection, and PostgreSQL's classes 08 (connection), 53 (resources), 57P (shutdown). */
const CODES: [RegExp, StorageFault][] = [
  [/^(SQLITE_FULL|ENOSPC|EDQUOT|53100)$/, 'full'],
  [/^SQLITE_(BUSY|LOCKED)/, 'locked'],
  [/^SQLITE_IOERR_(DIR_)?FSYNC$/, 'unsynced'],
  [/^SQLITE_(CORRUPT(_INDEX)?|NOTADB)$/, 'damaged'],
  [/^SQLITE_(IOERR|CANTOPEN|READONLY)/, 'unreachable'],
  [/^(EIO|EROFS|EMFILE|ENFILE|ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH)$/, 'unreachable'],
  // 25006: a standby, after a failover; 25P03: our own limit on an idle transaction; 55P03 and 57014: limits on a statement.
  [/^(08\w{3}|53\w{3}|57P\d\d|57014|55P03|25006|25P03)$/, 'unreachable'],
];

/** What pg says without a code: the connection broke, did not come, or the answer did not come. TypeORM then lets go of the connection. */
const WITHOUT_CODE = new RegExp(
  [
    '^(Connection terminated|timeout e(xceeded|xpired)|Query read timeout|Client (was closed|has encountered a connection error)',
    'Database connection provided by a query runner was already released|Query runner already released)',
  ].join('|'),
);
