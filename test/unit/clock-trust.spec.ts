import { describe, expect, it } from '@jest/globals';
import { DAY, HOUR } from '../../src/duration.js';
import { judgeClock, probationLeft, type ClockTrust } from '../../src/keeping/clock-trust.js';

const YEAR = 365 * DAY;
const START = { wall: 1_800_000_000_000, uptime: 0 };

/** Judges the readings one after the other: hours of uptime, and how far the wall clock is off then. */
function judge(...readings: [hours: number, off: number][]): ClockTrust {
  return readings.reduce<ClockTrust>(
    (trust, [hours, off]) =>
      judgeClock(trust, { wall: START.wall + hours * HOUR + off, uptime: START.uptime + hours * HOUR }),
    { good: START },
  );
}

const doubted = (trust: ClockTrust): boolean => trust.doubted !== undefined;

describe('the trust in the wall clock (C17)', () => {
  it('holds while both clocks agree, through drift, summer time and a leap day', () => {
    expect(doubted(judge([1, 0], [2, HOUR], [3, 0], [27, 5_000]))).toBe(false);
  });

  it('ends with a jump of five years ahead, and lasts until the clock has run evenly for a day', () => {
    expect(doubted(judge([1, 0], [2, 5 * YEAR]))).toBe(true);
    expect(doubted(judge([1, 0], [2, 5 * YEAR], [25.9, 5 * YEAR]))).toBe(true);
    expect(doubted(judge([1, 0], [2, 5 * YEAR], [25.9, 5 * YEAR], [26, 5 * YEAR]))).toBe(false);
  });

  it('comes back at once when the clock is set right again', () => {
    expect(doubted(judge([1, 5 * YEAR], [2, 0]))).toBe(false);
  });

  it('begins its day anew with each further jump', () => {
    const trust = judge([1, 5 * YEAR], [20, 9 * YEAR]);
    expect(probationLeft(trust, 20 * HOUR)).toBe(DAY);
    expect(doubted(judge([1, 5 * YEAR], [20, 9 * YEAR], [26, 9 * YEAR]))).toBe(true);
  });

  it('holds for a clock that is set back, and ends when that one jumps ahead again', () => {
    expect(doubted(judge([1, -DAY * 3]))).toBe(false);
    expect(doubted(judge([1, -DAY * 3], [2, 0]))).toBe(true);
  });
});
