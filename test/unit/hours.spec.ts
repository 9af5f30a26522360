import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { DAY, HOUR, MINUTE } from '../../src/duration.js';
import { awakeAt, dueAt, leavesNoTime, WEEKDAYS, type Hours, type QuietHours } from '../../src/recipients/hours.js';

const ZONES = ['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe'] as const;
const NIGHT: QuietHours = { from: '21:00', until: '07:00' };

const at = (iso: string): number => Date.parse(iso);
const iso = (time: number): string => new Date(time).toISOString().replace('.000Z', 'Z');

const CLOCKS = new Map(
  ZONES.map((timeZone) => [
    timeZone as string,
    new Intl.DateTimeFormat('en', { timeZone, hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }),
  ]),
);

/** Minutes since midnight on the wall, read by another way than the code under test takes. */
function wall(time: number, timeZone: string): number {
  const [hour = 0, minute = 0] = CLOCKS.get(timeZone)!.format(time).split(':').map(Number);
  return 60 * hour + minute;
}

describe('quiet hours', () => {
  it.each([
    ['2026-01-15T19:59:59Z', '2026-01-15T19:59:59Z', undefined],
    ['2026-01-15T20:00:00Z', '2026-01-16T06:00:00Z', 'quiet'],
    ['2026-01-16T03:00:00Z', '2026-01-16T06:00:00Z', 'quiet'],
    ['2026-01-16T05:59:59.999Z', '2026-01-16T06:00:00Z', 'quiet'],
    ['2026-01-16T06:00:00Z', '2026-01-16T06:00:00Z', undefined],
  ])('hold what comes at %s until %s', (now, expected, why) => {
    const due = dueAt(at(now), { timeZone: 'Europe/Berlin', quiet: NIGHT });
    expect([iso(due.at), due.why]).toEqual([expected, why]);
  });

  // Each night of a change: when it begins and ends, both by the wall clock of the zone.
  it.each([
    ['Europe/Berlin', 'spring', '2026-03-28T20:00:00Z', '2026-03-29T05:00:00Z'],
    ['Europe/Berlin', 'autumn', '2026-10-24T19:00:00Z', '2026-10-25T06:00:00Z'],
    ['America/New_York', 'spring', '2026-03-08T02:00:00Z', '2026-03-08T11:00:00Z'],
    ['America/New_York', 'autumn', '2026-11-01T01:00:00Z', '2026-11-01T12:00:00Z'],
    ['Australia/Lord_Howe', 'spring', '2026-10-03T10:30:00Z', '2026-10-03T20:00:00Z'],
    ['Australia/Lord_Howe', 'autumn', '2026-04-04T10:00:00Z', '2026-04-04T20:30:00Z'],
  ])('end at seven on the wall in %s on the night of the change in %s', (timeZone, _season, from, until) => {
    const hours = { timeZone, quiet: NIGHT };
    expect(dueAt(at(from) - 1, hours)).toEqual({ at: at(from) - 1 });
    for (let now = at(from); now < at(until); now += 10 * MINUTE)
      expect(iso(dueAt(now, hours).at)).toBe(iso(at(until)));
    expect(dueAt(at(until), hours)).toEqual({ at: at(until) });
  });

  // An end in the missing hour is the first moment after it; one that comes twice is its second time.
  it.each([
    ['Europe/Berlin', '02:30', '2026-03-29T00:00:00Z', '2026-03-29T01:00:00Z'],
    ['Europe/Berlin', '02:30', '2026-10-25T00:00:00Z', '2026-10-25T01:30:00Z'],
    ['America/New_York', '02:30', '2026-03-08T06:00:00Z', '2026-03-08T07:00:00Z'],
    ['America/New_York', '01:30', '2026-11-01T05:00:00Z', '2026-11-01T06:30:00Z'],
    ['Australia/Lord_Howe', '02:10', '2026-10-03T15:00:00Z', '2026-10-03T15:30:00Z'],
    ['Australia/Lord_Howe', '01:45', '2026-04-04T14:00:00Z', '2026-04-04T15:15:00Z'],
  ])(
    'in %s that end at %s, which the clock does not show or shows twice, end once',
    (timeZone, until, now, expected) => {
      expect(iso(dueAt(at(now), { timeZone, quiet: { from: '23:00', until } }).at)).toBe(expected);
    },
  );

  it('hold only on the days on which they begin, into the morning after', () => {
    const hours: Hours = { timeZone: 'Europe/Berlin', quiet: { ...NIGHT, days: ['fri', 'sat'] } };
    expect(iso(dueAt(at('2026-01-18T05:00:00Z'), hours).at)).toBe('2026-01-18T06:00:00Z');
    expect(dueAt(at('2026-01-18T22:00:00Z'), hours).why).toBeUndefined();
  });

  it('hold over a weekend that is quiet beside the nights', () => {
    const quiet: QuietHours[] = [NIGHT, { from: '00:00', until: '24:00', days: ['sat', 'sun'] }];
    const due = dueAt(at('2026-01-16T22:00:00Z'), { timeZone: 'Europe/Berlin', quiet });
    expect(due).toEqual({ at: at('2026-01-19T06:00:00Z'), why: 'quiet' });
  });

  it('let an urgent message through', () => {
    const now = at('2026-01-15T22:00:00Z');
    const hours = { timeZone: 'Europe/Berlin', quiet: NIGHT, digest: { at: '08:00' } };
    expect(dueAt(now, hours, true)).toEqual({ at: now });
  });

  it('count by UTC in a zone that the machine does not know, and never throw', () => {
    expect(iso(dueAt(at('2026-01-15T22:00:00Z'), { timeZone: 'Mars/Olympus', quiet: NIGHT }).at)).toBe(
      '2026-01-16T07:00:00Z',
    );
  });

  it('that leave no time in the week are told from those that do', () => {
    expect(leavesNoTime({ from: '00:00', until: '24:00' })).toBe(true);
    expect(leavesNoTime([NIGHT, { from: '06:59', until: '21:00' }])).toBe(true);
    expect(leavesNoTime([NIGHT, { from: '07:01', until: '21:00' }])).toBe(false);
    expect(leavesNoTime([NIGHT, { from: '07:00', until: '21:00', days: WEEKDAYS.slice(1) }])).toBe(false);
  });

  const time = fc
    .tuple(fc.integer({ min: 0, max: 23 }), fc.constantFrom('00', '10', '15', '30', '45'))
    .map(([hour, minute]) => `${String(hour).padStart(2, '0')}:${minute}`);
  /** Mostly around the changes of the clocks of 2026. */
  const moment = fc.oneof(
    fc.integer({ min: at('2025-01-01T00:00:00Z'), max: at('2028-01-01T00:00:00Z') }),
    fc
      .tuple(
        fc.constantFrom('2026-03-29', '2026-10-25', '2026-03-08', '2026-11-01', '2026-10-04', '2026-04-05'),
        fc.integer({ min: -26 * HOUR, max: 26 * HOUR }),
      )
      .map(([day, offset]) => at(`${day}T00:00:00Z`) + offset),
  );

  it('are never broken, and end, whatever the zone, the hours and the moment', () => {
    fc.assert(
      fc.property(fc.constantFrom(...ZONES), time, time, moment, (timeZone, from, until, now) => {
        fc.pre(from !== until);
        const hours = { timeZone, quiet: { from, until } };
        const due = dueAt(now, hours);
        const [clock, begin, end] = [wall(due.at, timeZone), wallOf(from), wallOf(until)];
        const isQuiet = begin < end ? clock >= begin && clock < end : clock >= begin || clock < end;
        expect(isQuiet).toBe(false);
        expect(due.at - now).toBeGreaterThanOrEqual(0);
        // The only free minutes of a day may be those that a change of the clocks skips.
        expect(due.at - now).toBeLessThanOrEqual(2 * DAY + HOUR);
        expect(awakeAt(due.at, hours)).toEqual({ at: due.at });
      }),
      { numRuns: 300 },
    );
  });
});

