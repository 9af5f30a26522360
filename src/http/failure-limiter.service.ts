import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { RateLimitedError } from '../errors.js';

/** Seconds. */
const WINDOW = 60;

/** Counts refused credentials by source address. It never looks at right ones: nobody can lock the operator out. */
export class FailureLimiter {
  private readonly failures: RateLimiterMemory;

  /** @param aMinute refusals that one address may collect within a minute before it is told to wait */
  constructor(
    aMinute: number,
    private readonly message: string,
  ) {
    this.failures = new RateLimiterMemory({ points: aMinute, duration: WINDOW });
  }

  /** @throws RateLimitedError over the limit */
  async count(address: string): Promise<void> {
    try {
      await this.failures.consume(address);
    } catch (refusal) {
      if (!(refusal instanceof RateLimiterRes)) throw refusal;
      // The count ends by a timer; what is left of it is told by the wall clock, which may have been set back meanwhile.
      throw new RateLimitedError(this.message, Math.min(refusal.msBeforeNext, WINDOW * 1_000));
    }
  }
}
