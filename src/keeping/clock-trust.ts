import { DAY } from '../duration.js';

/** One reading of both clocks, in milliseconds: `wall` since the epoch, `uptime` since any fixed moment of this process. */
export interface Reading {
  wall: number;
  uptime: number;
}

/**
 * What is known of the wall clock. `good` is the last reading that was trusted; `doubted` is there while the clock stands where time
 * alone cannot have brought it.
 */
export interface ClockTrust {
  good: Reading;
  doubted?: {
    /** Uptime at which the doubt began. */
    since: number;
    last: Reading;
  };
}

/** More than this between two clocks is no drift, and no second of a summer time. */
const JUMP = DAY;
/** A clock that keeps this long what it says was set right, not wrong. */
const PROBATION = DAY;

/**
 * Judges a reading. A clock that is ahead of where it was, by more than a day beyond the time that has passed, is doubted until it
 * has run evenly for a day of uptime, or stands right again. One that is behind is trusted: it makes nothing seem older than it is.
 */
export function judgeClock(trust: ClockTrust, now: Reading): ClockTrust {
  if (ahead(trust.good, now) <= JUMP) return { good: now };
  const { doubted } = trust;
  if (doubted === undefined || Math.abs(ahead(doubted.last, now)) > JUMP)
    return { good: trust.good, doubted: { since: now.uptime, last: now } };
  if (now.uptime - doubted.since >= PROBATION) return { good: now };
  return { good: trust.good, doubted: { since: doubted.since, last: now } };
}

/** How much uptime a doubted clock still needs, in milliseconds; 0 for a trusted one. */
export function probationLeft({ doubted }: ClockTrust, uptime: number): number {
  return doubted === undefined ? 0 : Math.max(0, doubted.since + PROBATION - uptime);
}

function ahead(from: Reading, to: Reading): number {
  return to.wall - from.wall - (to.uptime - from.uptime);
}
