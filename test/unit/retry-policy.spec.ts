import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { DAY, HOUR, MINUTE, SECOND } from '../../src/duration.js';
import {
  ProviderRejectedError,
  ProviderUnavailableError,
  RecipientInvalidError,
  SendAmbiguousError,
  SendDeferredError,
  SendRejectedError,
  TemplateRenderError,
} from '../../src/errors.js';
import {
  type Decision,
  decide,
  DELIVERY_RETRY_POLICY as POLICY,
  type FailedOutcome,
  type Retried,
  SUBMIT_RETRY_POLICY,
  toOutcome,
} from '../../src/retry-policy.js';

const NOW = 1_780_000_000_000;
const FAILURE = { code: '451', message: 'later', vendorClass: 'TRANSIENT' };
const delivery = (over: Partial<Retried> = {}): Retried => ({
  attempts: 0,
  createdAt: NOW,
  ambiguous: 'resend',
  ...over,
});
const deferred = (over: Partial<Extract<FailedOutcome, { kind: 'deferred' }>> = {}): FailedOutcome => ({
  kind: 'deferred',
  ...FAILURE,
  counts: true,
  ...over,
});
const unit = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

function waitOf(decision: Decision, now = NOW): number {
  if (decision.state !== 'queued') throw new Error(`expected queued, got ${decision.state}`);
  return decision.dueAt - now;
}

describe('decide', () => {
  it('keeps what the vendor accepted as sent', () => {
    expect(decide({ kind: 'sent', receipt: {} }, delivery(), POLICY, NOW, () => 0)).toEqual({ state: 'sent' });
  });

  it('gives back at once, uncounted, what our own shutdown ended', () => {
    const decision = decide({ kind: 'released' }, delivery({ attempts: 10 }), POLICY, NOW, () => 0);
    expect(decision).toEqual({ state: 'queued', dueAt: NOW, counted: false });
  });

  it('ends a rejected delivery with its reason, code and message', () => {
    const decision = decide({ kind: 'rejected', ...FAILURE }, delivery(), POLICY, NOW, () => 0);
    expect(decision).toEqual({ state: 'dead', reason: 'rejected', code: '451', message: 'later' });
  });

  it('walks 5 s, 30 s, 2 min, 10 min, 30 min, 1 h, 2 h, 4 h, 8 h, 12 h and then stops (P1)', () => {
    const waits = POLICY.backoffMs.map((_, attempts) =>
      waitOf(decide(deferred(), delivery({ attempts }), POLICY, NOW, () => 1)),
    );
    expect(waits).toEqual([
      5 * SECOND,
      30 * SECOND,
      2 * MINUTE,
      10 * MINUTE,
      30 * MINUTE,
      HOUR,
      2 * HOUR,
      4 * HOUR,
      8 * HOUR,
      12 * HOUR,
    ]);
    const last = decide(deferred(), delivery({ attempts: 10 }), POLICY, NOW, () => 1);
    expect(last).toEqual({ state: 'dead', reason: 'exhausted', code: '451', message: 'later' });
  });

  it('sends an ambiguous e-mail again and holds an ambiguous text message', () => {
    const outcome: FailedOutcome = { kind: 'ambiguous', ...FAILURE };
    expect(decide(outcome, delivery({ ambiguous: 'resend' }), POLICY, NOW, () => 1)).toMatchObject({
      state: 'queued',
      counted: true,
    });
    expect(decide(outcome, delivery({ ambiguous: 'hold' }), POLICY, NOW, () => 1)).toEqual({
      state: 'unknown',
      code: '451',
      message: 'later',
    });
  });

  it('ends an ambiguous e-mail that has used up its tries', () => {
    const decision = decide({ kind: 'ambiguous', ...FAILURE }, delivery({ attempts: 10 }), POLICY, NOW, () => 1);
    expect(decision).toMatchObject({ state: 'dead', reason: 'exhausted' });
  });

  it('stops after the few tries that the class of the fault allows', () => {
    const outcome = deferred({ maxAttempts: 3 });
    expect(decide(outcome, delivery({ attempts: 1 }), POLICY, NOW, () => 1).state).toBe('queued');
    expect(decide(outcome, delivery({ attempts: 2 }), POLICY, NOW, () => 1)).toMatchObject({ reason: 'exhausted' });
  });

  it("waits as long as the vendor asks, but never over a day and never less than the policy's own wait", () => {
    const ask = (retryAfterMs: number): number =>
      waitOf(decide(deferred({ retryAfterMs }), delivery({ attempts: 2 }), POLICY, NOW, () => 0));
    expect(ask(HOUR)).toBe(HOUR);
    expect(ask(30 * DAY)).toBe(DAY);
    expect(ask(1)).toBe(MINUTE);
    expect(ask(NaN)).toBe(MINUTE);
    expect(ask(-5)).toBe(MINUTE);
  });

  it('spreads what was refused with the same wish', () => {
    const waits = [0, 0.5, 0.99].map((r) =>
      waitOf(decide(deferred({ retryAfterMs: HOUR }), delivery(), POLICY, NOW, () => r)),
    );
    expect(new Set(waits).size).toBe(3);
    expect(Math.min(...waits)).toBe(HOUR);
  });

  it('does not count a fault of the account, waits longer with age, and gives up after 72 hours', () => {
    const outcome = deferred({ counts: false });
    const aged = (age: number) =>
      decide(outcome, delivery({ attempts: 10, createdAt: NOW - age }), POLICY, NOW, () => 1);
    expect(aged(0)).toEqual({ state: 'queued', dueAt: NOW + 5 * SECOND, counted: false });
    expect(waitOf(aged(20 * MINUTE))).toBe(10 * MINUTE);
    expect(waitOf(aged(71 * HOUR))).toBe(HOUR);
    expect(aged(72 * HOUR)).toMatchObject({ state: 'dead', reason: 'exhausted' });
  });

  it('submits a job under the policy of its own', () => {
    const outcome = toOutcome(new ProviderUnavailableError('busy', { providerCode: '503' }));
    expect(waitOf(decide(outcome, delivery(), SUBMIT_RETRY_POLICY, NOW, () => 1))).toBe(2 * SECOND);
  });
});

