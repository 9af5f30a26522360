import { describe, expect, it } from '@jest/globals';
import { ProviderRejectedError, ProviderUnavailableError } from '../../src/errors.js';
import {
  classifySubmit,
  parseRetryAfter,
  readError,
  readErrorText,
  safeMessage,
} from '../../src/providers/deepgram/deepgram-errors.js';
import { sharedErrors } from '../support/shared-deepgram.js';

const NOW = Date.parse('2026-09-01T10:00:00Z');
const classify = (
  status: number,
  body: unknown,
  retryAfter?: string,
): ProviderRejectedError | ProviderUnavailableError =>
  classifySubmit(status, typeof body === 'string' ? body : JSON.stringify(body), retryAfter, NOW);

describe('an error body of Deepgram', () => {
  it('is read in each of its shapes', () => {
    expect(readError({ err_code: 'A', err_msg: 'm', request_id: 'r' })).toEqual({
      code: 'A',
      message: 'm',
      requestId: 'r',
    });
    expect(readError({ category: 'A', message: 'm', details: 'd', request_id: 'r' })).toEqual({
      code: 'A',
      message: 'm',
      details: 'd',
      requestId: 'r',
    });
    expect(readError({ error_code: 'A', err_msg: 'm' })).toEqual({ code: 'A', message: 'm' });
    expect(readError({ err_code: 'A' })).toEqual({ code: 'A', message: 'Deepgram gave no message.' });
    expect(readError({ err_code: null, err_msg: '', category: 'A', message: 'm' })).toEqual({
      code: 'A',
      message: 'm',
    });
  });

  it('is no error without a code or message in the places known', () => {
    for (const body of [
      null,
      'x',
      [],
      {},
      { message: 'm' },
      { category: 'A' },
      { err_code: {} },
      { request_id: 'r' },
    ]) {
      expect(readError(body)).toBeUndefined();
    }
  });

  it('counts by its first characters when it is text', () => {
    expect(readErrorText(502, '<html>\n <h1>Bad gateway</h1>')).toEqual({
      code: 'HTTP_502',
      message: '<html> <h1>Bad gateway</h1>',
    });
    expect(readErrorText(504, '')).toEqual({ code: 'HTTP_504', message: 'The answer has no body.' });
    expect(readErrorText(500, 'x'.repeat(100_000)).message).toHaveLength(200);
  });
});

describe('the answer to a submit', () => {
  it.each([
    [302, '', 'rejected'],
    [400, { err_code: 'Bad Request', err_msg: 'm' }, 'rejected'],
    [400, { category: 'INVALID_JSON', message: 'm' }, 'rejected'],
    [400, { err_code: 'REMOTE_CONTENT_ERROR', err_msg: 'm' }, 'retry, 3 in all'],
    [400, { category: 'REMOTE_CONTENT_ERROR', message: 'm' }, 'retry, 3 in all'],
    [401, { err_code: 'INVALID_AUTH', err_msg: 'm' }, 'rejected'],
    [402, { err_code: 'ASR_PAYMENT_REQUIRED', err_msg: 'm' }, 'rejected'],
    [403, { err_code: 'INSUFFICIENT_PERMISSIONS', err_msg: 'm' }, 'rejected'],
    [404, 'not found', 'rejected'],
    [408, { err_code: 'SLOW_UPLOAD', err_msg: 'm' }, 'retry'],
    [411, '', 'rejected'],
    [413, { err_code: 'PAYLOAD_TOO_LARGE', err_msg: 'm' }, 'rejected'],
    [414, '', 'rejected'],
    [415, { err_code: 'UNSUPPORTED_MEDIA_TYPE', err_msg: 'm' }, 'rejected'],
    [429, { err_code: 'TOO_MANY_REQUESTS', err_msg: 'm' }, 'retry'],
    [429, { err_code: 'Too Many Requests', err_msg: 'm' }, 'retry'],
    [499, '', 'retry'],
    [500, '', 'retry'],
    [502, '<html>', 'retry'],
    [503, { error_code: 'SERVICE_UNAVAILABLE', err_msg: 'm' }, 'retry'],
    [504, '', 'retry, 2 in all'],
    [418, '', 'rejected'],
    [599, '', 'retry'],
  ])('%i %j is %s', (status, body, verdict) => {
    const error = classify(status, body);
    const said =
      error instanceof ProviderRejectedError
        ? 'rejected'
        : `retry${error.maxAttempts === undefined ? '' : `, ${String(error.maxAttempts)} in all`}`;
    expect(said).toBe(verdict);
    expect(error.httpStatus).toBe(status);
  });

  it("carries Deepgram's code, message and details, and what the operator can do", () => {
    expect(classify(401, { err_code: 'INVALID_AUTH', err_msg: 'Invalid credentials.' })).toMatchObject({
      providerCode: 'INVALID_AUTH',
      message: 'Invalid credentials. Check DEEPGRAM_API_KEY and its scopes.',
    });
    expect(classify(400, { category: 'A', message: 'Wrong.', details: 'Line 3.' }).message).toBe('Wrong. Line 3.');
  });

  it('honours Retry-After on a fault that may be tried again', () => {
    expect(classify(429, '', '12')).toMatchObject({ retryAfterMs: 12_000 });
    expect(classify(429, '')).toMatchObject({ retryAfterMs: undefined });
  });

  it('is rejected or not by its documented body, real or printed', () => {
    for (const { file, bytes } of sharedErrors()) {
      const status = Number(/-(\d{3})-/.exec(file)?.[1] ?? 401);
      const retry = status === 429 || file.includes('remote-content');
      expect([file, classify(status, bytes.toString())]).toEqual([
        file,
        expect.any(retry ? ProviderUnavailableError : ProviderRejectedError),
      ]);
    }
  });
});

