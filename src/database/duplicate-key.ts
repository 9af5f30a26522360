import { isObject } from '../json.js';

const CODES = ['SQLITE_CONSTRAINT_UNIQUE', 'SQLITE_CONSTRAINT_PRIMARYKEY', '23505'];

/** True for the error of a write that met a row of the same unique key: another writer was a moment earlier. */
export function isDuplicateKey(error: unknown): boolean {
  const inner = isObject(error) ? error.driverError : undefined;
  return isObject(inner) && typeof inner.code === 'string' && CODES.includes(inner.code);
}

/**
 * Waits for a write and gives its meeting with another writer a name. Outside of the transaction: PostgreSQL takes no further
 * statement in one that has failed.
 * @throws what `conflict` makes, instead of the driver's error on a unique key
 */
export async function orConflict<T>(write: Promise<T>, conflict: () => Error): Promise<T> {
  try {
    return await write;
  } catch (error) {
    throw isDuplicateKey(error) ? conflict() : error;
  }
}
