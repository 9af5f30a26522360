import { describe, expect, it } from '@jest/globals';
import { TWILIO_CODES, twilioCode } from '../../src/channels/sms/twilio-codes.js';
import { classifyTwilioError, explainReportedCode, retryAfterOf } from '../../src/channels/sms/twilio-errors.js';
import { HOUR, MINUTE, SECOND } from '../../src/duration.js';
import { SendAmbiguousError, SendDeferredError, SendRejectedError } from '../../src/errors.js';

const NOW = Date.parse('2026-01-15T20:00:00Z'); // noon in Los Angeles

const DEFERRED = ['THROTTLED', 'TRANSIENT', 'WAIT', 'CONFIG', 'NOT_SENT'];
const kindOf = (className: string) => {
  if (className === 'AMBIGUOUS') return SendAmbiguousError;
  return DEFERRED.includes(className) ? SendDeferredError : SendRejectedError;
};

/** The codes of each class as the reference lists them, written out a second time so that a slip in the table shows. */
const EXPECTED: Record<string, number[]> = {
  THROTTLED: [20429, 21611, 14107, 63017],
  TRANSIENT: [30001, 30003, 30008, 30017, 30020, 30021, 30022, 30024, 30035, 30036, 30410, 30450, 30500, 21730],
  WAIT: [30023, 30027, 63038, 30454],
  OPTED_OUT: [21610, 30630],
  RECIPIENT: [21211, 21214, 21217, 21265, 21266, 21268, 21604, 21614, 21635, 30004, 30005, 30006, 30011],
  CONTENT: [
    21602, 21619, 21605, 21617, 21618, 21620, 21623, 21654, 21655, 21656, 21658, 30007, 30019, 30038, 30044, 30103,
    30139, 30110, 30111,
  ],
  CONFIG: [
    20003, 20005, 20006, 20008, 20404, 20101, 20102, 20103, 20104, 20105, 20106, 20107, 20151, 20152, 20153, 20154,
    20155, 20156, 20157, 20158, 20159, 20160, 21212, 21267, 21603, 21606, 21607, 21609, 21624, 30045, 90007, 90014,
    21657, 21659, 21660, 21661, 21662, 21668, 21663, 21664, 21665, 21666, 21667, 21701, 21702, 21703, 21704, 21705,
    21708, 21709, 21711, 21712, 21715, 30002, 30018, 30040, 30041, 30042, 30032, 30033, 30034, 30037, 30043,
  ],
  DESTINATION: [21408, 21608, 21612],
  BLOCKED: [30453, 30485, 30610, 30615, 30620, 30640],
  WARNING: [30025, 30026, 30039, 21710, 21733, 30104, 30105, 30131, 30046],
  BUG: [
    20001, 20422, 20423, 30400, 20004, 21626, 21627, 21652, 21653, 21910, 30028, 30029, 30030, 30031, 30012, 30013,
    30014, 30015, 30016,
  ],
  AMBIGUOUS: [20500, 20503],
};

const answer = (status: number, code?: number) => ({ status, code, message: `The 'To' number +14155552671 is wrong` });

describe('TWILIO_CODES', () => {
  it('holds each code once', () => {
    const codes = TWILIO_CODES.map((row) => row.code);
    expect(codes.length).toBe(new Set(codes).size);
  });

  it.each(Object.entries(EXPECTED).flatMap(([name, codes]) => codes.map((code) => [code, name] as const)))(
    'puts %i in %s, and the answer with it means the same (P4)',
    (code, className) => {
      expect(twilioCode(code)?.class).toBe(className);
      const error = classifyTwilioError(answer(400, code), {}, NOW);
      expect(error).toBeInstanceOf(kindOf(className));
      expect(error).toMatchObject({ vendorCode: String(code), vendorClass: className });
      expect(error.message).toContain(twilioCode(code)?.meaning);
    },
  );

  it('holds no code that the list above does not name, but the one of the emulator', () => {
    const named = new Set(Object.values(EXPECTED).flat());
    expect(TWILIO_CODES.map((row) => row.code).filter((code) => !named.has(code))).toEqual([21201]);
  });
});

