/** Columns of the table `jobs` and what an update sets them to. */
export type Columns = Record<string, string | number | null>;

/** The `set` of an update, with one placeholder a column. */
export function assignments(set: Columns): string {
  return Object.keys(set)
    .map((column) => `${column} = ?`)
    .join(', ');
}

/** A job that waits to be submitted as if it never had been; its submissions so far stay known. */
export const SUBMIT_ANEW = {
  state: 'pending',
  attempts: 0,
  deadline_at: null,
  failure: null,
  last_error: null,
  settled_at: null,
} as const;
