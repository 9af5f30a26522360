import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { RateLimitedError } from '../errors.js';

/** Counts refused credentials by source address. It never looks at right ones: nobody can lock the operator out. */
export class FailureLimiter {
  private readonly failures: RateLimiterMemory;

  /** @param aMinute refusals that one address may collect within a minute before it is told to wait */
  constructor(
    aMinute: number,
    private readonly message: string,
  ) {
    this.failures = new RateLimiterMemory({ points: aMinute, duration: 60 });
  }

  /** @throws RateLimitedError over the limit */
  async count(address: string): Promise<void> {
    try {
      await this.failures.consume(address);
    } catch (refusal) {
      if (!(refusal instanceof RateLimiterRes)) throw refusal;
      throw new RateLimitedError(this.message, refusal.msBeforeNext);
    }
  }
}
