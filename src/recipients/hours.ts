import { DateTime, IANAZone } from 'luxon';

/**
 * When a person may be written to, by the clock on their wall. Pure: `now` comes in, an instant goes out.
 *
 * Where clocks are set forward, a time that does not exist is the first moment after the gap; where they are set back, a stretch begins
 * at the first and ends at the second of two equal times. So quiet hours are never shorter than they read, and a digest goes once a day.
 */

export const WEEKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
export type Weekday = (typeof WEEKDAYS)[number];

/** `HH:MM` both; an end that is not after the beginning is on the next day, and `24:00` is the end of the day. */
export interface QuietHours {
  from: string;
  until: string;
  /** Days on which they begin; absent: every day. */
  days?: Weekday[] | undefined;
}

export interface DigestHour {
  /** `HH:MM`. */
  at: string;
  /** Absent: every day. */
  days?: Weekday[] | undefined;
}

export interface Hours {
  /** IANA name; one that this machine does not know counts as UTC. */
  timeZone: string;
  quiet?: QuietHours | readonly QuietHours[] | undefined;
  digest?: DigestHour | undefined;
  /** Epoch milliseconds. */
  snoozedUntil?: number | undefined;
}

/** Why a message waits. */
type Wait = 'snoozed' | 'digest' | 'quiet';

/** The same for people, as deliveries show it. */
export const WAITS: Readonly<Record<Wait, string>> = {
  quiet: 'waits for the end of the quiet hours',
  digest: 'waits for the digest',
  snoozed: 'waits for the end of the snooze',
};

/** `why` is absent when the message may go at once. */
export interface Due {
  /** Epoch milliseconds. */
  at: number;
  why?: Wait;
}

const DAY_MINUTES = 24 * 60;
const WEEK_MINUTES = 7 * DAY_MINUTES;
/** More stretches than can follow each other in a week that is not all quiet. */
const STRETCHES = 64;
/** A weekday comes again within a week; a zone may have skipped a day. */
const DIGEST_DAYS = 15;
/** No zone has ever skipped more. */
const LONGEST_GAP_MS = 25 * 3_600_000;

/**
 * When a message may go: after the snooze, at the next digest hour, and not in quiet hours.
 * @param now epoch milliseconds
 * @param urgent waits for no digest and no quiet hours; a snooze holds for it too
 */
export function dueAt(now: number, hours: Hours, urgent = false): Due {
  const zone = zoneOf(hours.timeZone);
  const snoozed = Math.max(now, hours.snoozedUntil ?? now);
  const after: Due = snoozed > now ? { at: snoozed, why: 'snoozed' } : { at: now };
  if (urgent) return after;
  const due: Due = hours.digest ? { at: digestAfter(after.at, hours.digest, zone), why: 'digest' } : after;
  const awake = endOfQuiet(due.at, hours.quiet, zone);
  return awake > due.at ? { at: awake, why: due.why ?? 'quiet' } : due;
}

/** The last look before a send: {@link dueAt} without the digest, whose hour has come. */
export function awakeAt(now: number, hours: Hours, urgent = false): Due {
  return dueAt(now, { ...hours, digest: undefined }, urgent);
}

/** True for quiet hours that cover the whole week: nothing would ever go. */
export function leavesNoTime(quiet: QuietHours | readonly QuietHours[]): boolean {
  const week = new Uint8Array(WEEK_MINUTES);
  for (const { from, until, days } of listOf(quiet)) {
    const end = minutes(until) + (until > from ? 0 : DAY_MINUTES);
    for (const [index, day] of WEEKDAYS.entries()) {
      if (days && !days.includes(day)) continue;
      for (let minute = minutes(from); minute < end; minute++) week[(index * DAY_MINUTES + minute) % WEEK_MINUTES] = 1;
    }
  }
  return week.every((isQuiet) => isQuiet === 1);
}

function digestAfter(from: number, { at, days }: DigestHour, zone: string): number {
  for (let ahead = 0; ahead < DIGEST_DAYS; ahead++) {
    const day = dayOf(from, ahead, zone);
    const instant = instantOf(day, at, zone, 'first');
    if (instant >= from && isOn(day, days)) return instant;
  }
  return from;
}

/** `from` itself when it is not in quiet hours. */
function endOfQuiet(from: number, quiet: Hours['quiet'], zone: string): number {
  if (!quiet) return from;
  const stretches = listOf(quiet);
  let at = from;
  for (let i = 0; i < STRETCHES; i++) {
    const now = at;
    const end = Math.max(now, ...stretches.map((stretch) => endOf(now, stretch, zone)));
    if (end === now) return now;
    at = end;
  }
  return at;
}

/** The end of the stretch that `at` lies in; `at` itself when it lies in none. It may have begun on an earlier day. */
function endOf(at: number, { from, until, days }: QuietHours, zone: string): number {
  for (const ahead of [-2, -1, 0]) {
    const day = dayOf(at, ahead, zone);
    if (!isOn(day, days) || instantOf(day, from, zone, 'first') > at) continue;
    const end = instantOf(until > from ? day : day.plus({ days: 1 }), until, zone, 'last');
    if (end > at) return end;
  }
  return at;
}

/** The date on the wall, as a date of UTC, so that days can be counted. */
function dayOf(at: number, ahead: number, zone: string): DateTime {
  const { year, month, day } = DateTime.fromMillis(at, { zone });
  return DateTime.utc(year, month, day).plus({ days: ahead });
}

function isOn(day: DateTime, days: readonly Weekday[] | undefined): boolean {
  const name = WEEKDAYS[day.weekday - 1];
  return !days || (name !== undefined && days.includes(name));
}

/** @param which of two instants that have the same time on the wall */
function instantOf(day: DateTime, time: string, zone: string, which: 'first' | 'last'): number {
  const asked = day.plus({ minutes: minutes(time) });
  const { year, month, day: date, hour, minute } = asked;
  const wall = DateTime.fromObject({ year, month, day: date, hour, minute }, { zone });
  if (wall.day !== date || wall.hour !== hour || wall.minute !== minute) return endOfGap(wall);
  const instants = wall.getPossibleOffsets().map((one) => one.toMillis());
  return which === 'first' ? Math.min(...instants) : Math.max(...instants);
}

/** @param pushed a time that does not exist, as the library gives it: later, by the length of the gap */
function endOfGap(pushed: DateTime): number {
  const { zone } = pushed;
  let after = pushed.toMillis();
  let before = after - LONGEST_GAP_MS;
  const offset = zone.offset(after);
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (zone.offset(middle) === offset) after = middle;
    else before = middle;
  }
  return after;
}

function listOf(quiet: QuietHours | readonly QuietHours[]): readonly QuietHours[] {
  return 'from' in quiet ? [quiet] : quiet;
}

function minutes(time: string): number {
  return 60 * Number(time.slice(0, 2)) + Number(time.slice(3));
}

function zoneOf(timeZone: string): string {
  return IANAZone.isValidZone(timeZone) ? timeZone : 'utc';
}