describe('decide, for any input', () => {
  const outcomes = fc.oneof(
    fc.record(
      {
        kind: fc.constant('deferred' as const),
        counts: fc.boolean(),
        code: fc.string(),
        message: fc.string(),
        vendorClass: fc.string(),
        retryAfterMs: fc.double({ min: -1e12, max: 1e15 }),
        maxAttempts: fc.integer({ min: 1, max: 20 }),
      },
      { requiredKeys: ['kind', 'counts', 'code', 'message', 'vendorClass'] },
    ),
    fc.record({
      kind: fc.constant('ambiguous' as const),
      code: fc.string(),
      message: fc.string(),
      vendorClass: fc.string(),
    }),
  );
  const deliveries = fc.record({
    attempts: fc.integer({ min: 0, max: 15 }),
    createdAt: fc.integer({ min: NOW - 5 * DAY, max: NOW + DAY }),
    ambiguous: fc.constantFrom('resend' as const, 'hold' as const),
  });

  it('is never due in the past nor later than the longest wait, at a whole millisecond', () => {
    fc.assert(
      fc.property(outcomes, deliveries, unit, (outcome, of, random) => {
        const decision = decide(outcome, of, POLICY, NOW, () => random);
        if (decision.state !== 'queued') return;
        expect(Number.isSafeInteger(decision.dueAt)).toBe(true);
        expect(decision.dueAt).toBeGreaterThan(NOW);
        expect(decision.dueAt).toBeLessThanOrEqual(NOW + POLICY.maxWaitMs);
      }),
    );
  });

  it('jitters between half of a step and the whole step', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 9 }), unit, (attempts, random) => {
        const wait = waitOf(decide(deferred(), delivery({ attempts }), POLICY, NOW, () => random));
        const step = POLICY.backoffMs[attempts] ?? 0;
        expect(wait).toBeGreaterThanOrEqual(step / 2);
        expect(wait).toBeLessThanOrEqual(step);
      }),
    );
  });

  it('never shortens its ceiling from one try to the next, and always ends', () => {
    for (const policy of [POLICY, SUBMIT_RETRY_POLICY]) {
      let attempts = 0;
      let previous = 0;
      let decision = decide(deferred(), delivery(), policy, NOW, () => 1);
      while (decision.state === 'queued' && attempts < 100) {
        expect(waitOf(decision)).toBeGreaterThanOrEqual(previous);
        previous = waitOf(decision);
        attempts += 1;
        decision = decide(deferred(), delivery({ attempts }), policy, NOW, () => 1);
      }
      expect(decision).toMatchObject({ state: 'dead', reason: 'exhausted' });
      expect(attempts).toBe(10);
    }
  });

  it('ends uncounted deferrals within the horizon and one longest wait, without hammering', () => {
    fc.assert(
      fc.property(unit, (random) => {
        let now = NOW;
        let tries = 0;
        // Bounded: a policy that hammers must fail the test, not hang it.
        while (tries < 200) {
          const decision = decide(deferred({ counts: false }), delivery(), POLICY, now, () => random);
          if (decision.state !== 'queued') break;
          now = decision.dueAt;
          tries += 1;
        }
        expect(now - NOW).toBeLessThanOrEqual(POLICY.horizonMs + POLICY.uncountedMaxMs);
        expect(tries).toBeLessThan(200);
      }),
    );
  });
});

