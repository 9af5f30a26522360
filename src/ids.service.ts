import { randomBytes } from 'node:crypto';
import type { Clock } from './clock.js';
import { uuidv7 } from './ids.js';

/** Makes ids: UUIDv7 text, so that rows sort by the time they were made. */
export class Ids {
  constructor(private readonly clock: Clock) {}

  next(): string {
    return uuidv7(this.clock.now(), randomBytes(10));
  }
}
