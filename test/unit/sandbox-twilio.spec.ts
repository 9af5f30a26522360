import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import twilio from 'twilio';
import { twilioSignature } from '../../src/sandbox/twilio-signature.js';
import { TwilioStandIn, type TwilioFaultSpec } from '../../src/sandbox/twilio-stand-in.service.js';

const TOKEN = 'stand-in-auth-token';
const SMS = { to: '+12125550142', from: '+12125550100', body: 'Hello' };

describe('the stand-in for Twilio', () => {
  let stand: TwilioStandIn;
  let client: ReturnType<typeof twilio>;
  let webhook: Server;
  let webhookUrl: string;
  const received: { valid: boolean; parameters: Record<string, string> }[] = [];

  beforeEach(async () => {
    received.length = 0;
    webhook = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        const parameters = Object.fromEntries(new URLSearchParams(body));
        const signature = request.headers['x-twilio-signature'] as string;
        const url = `http://127.0.0.1:${String((webhook.address() as AddressInfo).port)}${request.url ?? ''}`;
        received.push({ valid: twilio.validateRequest(TOKEN, signature, url, parameters), parameters });
        response.writeHead(204).end();
      });
    });
    await new Promise<void>((resolve) => webhook.listen(0, '127.0.0.1', resolve));
    webhookUrl = `http://127.0.0.1:${String((webhook.address() as AddressInfo).port)}/reports/twilio/1?n=1&a=2`;
    stand = new TwilioStandIn({ statusDelayMs: 1 });
    const base = await stand.start();
    client = connect(base, TOKEN);
  });

  afterEach(async () => {
    await stand.stop();
    webhook.closeAllConnections();
    await new Promise((resolve) => webhook.close(resolve));
  });

  function connect(base: string, token: string): ReturnType<typeof twilio> {
    const made = twilio(stand.accountSid, token);
    made.api.baseUrl = base;
    return made;
  }

  it("signs as Twilio's own documentation does", () => {
    const parameters = {
      CallSid: 'CA1234567890ABCDE',
      Caller: '+14158675310',
      Digits: '1234',
      From: '+14158675310',
      To: '+18005551212',
    };
    const signature = twilioSignature('12345', 'https://example.com/myapp.php?foo=1&bar=2', parameters);
    expect(signature).toBe('L/OH5YylLD5NRKLltdqwSvS0BnU=');
  });

  it('takes a message from the real SDK, and finds it again', async () => {
    const made = await client.messages.create(SMS);
    await client.messages.create({ ...SMS, to: '+12125550143' });
    expect(made).toMatchObject({ status: 'queued', numSegments: '1', body: 'Hello', to: SMS.to });
    expect(made.sid).toMatch(/^SM[0-9a-f]{32}$/);
    expect((await client.messages.list({ to: SMS.to })).map((one) => one.sid)).toEqual([made.sid]);
    await stand.settled();
    expect(await client.messages(made.sid).fetch()).toMatchObject({ sid: made.sid, status: 'delivered' });
    expect(await stand.next()).toMatchObject({ form: { To: SMS.to, Body: 'Hello' } });
  });

  it("reports sent and delivered, with a signature that Twilio's own check takes", async () => {
    await client.messages.create({ ...SMS, body: 'Grüße & mehr 🙂', statusCallback: webhookUrl });
    await stand.settled();
    expect(received.map(({ valid, parameters }) => [valid, parameters.MessageStatus])).toEqual([
      [true, 'sent'],
      [true, 'delivered'],
    ]);
    expect(stand.statusCallbacks.map((callback) => callback.answered)).toEqual([204, 204]);
  });

  it('reports a failure with its code', async () => {
    stand.nextOutcome({ status: 'undelivered', errorCode: 30005 });
    await client.messages.create({ ...SMS, statusCallback: webhookUrl });
    await stand.settled();
    expect(received.at(-1)?.parameters).toMatchObject({ MessageStatus: 'undelivered', ErrorCode: '30005' });
  });

  it('knows neither sender nor segments of a Messaging Service at first', async () => {
    const made = await client.messages.create({ to: SMS.to, body: 'Hi', messagingServiceSid: `MG${'1'.repeat(32)}` });
    expect(made).toMatchObject({ status: 'accepted', numSegments: '0', from: null });
    await stand.settled();
    expect(await client.messages(made.sid).fetch()).toMatchObject({ numSegments: '1', from: '+15005550006' });
  });

  it('refuses a wrong token, and another account', async () => {
    const base = client.api.baseUrl;
    await expect(connect(base, 'wrong').messages.create(SMS)).rejects.toMatchObject({ status: 401, code: 20003 });
    const other = twilio(`AC${'1'.repeat(32)}`, TOKEN);
    other.api.baseUrl = base;
    await expect(other.messages.create(SMS)).rejects.toMatchObject({ status: 401, code: 20003 });
    expect(stand.messages).toHaveLength(0);
  });

  it.each([
    [{ to: '0211' }, 21211],
    [{ from: undefined }, 21603],
    [{ from: SMS.to }, 21266],
    [{ body: '' }, 21602],
    [{ body: 'x'.repeat(1601) }, 21617],
    [{ statusCallback: 'https://a_b.example/x' }, 21609],
  ])('refuses %j with code %i', async (change, code) => {
    const message = { ...SMS, ...change } as typeof SMS;
    await expect(client.messages.create(message)).rejects.toMatchObject({ status: 400, code });
  });

  it('refuses who has opted out, until they are back', async () => {
    stand.optOut(SMS.to);
    await expect(client.messages.create(SMS)).rejects.toMatchObject({ code: 21610 });
    stand.optIn(SMS.to);
    await client.messages.create(SMS);
    expect(stand.messages).toHaveLength(1);
  });

  it.each<[TwilioFaultSpec, object, number]>([
    [{ status: 429, code: 20429 }, { status: 429, code: 20429 }, 0],
    [{ status: 503, body: '<html>' }, { status: 503 }, 0],
    ['reset-before', { code: 'ECONNRESET' }, 0],
    ['reset-after', { code: 'ECONNRESET' }, 1],
    ['not-json', { name: 'SyntaxError' }, 1],
  ])('fails once with %j', async (fault, error, made) => {
    stand.failNext(fault);
    await expect(client.messages.create(SMS)).rejects.toMatchObject(error);
    expect(stand.messages).toHaveLength(made);
    await client.messages.create(SMS);
    expect(stand.messages).toHaveLength(made + 1);
  });

  it('posts a signed inbound message', async () => {
    const status = await stand.simulateInbound(webhookUrl, { from: SMS.to, to: SMS.from, body: 'STOP' });
    expect(status).toBe(204);
    expect(received).toMatchObject([{ valid: true, parameters: { Body: 'STOP', From: SMS.to } }]);
  });

  it('stops while a message still lives', async () => {
    await stand.stop();
    stand = new TwilioStandIn({ statusDelayMs: 60_000 });
    await connect(await stand.start(), TOKEN).messages.create(SMS);
    const started = Date.now();
    await stand.stop();
    expect(Date.now() - started).toBeLessThan(1_000);
  });
});
