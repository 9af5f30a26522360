import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { clockTime, DAY, durationText, HOUR, MINUTE, parseDuration, SECOND } from '../../src/duration.js';

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

describe('durationText', () => {
  it.each([
    [-5, '0s'],
    [0, '0s'],
    [1, '1s'],
    [60_000, '1m'],
    [61_500, '1m 2s'],
    [3_600_000, '1h'],
    [3_601_000, '1h'],
    [2 * DAY + 4 * HOUR + 59 * MINUTE, '2d 4h'],
  ])('shows %d milliseconds as %s', (ms, text) => {
    expect(durationText(ms)).toBe(text);
  });
});

describe('the units of time', () => {
  it('are milliseconds', () => {
    expect([SECOND, MINUTE, HOUR, DAY]).toEqual([1_000, 60_000, 3_600_000, 86_400_000]);
  });
});

describe('a time as people write it in JSON', () => {
  it.each([
    ['1s', SECOND],
    ['90s', 90 * SECOND],
    ['15m', 15 * MINUTE],
    ['2h', 2 * HOUR],
    ['7d', 7 * DAY],
    ['0s', 0],
  ])('%s is %d milliseconds', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each(['', '15', 'm', '15 m', '1.5h', '-1h', '1h30m', '15M', '1w', '15min', ' 1h', '1h\n', '9999999999s'])(
    '%j is none',
    (text) => {
      expect(parseDuration(text)).toBeUndefined();
    },
  );

  it('is never anything but a whole number of its unit', () => {
    fc.assert(
      fc.property(fc.nat(999_999), fc.constantFrom('s', 'm', 'h', 'd'), (amount, unit) => {
        expect(parseDuration(`${String(amount)}${unit}`)).toBe(
          amount * { s: SECOND, m: MINUTE, h: HOUR, d: DAY }[unit],
        );
      }),
    );
  });
});