function wallOf(time: string): number {
  const [hour = 0, minute = 0] = time.split(':').map(Number);
  return 60 * hour + minute;
}

describe('a digest', () => {
  it('goes at the next hour of the person, and at that hour itself', () => {
    const hours = { timeZone: 'America/New_York', digest: { at: '08:00' } };
    expect(dueAt(at('2026-01-15T13:00:01Z'), hours)).toEqual({ at: at('2026-01-16T13:00:00Z'), why: 'digest' });
    expect(dueAt(at('2026-01-15T13:00:00Z'), hours)).toEqual({ at: at('2026-01-15T13:00:00Z'), why: 'digest' });
  });

  it('skips the days that it is not for', () => {
    const hours: Hours = { timeZone: 'Europe/Berlin', digest: { at: '08:00', days: ['mon', 'thu'] } };
    expect(iso(dueAt(at('2026-01-15T07:00:01Z'), hours).at)).toBe('2026-01-19T07:00:00Z');
  });

  it('whose hour is quiet goes when the quiet ends', () => {
    const hours = { timeZone: 'Europe/Berlin', digest: { at: '06:00' }, quiet: NIGHT };
    expect(dueAt(at('2026-01-15T12:00:00Z'), hours)).toEqual({ at: at('2026-01-16T06:00:00Z'), why: 'digest' });
  });

  // Days of both changes, with hours that do not exist or come twice on them.
  it.each([
    ['Europe/Berlin', '02:30', '2026-03-27', ['03-27T01:30', '03-28T01:30', '03-29T01:00', '03-30T00:30']],
    ['Europe/Berlin', '02:30', '2026-10-23', ['10-23T00:30', '10-24T00:30', '10-25T00:30', '10-26T01:30']],
    ['Europe/Berlin', '08:00', '2026-03-28', ['03-28T07:00', '03-29T06:00', '03-30T06:00']],
    ['Europe/Berlin', '08:00', '2026-10-24', ['10-24T06:00', '10-25T07:00', '10-26T07:00']],
    ['America/New_York', '02:30', '2026-03-07', ['03-07T07:30', '03-08T07:00', '03-09T06:30']],
    ['America/New_York', '01:30', '2026-10-31', ['10-31T05:30', '11-01T05:30', '11-02T06:30']],
    ['America/New_York', '08:00', '2026-10-31', ['10-31T12:00', '11-01T13:00', '11-02T13:00']],
    ['Australia/Lord_Howe', '02:15', '2026-10-02', ['10-02T15:45', '10-03T15:30', '10-04T15:15']],
    ['Australia/Lord_Howe', '01:45', '2026-04-03', ['04-03T14:45', '04-04T14:45', '04-05T15:15']],
  ])('goes once a day in %s at %s, also on the day of a change (from %s)', (timeZone, hour, day, expected) => {
    const hours = { timeZone, digest: { at: hour } };
    const found: string[] = [];
    let now = at(`${day}T00:00:00Z`);
    while (found.length < expected.length) {
      const due = dueAt(now, hours);
      found.push(iso(due.at));
      now = due.at + 1;
    }
    expect(found).toEqual(expected.map((one) => `2026-${one}:00Z`));
  });
});

describe('a snooze', () => {
  const until = at('2026-01-15T13:00:00Z');

  it('holds everything until it ends, urgent messages too', () => {
    const hours = { timeZone: 'UTC', snoozedUntil: until };
    expect(dueAt(until - HOUR, hours)).toEqual({ at: until, why: 'snoozed' });
    expect(dueAt(until - HOUR, hours, true)).toEqual({ at: until, why: 'snoozed' });
    expect(dueAt(until, hours)).toEqual({ at: until });
  });

  it('that ends in quiet hours ends with them, for all but what is urgent', () => {
    const hours = { timeZone: 'UTC', snoozedUntil: at('2026-01-15T23:00:00Z'), quiet: NIGHT };
    expect(iso(dueAt(until, hours).at)).toBe('2026-01-16T07:00:00Z');
    expect(iso(dueAt(until, hours, true).at)).toBe('2026-01-15T23:00:00Z');
  });

  it('goes before the digest', () => {
    const hours = { timeZone: 'UTC', snoozedUntil: until, digest: { at: '09:00' } };
    expect(dueAt(until - DAY, hours)).toEqual({ at: at('2026-01-16T09:00:00Z'), why: 'digest' });
  });
});
