import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Clock } from '../../src/clock.js';
import type { SendContext } from '../../src/channels/channel.js';
import type { SmsMessage } from '../../src/channels/message.js';
import { TwilioChannel, type TwilioOptions } from '../../src/channels/sms/sms.channel.service.js';
import { MINUTE, SECOND } from '../../src/duration.js';
import { PluginError, SendAmbiguousError, SendDeferredError, SendRejectedError } from '../../src/errors.js';
import { startTwilio, type TwilioFault, type TwilioStandIn } from '../support/twilio-fault-proxy.js';

class FixedClock extends Clock {
  time = Date.now();
  now(): number {
    return this.time;
  }
}

const ACCOUNT = { accountSid: `AC${'0'.repeat(32)}`, authToken: 'canary-token', from: '+15551234567' };
const MESSAGE: SmsMessage = {
  kind: 'sms',
  to: '+14155552671',
  text: 'Your transcript is ready: https://h.example/t/1',
  segments: 1,
  encoding: 'GSM-7',
};
const context = (over: Partial<SendContext> = {}): SendContext => ({
  deliveryId: 'd1',
  attempt: 1,
  idempotencyKey: 'd1',
  signal: new AbortController().signal,
  ...over,
});

let standIn: TwilioStandIn;
let clock: FixedClock;
const opened: TwilioChannel[] = [];
function open(over: Partial<TwilioOptions> = {}): TwilioChannel {
  const channel = new TwilioChannel({ ...ACCOUNT, baseUrl: standIn.url, ...over }, clock);
  opened.push(channel);
  return channel;
}
type SendFailure = SendRejectedError | SendDeferredError | SendAmbiguousError;
const failure = async (sending: Promise<unknown>): Promise<SendFailure> => {
  const error = await sending.then(
    () => new Error('it was sent'),
    (reason: unknown) => reason,
  );
  if (error instanceof SendRejectedError || error instanceof SendDeferredError || error instanceof SendAmbiguousError) {
    return error;
  }
  throw error;
};

beforeEach(async () => {
  standIn = await startTwilio();
  clock = new FixedClock();
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((channel) => channel.close()));
  await standIn.close();
});

describe('TwilioChannel, when Twilio accepts', () => {
  it('creates one message with the fields that we promise', async () => {
    const receipt = await open().send(MESSAGE, context());
    expect(standIn.messages.map(({ params }) => params)).toEqual([
      {
        To: MESSAGE.to,
        From: ACCOUNT.from,
        Body: MESSAGE.text,
        SmartEncoded: 'true',
        ValidityPeriod: '14400',
      },
    ]);
    expect(receipt).toEqual({ providerMessageId: standIn.messages[0]?.sid, note: 'queued' });
  });

  it('sends through a Messaging Service instead of a number', async () => {
    const messagingServiceSid = `MG${'1'.repeat(32)}`;
    await open({ messagingServiceSid }).send(MESSAGE, context());
    expect(standIn.messages[0]?.params).toMatchObject({ MessagingServiceSid: messagingServiceSid });
    expect(standIn.messages[0]?.params).not.toHaveProperty('From');
  });

  it.each([
    ['with the attempt in its query', 'https://h.example/reports/twilio/d1', 'https://h.example/reports/twilio/d1?a=3'],
    ['keeping the query it has', 'https://h.example/r?x=1', 'https://h.example/r?x=1&a=3'],
    ['not at all for a host with an underscore', 'https://my_host.example/r', undefined],
    ['not at all for something else', 'nonsense', undefined],
  ])('asks for status callbacks %s', async (_name, reportUrl, url) => {
    await open().send(MESSAGE, context({ reportUrl, attempt: 3 }));
    expect(standIn.messages[0]?.params.StatusCallback).toBe(url);
  });

  it('keeps ten calls in hand at once and no more', async () => {
    const channel = open();
    standIn.delayMs = 50;
    await Promise.all(Array.from({ length: 30 }, () => channel.send(MESSAGE, context())));
    expect(standIn.messages).toHaveLength(30);
    expect(standIn.mostAtOnce).toBe(10);
  });

  it('checks the credentials without sending', async () => {
    await open().verify();
    expect(standIn.requests).toEqual([`GET /2010-04-01/Accounts/${ACCOUNT.accountSid}.json`]);
  });
});

const answer = (status: number, body: string | object, headers: Record<string, string> = {}): TwilioFault => ({
  answer: { status, body, headers },
});
const coded = (status: number, code: number) =>
  answer(status, { code, message: `about ${MESSAGE.to}`, more_info: '', status });

