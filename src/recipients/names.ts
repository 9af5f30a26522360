import { z } from 'zod';
import { PreconditionFailedError } from '../errors.js';

/**
 * Name of a contact or group, as `contact:NAME` names it. Any script, with blanks inside; nothing that is invisible at its ends, breaks
 * a line, or cannot be stored on every database (NUL, half a surrogate pair). It comes back byte for byte.
 */
export const directoryName = z
  .string()
  .min(1, { error: 'must not be empty' })
  .max(100, { error: 'has at most 100 characters' })
  .refine((name) => name === name.trim(), { error: 'must not begin or end with white space' })
  .refine((name) => !/\p{Surrogate}/u.test(name), { error: 'contains half of a surrogate pair' })
  .refine((name) => !/[\p{Cc}\u2028\u2029]/u.test(name), { error: 'contains a control character or line break' });

/** Names are unique without regard to case; the same folding as in {@link toDirectory}. */
export function nameKey(name: string): string {
  return name.toLowerCase();
}

/** When an entry is saved: it is its ETag too, so that two saves of one millisecond must not look the same. */
export function nextStamp({ updatedAt }: { updatedAt: number }, now: number): number {
  return Math.max(now, updatedAt + 1);
}

export function overtaken(): PreconditionFailedError {
  return new PreconditionFailedError('Somebody else saved it in this moment; read it again and repeat your change');
}