describe('Retry-After', () => {
  it('is seconds or a date, at most a day, never negative', () => {
    expect(parseRetryAfter('1.5', NOW)).toBe(1_500);
    expect(parseRetryAfter('Tue, 01 Sep 2026 10:02:00 GMT', NOW)).toBe(120_000);
    expect(parseRetryAfter('Tue, 01 Sep 2020 10:02:00 GMT', NOW)).toBe(0);
    expect(parseRetryAfter('999999999', NOW)).toBe(86_400_000);
    for (const header of [null, undefined, '', ' ', 'soon', '-5x'])
      expect(parseRetryAfter(header, NOW)).toBeUndefined();
  });
});

describe("a vendor's text made safe for logs", () => {
  it('keeps of an address only scheme and host', () => {
    expect(safeMessage('Invalid callback url: https://herald:s3cret@my.host:8443/hook/1?x=s3cret#s3cret.')).toBe(
      'Invalid callback url: https://my.host:8443/…',
    );
    expect(safeMessage('fetch "https://bucket.example/a.wav?X-Signature=s3cret" failed')).toBe(
      'fetch "https://bucket.example/…" failed',
    );
    expect(safeMessage('HTTPS://user:s3cret@HOST')).not.toContain('s3cret');
  });

  it.each([
    ['//herald:s3cret@host/hook', '//host/hook'],
    ['callback=https%3A%2F%2Fherald%3As3cret%40host%2Fhook&model=x', 'callback=[address]&model=x'],
    ['extra=callback_secret:s3cret', 'extra=callback_secret:…'],
    ['extra=callback_secret%3As3cret', 'extra=callback_secret:…'],
    ['got Authorization: Token s3cret-s3cret', 'got Authorization: Token …'],
    ['cut at https://herald:s3cret', 'cut at https://herald/…'],
  ])('hides the secret of %s', (text, safe) => {
    expect(safeMessage(text)).toBe(safe);
  });

  it('is one line of bounded length, in bounded time', () => {
    expect(safeMessage('a\r\nb\u0000\tc')).toBe('a b c');
    const started = performance.now();
    for (const part of ['https://', '//a@', 'x:', 'callback_secret', 'token ', 'a+', ' ']) {
      expect(safeMessage(part.repeat(100_000)).length).toBeLessThanOrEqual(500);
    }
    expect(performance.now() - started).toBeLessThan(1_000);
  });
});
