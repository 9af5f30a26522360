import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import twilio from 'twilio';
import { getExpectedTwilioSignature } from 'twilio/lib/webhooks/webhooks.js';
import type { DeliveryReport } from '../../src/channels/channel.js';
import { advances, parseTwilioReport, verifyTwilioSignature } from '../../src/channels/sms/twilio-report.js';

const SID = `SM${'0'.repeat(32)}`;

describe('parseTwilioReport', () => {
  it.each([
    ['accepted', 'sending'],
    ['scheduled', 'sending'],
    ['queued', 'sending'],
    ['sending', 'sending'],
    ['sent', 'sent'],
    ['delivered', 'delivered'],
    ['partially_delivered', 'delivered'],
    ['read', 'delivered'],
    ['undelivered', 'undelivered'],
    ['failed', 'failed'],
    ['canceled', 'canceled'],
  ])('reads %s as %s', (word, status) => {
    expect(parseTwilioReport({ MessageSid: SID, MessageStatus: word })).toEqual({ providerMessageId: SID, status });
  });

  it('reads the older names and the error code', () => {
    expect(parseTwilioReport({ SmsSid: SID, SmsStatus: 'undelivered', ErrorCode: '30003' })).toEqual({
      providerMessageId: SID,
      status: 'undelivered',
      code: '30003',
    });
  });

  it.each([
    [{}],
    [{ MessageSid: SID }],
    [{ MessageStatus: 'sent' }],
    [{ MessageSid: SID, MessageStatus: 'received' }],
    [{ MessageSid: SID, MessageStatus: 'constructor' }],
    [{ MessageSid: 'SM1', MessageStatus: 'sent' }],
    [{ MessageSid: [SID, SID], MessageStatus: 'sent' }],
  ])('takes %j for no report', (params: Record<string, string | string[]>) => {
    expect(parseTwilioReport(params)).toBeUndefined();
  });

  it('leaves out an error code that is none', () => {
    for (const ErrorCode of ['', '0', 'null', '1e9', '<script>']) {
      expect(parseTwilioReport({ MessageSid: SID, MessageStatus: 'failed', ErrorCode })).not.toHaveProperty('code');
    }
  });
});

describe('advances', () => {
  it('goes up only', () => {
    expect(advances(undefined, 'sending')).toBe(true);
    expect(advances('sending', 'sent')).toBe(true);
    expect(advances('sent', 'delivered')).toBe(true);
    expect(advances('delivered', 'sent')).toBe(false);
    expect(advances('undelivered', 'delivered')).toBe(false);
    expect(advances('sent', 'sent')).toBe(false);
  });

  it('ends in a final state whatever the order of the reports', () => {
    fc.assert(
      fc.property(
        fc.shuffledSubarray(['sending', 'sending', 'sent', 'delivered'] as const, { minLength: 4 }),
        (order) => {
          let state: DeliveryReport['status'] | undefined;
          for (const next of order) if (advances(state, next)) state = next;
          expect(state).toBe('delivered');
        },
      ),
    );
  });
});

describe('verifyTwilioSignature', () => {
  const TOKEN = '12345';
  const URL_ = 'https://example.com/myapp.php?foo=1&bar=2';
  const PARAMS = {
    CallSid: 'CA1234567890ABCDE',
    Caller: '+14158675310',
    Digits: '1234',
    From: '+14158675310',
    To: '+18005551212',
  };
  const GOOD = 'L/OH5YylLD5NRKLltdqwSvS0BnU=';

  it("accepts the vendor's published example", () => {
    expect(verifyTwilioSignature([TOKEN], URL_, PARAMS, GOOD)).toBe(true);
  });

  it.each([
    ['another token', ['54321'], URL_, PARAMS, GOOD],
    ['no token', [], URL_, PARAMS, GOOD],
    ['an empty token', [''], URL_, PARAMS, GOOD],
    ['another path', [TOKEN], 'https://example.com/other', PARAMS, GOOD],
    ['another scheme', [TOKEN], URL_.replace('https', 'http'), PARAMS, GOOD],
    ['another port', [TOKEN], URL_.replace('.com', '.com:8443'), PARAMS, GOOD],
    ['a relative URL', [TOKEN], '/myapp.php?foo=1&bar=2', PARAMS, GOOD],
    ['a changed parameter', [TOKEN], URL_, { ...PARAMS, Digits: '1235' }, GOOD],
    ['a parameter more', [TOKEN], URL_, { ...PARAMS, Extra: '' }, GOOD],
    ['a missing signature', [TOKEN], URL_, PARAMS, undefined],
    ['an empty signature', [TOKEN], URL_, PARAMS, ''],
    ['half a signature', [TOKEN], URL_, PARAMS, GOOD.slice(0, 10)],
    ['a signature in other case', [TOKEN], URL_, PARAMS, GOOD.toLowerCase()],
  ])('refuses %s', (_name, tokens, url, params, signature) => {
    expect(verifyTwilioSignature(tokens, url, params, signature)).toBe(false);
  });

  it('accepts the old token and the new one during a rotation', () => {
    expect(verifyTwilioSignature(['new', TOKEN], URL_, PARAMS, GOOD)).toBe(true);
  });

  it('accepts the URL signed with or without the default port', () => {
    for (const [signedUrl, url] of [
      ['https://h.example/a?b=1', 'https://h.example:443/a?b=1'],
      ['https://h.example:443/a', 'https://h.example/a'],
      ['http://h.example/a', 'http://h.example:80/a'],
      ['https://h.example:8443/a', 'https://h.example:8443/a'],
    ] as const) {
      expect(verifyTwilioSignature([TOKEN], url, {}, getExpectedTwilioSignature(TOKEN, signedUrl, {}))).toBe(true);
    }
  });

  it('agrees with the SDK on any parameters', () => {
    const params = fc.dictionary(
      fc.string({ minLength: 1 }),
      fc.oneof(fc.string({ unit: 'grapheme' }), fc.array(fc.string(), { minLength: 1 })),
      { noNullPrototype: true },
    );
    fc.assert(
      fc.property(params, fc.string({ minLength: 1 }), (fields, token) => {
        const url = 'https://herald.example/reports/twilio/d1?a=1';
        const signature = getExpectedTwilioSignature(token, url, fields);
        expect(twilio.validateRequest(token, signature, url, fields)).toBe(true);
        expect(verifyTwilioSignature([token], url, fields, signature)).toBe(true);
      }),
    );
  });
});
