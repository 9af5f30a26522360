/**
 * Bodies from this size on are read in a thread of their own: here, 256 kB take 5 to 10 ms of the event loop. Compressed ones may
 * have any size.
 */
export const LARGE_BYTES = 256 * 1024;

export function isLargeBody(bytes: number): boolean {
  return bytes >= LARGE_BYTES;
}
