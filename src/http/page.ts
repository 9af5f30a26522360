import { z } from 'zod';
import { isUuid } from '../ids.js';

/** One page of a list, newest first. `nextCursor` is absent on the last page. */
export interface Page<T> {
  items: T[];
  nextCursor?: string;
}

/** Query parameters of every list. A cursor is the id of the last row seen: ids sort by time. */
export const pageQuery = {
  limit: z.coerce.number().int().min(1).max(200).default(50),
  cursor: z.string().refine(isUuid, { message: 'must be a nextCursor of an earlier page' }).optional(),
};

/** @param found up to `limit + 1` rows; the one too many tells that there is a next page */
export function toPage<Row extends { id: string }, Item>(
  found: Row[],
  limit: number,
  show: (row: Row) => Item,
): Page<Item> {
  const shown = found.slice(0, limit);
  const last = shown.at(-1);
  return {
    items: shown.map(show),
    ...(found.length > limit && last ? { nextCursor: last.id } : {}),
  };
}

/** A time in a query or body: epoch milliseconds or ISO 8601 with a zone. Gives epoch milliseconds. */
export const timeQuery = z.union(
  [z.iso.datetime({ offset: true }).transform((text) => Date.parse(text)), z.coerce.number().int().min(0).max(8.64e15)],
  { error: 'must be ISO 8601 with a zone (2026-01-31T09:00:00Z) or epoch milliseconds' },
);