describe('TwilioChannel, when Twilio does not', () => {
  it.each<[string, TwilioFault, string, string]>([
    ['400 with 21211', coded(400, 21211), 'RECIPIENT', '21211'],
    ['400 with 21610', coded(400, 21610), 'OPTED_OUT', '21610'],
    ['400 with an unknown code', coded(400, 29999), 'BUG', '29999'],
    ['401 with 20003', coded(401, 20003), 'CONFIG', '20003'],
    ['403 without JSON', answer(403, '<html>'), 'CONFIG', '403'],
    ['404 with 20404', coded(404, 20404), 'CONFIG', '20404'],
    ['429 with 20429', coded(429, 20429), 'THROTTLED', '20429'],
    ['429 with 63038', coded(429, 63038), 'WAIT', '63038'],
    ['429 of a proxy', answer(429, '<html>slow down'), 'AMBIGUOUS', '429'],
    ['500 with HTML', answer(500, '<html>'), 'AMBIGUOUS', '500'],
    ['503 without a body', answer(503, ''), 'AMBIGUOUS', '503'],
    ['302', answer(302, '', { location: 'http://127.0.0.1:1/' }), 'AMBIGUOUS', '302'],
    ['an RFC 9457 body', answer(400, { type: 't', title: 'x', status: 400, code: 21211 }), 'RECIPIENT', '21211'],
    ['201 with HTML', answer(201, '<html>'), 'AMBIGUOUS', 'SyntaxError'],
    ['201 without a body', answer(201, ''), 'AMBIGUOUS', 'SyntaxError'],
    ['201 without a sid', answer(201, { status: 'queued' }), 'AMBIGUOUS', 'NO_SID'],
    ['201 with a sid of another kind', answer(201, { sid: 'CA1', status: 'queued' }), 'AMBIGUOUS', 'NO_SID'],
    ['an answer without end', answer(201, { sid: 'x'.repeat(600_000) }), 'AMBIGUOUS', 'ERR_BAD_RESPONSE'],
    ['a cut before the answer', { after: 'cut' }, 'AMBIGUOUS', 'ECONNRESET'],
    ['a cut before it was made', { before: 'cut' }, 'AMBIGUOUS', 'ECONNRESET'],
  ])('%s (P4, P5)', async (_name, fault, vendorClass, vendorCode) => {
    standIn.fault = fault;
    const error = await failure(open().send(MESSAGE, context()));
    expect({ vendorClass: error.vendorClass, vendorCode: error.vendorCode }).toEqual({ vendorClass, vendorCode });
    expect(standIn.requests).toHaveLength(1);
    expect(error.message).not.toMatch(/415555|canary|\n/);
    expect(error.cause).toBeUndefined();
  });

  it('reports a closed port as not sent (P5)', async () => {
    const error = await failure(open({ baseUrl: 'http://127.0.0.1:1' }).send(MESSAGE, context()));
    expect(error).toMatchObject({ vendorClass: 'NOT_SENT', vendorCode: 'ECONNREFUSED' });
  });

  it.each<[string, TwilioFault]>([
    ['is silent', { after: 'silence' }],
    ['trickles its answer', { after: 'trickle' }],
  ])('gives up at its deadline when Twilio %s (P6)', async (_name, fault) => {
    standIn.fault = fault;
    const error = await failure(open({ deadlineMs: 300 }).send(MESSAGE, context()));
    expect(error).toBeInstanceOf(SendAmbiguousError);
  });

  it('keeps the Retry-After of each call apart from those of the others (P4)', async () => {
    const channel = open();
    standIn.retryAfterOf = (params) => params.Body;
    standIn.fault = coded(429, 20429);
    const seconds = Array.from({ length: 10 }, (_, index) => index + 1);
    const errors = await Promise.all(
      seconds.map((wish) => failure(channel.send({ ...MESSAGE, text: String(wish) }, context()))),
    );
    expect(errors.map((error) => (error as SendDeferredError).retryAfterMs)).toEqual(
      seconds.map((wish) => wish * SECOND),
    );
  });

  it('refuses a stored number that is not one, without a request', async () => {
    const error = await failure(open().send({ ...MESSAGE, to: '+14155552671,+447911123456' }, context()));
    expect(error).toBeInstanceOf(SendRejectedError);
    expect(standIn.requests).toHaveLength(0);
  });

  it.each([
    ['an account that is none', { accountSid: 'SK1' }],
    ['no token', { authToken: '' }],
    ['no sender', { from: undefined }],
  ])('does not start with %s', (_name, over) => {
    expect(() => new TwilioChannel({ ...ACCOUNT, ...over })).toThrow(PluginError);
  });
});

describe('TwilioChannel.lookup', () => {
  const ask = (channel: TwilioChannel, startedAt: number) => channel.lookup(MESSAGE, { deliveryId: 'd1', startedAt });

  it('finds the message whose answer was lost, and does not send', async () => {
    const channel = open();
    standIn.fault = { after: 'cut' };
    const startedAt = clock.now();
    await failure(channel.send(MESSAGE, context()));
    expect(await ask(channel, startedAt)).toMatchObject({ providerMessageId: standIn.messages[0]?.sid });
    expect(standIn.messages).toHaveLength(1);
    expect(standIn.requests.at(-1)).toMatch(/^GET .*Messages\.json\?.*To=%2B14155552671/);
  });

  it('is sure that there is none only after a minute', async () => {
    const channel = open();
    standIn.fault = { before: 'cut' };
    const startedAt = clock.now();
    await failure(channel.send(MESSAGE, context()));
    expect(await ask(channel, startedAt)).toBe('unsure');
    clock.time += MINUTE;
    expect(await ask(channel, startedAt)).toBe('absent');
  });

  it('asks again later when Twilio cannot be asked', async () => {
    await expect(ask(open({ baseUrl: 'http://127.0.0.1:1' }), clock.now())).rejects.toBeInstanceOf(SendDeferredError);
  });
});
