import { describe, expect, it } from '@jest/globals';
import { clockTime, DAY, HOUR, MINUTE, SECOND } from '../../src/duration.js';

describe('clockTime', () => {
  it.each([
    [0, '0:00'],
    [7.99, '0:07'],
    [60, '1:00'],
    [245, '4:05'],
    [3_599.999, '59:59'],
    [3_600, '1:00:00'],
    [3_729, '1:02:09'],
    [360_000, '100:00:00'],
    [-1, '0:00'],
    [NaN, '0:00'],
    [Infinity, '0:00'],
  ])('shows %d seconds as %s', (seconds, text) => {
    expect(clockTime(seconds)).toBe(text);
  });
});

describe('the units of time', () => {
  it('are milliseconds', () => {
    expect([SECOND, MINUTE, HOUR, DAY]).toEqual([1_000, 60_000, 3_600_000, 86_400_000]);
  });
});
