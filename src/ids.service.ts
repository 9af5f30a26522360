import { randomBytes } from 'node:crypto';
import type { Clock } from './clock.js';
import { uuidv7 } from './ids.js';

/** Ids of one millisecond; the next ones take the next millisecond. */
const PER_MILLISECOND = 4096;

/**
 * Makes ids: UUIDv7 text, so that rows sort by the time they were made. Within one process a later id sorts after an earlier one, in the same
 * millisecond and after the clock was set back too: then the ids go on from the latest time until the clock has caught up.
 */
export class Ids {
  private time = 0;
  private count = 0;

  constructor(private readonly clock: Clock) {}

  next(): string {
    const now = this.clock.now();
    if (now > this.time) {
      this.time = now;
      this.count = 0;
    } else if (++this.count === PER_MILLISECOND) {
      this.time++;
      this.count = 0;
    }
    const random = randomBytes(10);
    // The first twelve of the random bits count (RFC 9562, 6.2, method 1); 62 stay random.
    random.writeUInt16BE(this.count, 0);
    return uuidv7(this.time, random);
  }
}
