import { HOUR, MINUTE, SECOND } from '../duration.js';
import type { SendOutcome } from '../retry-policy.js';

/** What the end of a send says about its channel, beside what it says about the delivery. */
export type Signal =
  /** The vendor took the message, or judged this one message: the channel works. */
  | { kind: 'works' }
  /** The vendor could not be reached, or did not answer. */
  | { kind: 'silent'; code: string; reason: string }
  | { kind: 'throttled'; code: string; reason: string; forMs: number }
  /** Every message will be refused alike until somebody mends the account or the settings. */
  | { kind: 'refused'; code: string; reason: string }
  /** The vendor had no part in it. */
  | { kind: 'nothing' };

/** A channel that its vendor refuses is tried with one delivery after so long, then hourly. */
const TRIALS = [MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR];
export const LONGEST_TRIAL = HOUR;

/** So many sends in a row without an answer open the circuit breaker. */
export const BREAKER_FAILURES = 5;
const BREAKER_FIRST = 30 * SECOND;
const BREAKER_LONGEST = 5 * MINUTE;

/** A pause that a vendor asks for is within these; one that names no time gets the middle one. */
const THROTTLE = { least: SECOND, usual: 30 * SECOND, most: HOUR };

/** Refused before the vendor saw it. */
const OWN_CODES = new Set(['RECIPIENT_INVALID', 'COUNTRY', 'EABORT']);

/** @param trials failed ones so far; @returns milliseconds until the next one */
export function trialAfter(trials: number): number {
  return TRIALS[Math.min(trials, TRIALS.length - 1)] ?? LONGEST_TRIAL;
}

/**
 * How long the breaker stays open: half a minute, doubling up to five, jittered by a tenth so that replicas do not come back together.
 * @param before how often it opened before without a success between; @param random like Math.random
 */
export function breakerPause(before: number, random: () => number): number {
  return Math.round(Math.min(BREAKER_LONGEST, BREAKER_FIRST * 2 ** Math.min(before, 10)) * (0.9 + 0.2 * random()));
}

/** What a send tells of its channel. Faults of one recipient, text or destination say that it works. */
export function signalOf(outcome: SendOutcome): Signal {
  if (outcome.kind === 'sent') return { kind: 'works' };
  if (outcome.kind === 'released') return { kind: 'nothing' };
  const { code, message: reason, vendorClass } = outcome;
  if (vendorClass === '' || vendorClass === 'BUG' || OWN_CODES.has(code)) return { kind: 'nothing' };
  if (outcome.kind === 'rejected') return { kind: 'works' };
  if (outcome.kind === 'ambiguous' || vendorClass === 'NOT_SENT') return { kind: 'silent', code, reason };
  if (vendorClass === 'CONFIG') return { kind: 'refused', code, reason };
  if (vendorClass === 'THROTTLED' || vendorClass === 'WAIT') {
    return { kind: 'throttled', code, reason, forMs: throttleFor(outcome.retryAfterMs) };
  }
  return { kind: 'works' };
}

function throttleFor(askedMs: number | undefined): number {
  const asked = askedMs !== undefined && Number.isFinite(askedMs) && askedMs > 0 ? askedMs : THROTTLE.usual;
  return Math.min(THROTTLE.most, Math.max(THROTTLE.least, asked));
}
