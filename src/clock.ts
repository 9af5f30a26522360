/** Where time comes from. Stores and services take it as a dependency, pure functions take `now` as an argument. */
export abstract class Clock {
  /** Epoch milliseconds. */
  abstract now(): number;
}

export class SystemClock extends Clock {
  now(): number {
    return Date.now();
  }
}
