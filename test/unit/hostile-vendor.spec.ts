import type { AddressInfo } from 'node:net';
import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { SMTPServer } from 'smtp-server';
import { SmtpChannel } from '../../src/channels/email/email.channel.service.js';
import type { Message } from '../../src/channels/message.js';
import { TwilioChannel } from '../../src/channels/sms/sms.channel.service.js';
import { SendAmbiguousError, SendDeferredError } from '../../src/errors.js';
import { startHostile, type HostileVendor } from '../support/hostile-vendor.js';

const DEADLINE_MS = 1_000;
/** What the kernel and Node have taken before anybody looks at it. */
const BUFFERS = 8 * 1024 * 1024;

const TEXT: Message = { kind: 'sms', to: '+14155552671', text: 'Hi', segments: 1, encoding: 'GSM-7' };
const MAIL: Message = { kind: 'email', to: 'ada@example.com', subject: 's', text: 't', html: 'h', attachments: [] };

const opened: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close();
});

const contextOf = () => ({
  deliveryId: '0198f000-0000-7000-8000-000000000001',
  attempt: 1,
  idempotencyKey: '0198f000-0000-7000-8000-000000000001',
  signal: new AbortController().signal,
});

interface Ended {
  vendorClass: string;
  vendorCode: string;
  tookMs: number;
}

async function ends(send: () => Promise<unknown>): Promise<Ended> {
  const started = performance.now();
  try {
    await send();
    throw new Error('it was sent');
  } catch (error) {
    if (!(error instanceof SendAmbiguousError || error instanceof SendDeferredError)) throw error;
    const { vendorClass, vendorCode } = error;
    return { vendorClass, vendorCode, tookMs: performance.now() - started };
  }
}

async function hostile(answer: Parameters<typeof startHostile>[0]): Promise<HostileVendor> {
  const vendor = await startHostile(answer);
  opened.push(vendor);
  return vendor;
}

describe('Twilio that answers without end', () => {
  // It takes longer than the deadline on a busy machine.
  beforeAll(() => import('twilio'), 60_000);

  const ok = 'HTTP/1.1 201 Created\r\nContent-Type: application/json\r\n';

  it.each<[string, Parameters<typeof startHostile>[0], string]>([
    ['never', {}, 'ERR_CANCELED'],
    ['a byte now and then', { begin: `${ok}Content-Length: 9999\r\n\r\n`, more: '{', everyMs: 50 }, 'ERR_CANCELED'],
    ['headers one by one', { begin: ok, more: 'X-More: and more\r\n', everyMs: 50 }, 'ERR_CANCELED'],
    ['headers without end', { begin: ok, more: 'X-More: and more\r\n' }, 'HPE_HEADER_OVERFLOW'],
    ['a header without end', { begin: `${ok}X-Long: `, more: 'x' }, 'HPE_HEADER_OVERFLOW'],
    ['1 GB', { begin: `${ok}Content-Length: 1073741824\r\n\r\n`, more: ' ' }, 'ERR_BAD_RESPONSE'],
    [
      'chunks without end',
      { begin: `${ok}Transfer-Encoding: chunked\r\n\r\n`, more: '1\r\nx\r\n' },
      'ERR_BAD_RESPONSE',
    ],
    ['a flood of 1xx', { more: 'HTTP/1.1 103 Early Hints\r\n\r\n' }, 'TOO_MANY_1XX'],
    ['a redirect', { begin: 'HTTP/1.1 307 Elsewhere\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n' }, '307'],
    ['no HTTP', { more: '\0' }, 'HPE_INVALID_CONSTANT'],
  ])('%s: it ends at the deadline, and little is read (P6)', async (_name, answer, code) => {
    const vendor = await hostile(answer);
    const channel = new TwilioChannel({
      ...{ accountSid: `AC${'0'.repeat(32)}`, authToken: 'test-token', from: '+15551234567' },
      baseUrl: `http://127.0.0.1:${String(vendor.port)}`,
      deadlineMs: DEADLINE_MS,
    });
    opened.push(channel);
    const ended = await ends(() => channel.send(TEXT, contextOf()));
    expect(ended).toMatchObject({
      vendorClass: 'AMBIGUOUS',
      vendorCode: expect.stringMatching(new RegExp(`^(${code})$`)),
    });
    expect(ended.tookMs).toBeLessThan(DEADLINE_MS + 2_000);
    expect(vendor.taken()).toBeLessThan(BUFFERS);
    expect(vendor.connections).toBe(1);
  });
});

describe('a mail server that speaks without end', () => {
  it.each<[string, Parameters<typeof startHostile>[0]]>([
    ['never', { atOnce: true }],
    ['a byte now and then', { more: '2', everyMs: 50, atOnce: true }],
    ['a greeting without end', { more: '220-and more\r\n', atOnce: true }],
    ['a line without end', { begin: '220 ', more: 'x', atOnce: true }],
  ])('%s: it ends at the deadline, and little is read (P6)', async (_name, answer) => {
    const vendor = await hostile(answer);
    const channel = new SmtpChannel({
      url: `smtp://127.0.0.1:${String(vendor.port)}`,
      from: 'herald@example.com',
      deadlineMs: DEADLINE_MS,
    });
    opened.push(channel);
    const ended = await ends(() => channel.send(MAIL, contextOf()));
    expect(ended.tookMs).toBeLessThan(DEADLINE_MS + 2_000);
    expect(vendor.taken()).toBeLessThan(BUFFERS);
  });
});

describe('a vendor whose certificate nobody vouches for, or that speaks no TLS (P5)', () => {
  const twilio = (port: number): TwilioChannel =>
    new TwilioChannel({
      ...{ accountSid: `AC${'0'.repeat(32)}`, authToken: 'test-token', from: '+15551234567' },
      baseUrl: `https://127.0.0.1:${String(port)}`,
    });
  const smtp = (port: number): SmtpChannel =>
    new SmtpChannel({ url: `smtps://127.0.0.1:${String(port)}`, from: 'herald@example.com' });

  it.each<[string, (port: number) => TwilioChannel | SmtpChannel, Message, boolean, string]>([
    ['Twilio with such a certificate', twilio, TEXT, true, 'NOT_SENT'],
    ['Twilio without TLS', twilio, TEXT, false, 'NOT_SENT'],
    ['a mail server with such a certificate', smtp, MAIL, true, 'NOT_SENT'],
    ['a mail server without TLS', smtp, MAIL, false, 'NOT_SENT'],
  ])('%s: nothing was sent', async (_name, make, message, secure, vendorClass) => {
    // It brings a certificate of its own.
    const server = new SMTPServer({ secure, disabledCommands: secure ? [] : ['STARTTLS'], logger: false });
    server.on('error', () => undefined);
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    opened.push({ close: () => new Promise<void>((resolve) => server.close(resolve)) });
    const channel = make((server.server.address() as AddressInfo).port);
    opened.push(channel);
    expect(await ends(() => channel.send(message, contextOf()))).toMatchObject({ vendorClass });
  });
});