describe('classifyTwilioError', () => {
  it.each([
    ['401 without a code', { status: 401 }, 'CONFIG', '401'],
    ['403 without a code', { status: 403 }, 'CONFIG', '403'],
    ['401 with an unknown code', answer(401, 99999), 'CONFIG', '99999'],
    ['429 with 20429', answer(429, 20429), 'THROTTLED', '20429'],
    ['429 with 63038', answer(429, 63038), 'WAIT', '63038'],
    ['429 of a proxy', { status: 429 }, 'AMBIGUOUS', '429'],
    ['500', { status: 500 }, 'AMBIGUOUS', '500'],
    ['503 with 20503', answer(503, 20503), 'AMBIGUOUS', '20503'],
    ['302', { status: 302 }, 'AMBIGUOUS', '302'],
    ['400 with an unknown code', answer(400, 99998), 'BUG', '99998'],
    ['404 without a code', { status: 404 }, 'BUG', '404'],
    ['an RFC 9457 body without a code', { status: 400, code: 0 }, 'BUG', '400'],
    ['a 2xx that is not JSON', new SyntaxError('Unexpected token < in JSON'), 'AMBIGUOUS', 'SyntaxError'],
    ['connection refused', { isAxiosError: true, code: 'ECONNREFUSED' }, 'NOT_SENT', 'ECONNREFUSED'],
    ['unknown host', { isAxiosError: true, code: 'ENOTFOUND' }, 'NOT_SENT', 'ENOTFOUND'],
    ['DNS time-out', { isAxiosError: true, code: 'EAI_AGAIN' }, 'NOT_SENT', 'EAI_AGAIN'],
    ['a bad certificate', { isAxiosError: true, code: 'CERT_HAS_EXPIRED' }, 'NOT_SENT', 'CERT_HAS_EXPIRED'],
    [
      'another host in the certificate',
      { code: 'ERR_TLS_CERT_ALTNAME_INVALID' },
      'NOT_SENT',
      'ERR_TLS_CERT_ALTNAME_INVALID',
    ],
    ['connect time-out', { isAxiosError: true, code: 'ETIMEDOUT', syscall: 'connect' }, 'NOT_SENT', 'ETIMEDOUT'],
    ['the same as a cause', { code: 'ETIMEDOUT', cause: { syscall: 'connect' } }, 'NOT_SENT', 'ETIMEDOUT'],
    ['answer time-out', { isAxiosError: true, code: 'ECONNABORTED' }, 'AMBIGUOUS', 'ECONNABORTED'],
    ['read time-out', { isAxiosError: true, code: 'ETIMEDOUT', syscall: 'read' }, 'AMBIGUOUS', 'ETIMEDOUT'],
    ['reset', { isAxiosError: true, code: 'ECONNRESET' }, 'AMBIGUOUS', 'ECONNRESET'],
    ['EPIPE', { isAxiosError: true, code: 'EPIPE' }, 'AMBIGUOUS', 'EPIPE'],
    ['aborted', { isAxiosError: true, code: 'ERR_CANCELED' }, 'AMBIGUOUS', 'ERR_CANCELED'],
    [
      'an answer that was too long',
      { isAxiosError: true, code: 'ERR_BAD_RESPONSE', status: 200 },
      'AMBIGUOUS',
      'ERR_BAD_RESPONSE',
    ],
    ['nothing at all', undefined, 'AMBIGUOUS', 'UNKNOWN'],
  ])('reads %s', (_name, shape, vendorClass, vendorCode) => {
    const error = classifyTwilioError(shape, undefined, NOW);
    expect(error).toBeInstanceOf(kindOf(vendorClass));
    expect(error).toMatchObject({ vendorClass, vendorCode });
  });

  it('counts no try for a fault of the account, the rate or a limit', () => {
    const counts = (shape: unknown) => (classifyTwilioError(shape, {}, NOW) as SendDeferredError).counts;
    expect([counts(answer(401, 20003)), counts(answer(429, 20429)), counts(answer(400, 63038))]).toEqual([
      false,
      false,
      false,
    ]);
    expect([counts(answer(503, 21730)), counts({ code: 'ECONNREFUSED' })]).toEqual([true, true]);
  });

  it('gives a transient fault its few tries', () => {
    expect(classifyTwilioError(answer(400, 30003), {}, NOW)).toMatchObject({
      maxAttempts: 3,
      retryAfterMs: 45 * MINUTE,
    });
    expect(classifyTwilioError(answer(400, 30008), {}, NOW)).toMatchObject({ maxAttempts: 2 });
  });

  it('waits for midnight in Los Angeles, in winter and in summer, and 24 hours for a rolling limit', () => {
    const wait = (code: number, at: number) =>
      (classifyTwilioError(answer(400, code), {}, at) as SendDeferredError).retryAfterMs;
    expect(wait(30023, NOW)).toBe(12 * HOUR);
    expect(wait(30027, Date.parse('2026-07-15T20:00:00Z'))).toBe(11 * HOUR);
    expect(wait(30023, Date.parse('2026-01-15T07:59:59Z'))).toBe(MINUTE);
    expect(wait(63038, NOW)).toBe(24 * HOUR);
  });

  it('honours Retry-After, but a known limit is not shortened by it', () => {
    const wait = (code: number, seconds: string) =>
      (classifyTwilioError(answer(429, code), { 'retry-after': seconds }, NOW) as SendDeferredError).retryAfterMs;
    expect(wait(20429, '17')).toBe(17 * SECOND);
    expect(wait(63038, '17')).toBe(24 * HOUR);
  });

  it('shows no number, no secret and no cause, and one line', () => {
    const axios = {
      isAxiosError: true,
      code: 'ECONNRESET',
      message: 'x',
      config: { headers: { Authorization: 'Basic canary' } },
    };
    for (const shape of [answer(400, 21211), answer(400, 99997), answer(401, 20003), axios]) {
      const error = classifyTwilioError(shape, {}, NOW);
      expect(error.message).not.toMatch(/415|canary|\n/);
      expect(error.cause).toBeUndefined();
    }
  });
});

describe('retryAfterOf', () => {
  it.each([
    [{ 'Retry-After': '3' }, 3_000],
    [{ 'retry-after': 2 }, 2_000],
    [{ 'retry-after': 'Thu, 15 Jan 2026 20:01:00 GMT' }, MINUTE],
    [{ 'retry-after': 'Thu, 15 Jan 2026 19:00:00 GMT' }, undefined],
    [{ 'retry-after': 'soon' }, undefined],
    [{ 'retry-after': '-3' }, undefined],
    [{}, undefined],
    [undefined, undefined],
  ])('reads %j as %s', (headers, ms) => {
    expect(retryAfterOf(headers, NOW)).toBe(ms);
  });
});

describe('explainReportedCode', () => {
  it('takes 30004 as an opt-out only for a toll-free sender', () => {
    expect(explainReportedCode(30004, '+18005551234').class).toBe('OPTED_OUT');
    expect(explainReportedCode(30004, '+14155552671').class).toBe('RECIPIENT');
    expect(explainReportedCode(30004, undefined).class).toBe('RECIPIENT');
  });

  it('takes an unknown code as blocked, so that nothing is sent again without a reason', () => {
    expect(explainReportedCode(39_999, undefined)).toMatchObject({ class: 'BLOCKED', code: 39_999 });
  });
});