describe('toOutcome', () => {
  it('carries the fields of a deferral over', () => {
    const error = new SendDeferredError('later', {
      vendorCode: '20429',
      vendorClass: 'THROTTLED',
      retryAfterMs: 7,
      counts: false,
      maxAttempts: 2,
    });
    expect(toOutcome(error)).toEqual({
      kind: 'deferred',
      code: '20429',
      message: 'later',
      vendorClass: 'THROTTLED',
      retryAfterMs: 7,
      counts: false,
      maxAttempts: 2,
    });
  });

  it.each([
    [
      'SendRejectedError',
      'rejected',
      '550',
      new SendRejectedError('no', { vendorCode: '550', vendorClass: 'RECIPIENT' }),
    ],
    [
      'SendAmbiguousError',
      'ambiguous',
      '1',
      new SendAmbiguousError('?', { vendorCode: '1', vendorClass: 'AMBIGUOUS' }),
    ],
    ['RecipientInvalidError', 'rejected', 'RECIPIENT_INVALID', new RecipientInvalidError('bad address')],
    ['TemplateRenderError', 'rejected', 'TEMPLATE_RENDER_FAILED', new TemplateRenderError('missing variable')],
    ['ProviderRejectedError', 'rejected', 'AUTH', new ProviderRejectedError('no', { providerCode: 'AUTH' })],
    ['ProviderUnavailableError', 'deferred', '503', new ProviderUnavailableError('busy', { providerCode: '503' })],
  ])('reads %s as %s, with the code %s', (_name, kind, code, error) => {
    expect(toOutcome(error)).toMatchObject({ kind, code });
  });

  it('tries again after a throw that nobody classified, and repeats none of its words', () => {
    for (const stranger of [new Error('ada@example.com: password hunter2'), 'ada@example.com', undefined, null]) {
      const outcome = toOutcome(stranger);
      expect(outcome).toMatchObject({ kind: 'deferred', counts: true, code: 'UNEXPECTED' });
      expect(JSON.stringify(outcome)).not.toMatch(/ada@|hunter2/);
    }
  });
});
