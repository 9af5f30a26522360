import { describe, expect, it } from '@jest/globals';
import { parsePhoneNumber, requireCountry } from '../../src/channels/sms/phone-number.js';
import { breakerPause, signalOf, trialAfter } from '../../src/deliveries/gate-policy.js';
import { Pace } from '../../src/deliveries/pace.js';
import { HOUR, MINUTE, SECOND } from '../../src/duration.js';
import { decideInterrupted, DELIVERY_RETRY_POLICY, type SendOutcome } from '../../src/retry-policy.js';

const NOW = 1_780_000_000_000;

describe('what a send tells of its channel', () => {
  const failure = (vendorClass: string, code = '1') => ({ code, message: 'm', vendorClass });
  const deferred = (vendorClass: string, more = {}): SendOutcome => ({
    kind: 'deferred',
    counts: false,
    ...failure(vendorClass),
    ...more,
  });
  it.each<[string, SendOutcome, string]>([
    ['CONFIG', deferred('CONFIG'), 'refused'],
    ['THROTTLED', deferred('THROTTLED'), 'throttled'],
    ['WAIT', deferred('WAIT'), 'throttled'],
    ['NOT_SENT', deferred('NOT_SENT'), 'silent'],
    ['AMBIGUOUS', { kind: 'ambiguous', ...failure('AMBIGUOUS') }, 'silent'],
    ['TRANSIENT', deferred('TRANSIENT'), 'works'],
    ['a message of our own', { kind: 'rejected', ...failure('') }, 'nothing'],
    ['our own refusal', { kind: 'rejected', ...failure('RECIPIENT', 'RECIPIENT_INVALID') }, 'nothing'],
    ['a shutdown', { kind: 'released' }, 'nothing'],
  ])('%s', (_name, outcome, kind) => {
    expect(signalOf(outcome).kind).toBe(kind);
  });

  it.each(['DESTINATION', 'RECIPIENT', 'CONTENT', 'OPTED_OUT', 'BLOCKED', 'POLICY', 'REFUSED'])(
    '%s never closes it (P2, P4)',
    (vendorClass) => {
      expect(signalOf({ kind: 'rejected', ...failure(vendorClass) })).toEqual({ kind: 'works' });
    },
  );

  it('a throttle lasts as long as the vendor asks, within a second and an hour (P4)', () => {
    const length = (retryAfterMs?: number) =>
      (signalOf(deferred('THROTTLED', retryAfterMs === undefined ? {} : { retryAfterMs })) as { forMs: number }).forMs;
    expect([length(17_000), length(1), length(24 * HOUR), length()]).toEqual([17_000, SECOND, HOUR, 30 * SECOND]);
  });

  it('trials come after 1, 5, 15, 30 and 60 minutes, then hourly; the breaker doubles up to five minutes', () => {
    expect([0, 1, 2, 3, 4, 5, 50].map((n) => trialAfter(n) / MINUTE)).toEqual([1, 5, 15, 30, 60, 60, 60]);
    expect([0, 1, 2, 3, 4, 50].map((n) => breakerPause(n, () => 0.5) / SECOND)).toEqual([30, 60, 120, 240, 300, 300]);
  });
});

describe('a pace', () => {
  it.each([0.5, 3, 50])('of %d a second is kept in every second, without a burst after a pause (P7)', (perSecond) => {
    const pace = new Pace(perSecond);
    const sent: number[] = [];
    for (let now = 0; now < 20_000; now += 10) {
      // Nobody asks for a while.
      if (now > 5_000 && now < 10_000) continue;
      const allowed = pace.allowed(now);
      pace.spend(allowed);
      for (let i = 0; i < allowed; i++) sent.push(now);
    }
    const burst = Math.max(1, perSecond / 10);
    for (const from of sent) {
      expect(sent.filter((at) => at >= from && at < from + 1_000).length).toBeLessThanOrEqual(perSecond + burst + 1);
    }
    expect(sent.length).toBeGreaterThanOrEqual(Math.floor(14 * perSecond));
  });
});

describe('an attempt that ended with its process', () => {
  const decide = (
    times: number,
    { ambiguous = 'resend', age = 0 }: { ambiguous?: 'resend' | 'hold'; age?: number } = {},
  ) =>
    decideInterrupted(
      { times, code: 'INTERRUPTED', message: 'm', vendorClass: 'AMBIGUOUS' },
      { ambiguous, createdAt: NOW - age },
      DELIVERY_RETRY_POLICY,
      NOW,
      () => 1,
    );

  it('is made again at once and not counted (C9)', () => {
    for (const times of [1, 2, 3]) expect(decide(times)).toEqual({ state: 'queued', dueAt: NOW, counted: false });
  });

  it('waits longer and longer from the fourth time in a row on, an hour at most, and is not given up for it (C9)', () => {
    const waits = [4, 5, 6, 7, 8, 9, 10, 40].map((times) => {
      const decision = decide(times);
      if (decision.state !== 'queued' || decision.counted) throw new Error('given up, or counted');
      return (decision.dueAt - NOW) / SECOND;
    });
    expect(waits).toEqual([10, 30, 90, 270, 810, 2430, 3600, 3600]);
  });

  it('ends at the horizon of failures that are not counted', () => {
    const age = DELIVERY_RETRY_POLICY.horizonMs;
    expect(decide(1, { age })).toMatchObject({ state: 'dead', reason: 'exhausted', code: 'INTERRUPTED' });
    expect(decide(80, { age: age - 1 })).toMatchObject({ state: 'queued' });
  });

  it('is looked up first where a double costs money (C6)', () => {
    expect(decide(1, { ambiguous: 'hold', age: DELIVERY_RETRY_POLICY.horizonMs })).toMatchObject({ state: 'unknown' });
  });
});

describe('the countries of SMS (X4)', () => {
  const check = (number: string, countries: string[]) => () => {
    requireCountry(parsePhoneNumber(number).address, countries);
  };
  it('lets through numbers of a country on the list', () => {
    expect(check('+14155552671', ['US', 'CA'])).not.toThrow();
  });
  it.each([
    ['another country with the same calling code', '+18765551234'],
    ['another country', '+447911123456'],
    ['no country that is known', '+15551234567'],
    ['a premium-rate number', '+19002345678'],
  ])('refuses %s, naming the option and not the number', (_name, number) => {
    expect(check(number, ['US'])).toThrow(/HERALD_SMS_COUNTRIES/);
    expect(check(number, ['US'])).not.toThrow(number);
  });
});
