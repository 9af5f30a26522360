import { createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import PostalMime from 'postal-mime';
import { SmtpChannel, type SmtpOptions } from '../../src/channels/email/email.channel.service.js';
import type { EmailMessage } from '../../src/channels/message.js';
import type { SendContext } from '../../src/channels/channel.js';
import { SendAmbiguousError, SendDeferredError, SendRejectedError } from '../../src/errors.js';
import { type Fault, header, type SmtpSink, startSmtpSink } from '../support/smtp-sink.js';

const MESSAGE: EmailMessage = {
  kind: 'email',
  to: 'ada@example.com',
  subject: 'Your transcript — 4:05 min',
  text: 'Line one\r\n.\r\nLine “two”',
  html: '<p>Line one</p>',
  attachments: [],
};
const ID = '0198f000-0000-7000-8000-000000000001';
const context = (over: Partial<SendContext> = {}): SendContext => ({
  deliveryId: ID,
  attempt: 1,
  idempotencyKey: ID,
  signal: new AbortController().signal,
  ...over,
});

let sink: SmtpSink;
const opened: SmtpChannel[] = [];
function open(over: Partial<SmtpOptions> = {}): SmtpChannel {
  const channel = new SmtpChannel({ url: sink.url, from: 'Herald <herald@mail.example.com>', ...over });
  opened.push(channel);
  return channel;
}
const failure = async (
  sending: Promise<unknown>,
): Promise<SendRejectedError | SendDeferredError | SendAmbiguousError> => {
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
  sink = await startSmtpSink();
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((channel) => channel.close()));
  await sink.close();
});

describe('SmtpChannel, when the server accepts', () => {
  it('sends one message to one recipient with the headers that mark it', async () => {
    const receipt = await open().send(MESSAGE, context());
    expect(sink.received).toHaveLength(1);
    const [{ from, to, raw } = { from: '', to: [], raw: '' }] = sink.received;
    expect({ from, to }).toEqual({ from: 'herald@mail.example.com', to: ['ada@example.com'] });
    expect(header(raw, 'Message-ID')).toBe(`<${ID}@mail.example.com>`);
    expect(header(raw, 'X-Herald-Delivery')).toBe(ID);
    expect(header(raw, 'Auto-Submitted')).toBe('auto-generated');
    expect(header(raw, 'From')).toBe('Herald <herald@mail.example.com>');
    expect(header(raw, 'To')).toBe('ada@example.com');
    expect(header(raw, 'Bcc')).toBeUndefined();
    expect(Math.abs(Date.parse(header(raw, 'Date') ?? '') - Date.now())).toBeLessThan(5_000);
    expect(receipt.providerMessageId).toBe(`<${ID}@mail.example.com>`);
    expect(receipt.note).toMatch(/^250 /);
  });

  it('delivers subject, both parts and attachments as they were composed', async () => {
    const attachments = [{ filename: 'call.vtt', contentType: 'text/vtt', content: 'WEBVTT\n\n“hello”' }];
    await open().send({ ...MESSAGE, attachments }, context());
    const mail = await PostalMime.parse(sink.received[0]?.raw ?? '');
    expect(mail.subject).toBe(MESSAGE.subject);
    expect(mail.text?.replaceAll('\r\n', '\n').trimEnd()).toBe('Line one\n.\nLine “two”');
    expect(mail.html?.trimEnd()).toBe(MESSAGE.html);
    expect(mail.attachments).toHaveLength(1);
    expect(mail.attachments[0]).toMatchObject({ filename: 'call.vtt', mimeType: 'text/vtt' });
    expect(new TextDecoder().decode(mail.attachments[0]?.content as ArrayBuffer)).toBe('WEBVTT\n\n“hello”');
  });

  it('repeats the Message-ID on another attempt', async () => {
    const channel = open();
    await channel.send(MESSAGE, context());
    await channel.send(MESSAGE, context({ attempt: 2 }));
    const ids = sink.received.map(({ raw }) => header(raw, 'Message-ID'));
    expect(ids).toEqual([ids[0], ids[0]]);
  });

  it('reuses its connections', async () => {
    const channel = open();
    for (let i = 0; i < 5; i++) await channel.send(MESSAGE, context());
    expect(sink.counts).toMatchObject({ messages: 5, connections: 1 });
  });

  it('logs in with user and password from the URL, and refuses a wrong one as a fault of the account', async () => {
    const login = { user: 'herald', pass: 'canary-secret' };
    const guarded = await startSmtpSink({ login });
    try {
      await open({ url: guarded.url }).send(MESSAGE, context());
      expect(guarded.received).toHaveLength(1);
      const wrong = open({ url: guarded.url.replace('canary-secret', 'canary-wrong') });
      const error = await failure(wrong.send(MESSAGE, context()));
      expect(error).toMatchObject({ vendorClass: 'CONFIG', vendorCode: '535 5.7.8', counts: false });
      expect(error.message).not.toContain('canary');
      await expect(wrong.verify()).rejects.toMatchObject({ vendorClass: 'CONFIG' });
      await expect(open({ url: guarded.url }).verify()).resolves.toBeUndefined();
    } finally {
      await guarded.close();
    }
  });
});

describe('SmtpChannel, when the server does not', () => {
  it.each<[string, Fault, string, string]>([
    ['greets with 421', { at: 'connect', reply: [421, 'busy'] }, 'THROTTLED', '421'],
    ['greets with 554', { at: 'connect', reply: [554, 'no'] }, 'CONFIG', '554'],
    ['answers MAIL FROM 451', { at: 'mail', reply: [451, '4.3.0 later'] }, 'TRANSIENT', '451 4.3.0'],
    ['answers MAIL FROM 550', { at: 'mail', reply: [550, '5.1.8 who'] }, 'CONFIG', '550 5.1.8'],
    ['answers RCPT TO 450', { at: 'rcpt', reply: [450, '4.2.1 busy'] }, 'RECIPIENT', '450 4.2.1'],
    ['answers RCPT TO 451 greylisted', { at: 'rcpt', reply: [451, '4.7.1 greylisted'] }, 'TRANSIENT', '451 4.7.1'],
    ['answers RCPT TO 550', { at: 'rcpt', reply: [550, '5.1.1 unknown'] }, 'RECIPIENT', '550 5.1.1'],
    ['answers RCPT TO 552 full', { at: 'rcpt', reply: [552, '5.2.2 full'] }, 'TRANSIENT', '552 5.2.2'],
    ['answers DATA 452', { at: 'data', reply: [452, '4.3.1 disk'] }, 'TRANSIENT', '452 4.3.1'],
    ['answers DATA 554', { at: 'data', reply: [554, '5.6.0 no'] }, 'REFUSED', '554 5.6.0'],
    ['answers DATA 550 spam', { at: 'data', reply: [550, '5.7.1 spam'] }, 'POLICY', '550 5.7.1'],
    ['answers DATA 552', { at: 'data', reply: [552, '5.3.4 big'] }, 'CONTENT', '552 5.3.4'],
    ['answers DATA 421', { at: 'data', reply: [421, 'bye'] }, 'THROTTLED', '421'],
    ['cuts before the message', { at: 'rcpt', act: 'cut' }, 'NOT_SENT', 'ECONNECTION'],
    ['cuts after the final dot', { at: 'data', act: 'cut' }, 'AMBIGUOUS', 'ECONNECTION'],
    ['cuts within its last answer', { at: 'data', act: 'half-reply' }, 'AMBIGUOUS', 'ECONNECTION'],
  ])('%s (P1, P2, P5)', async (_name, fault, vendorClass, vendorCode) => {
    sink.fault = fault;
    const error = await failure(open().send(MESSAGE, context()));
    expect({ vendorClass: error.vendorClass, vendorCode: error.vendorCode }).toEqual({ vendorClass, vendorCode });
    expect(sink.received).toHaveLength(fault.at === 'data' ? 1 : 0);
    expect(sink.counts.connections).toBe(1);
  });

  it.each([
    ['a closed port', 'smtp://127.0.0.1:1', 'NOT_SENT'],
    ['an unknown host', 'smtp://no-such-host.invalid:25', 'NOT_SENT'],
    ['a port out of range', 'smtp://127.0.0.1:25?port=99999', 'CONFIG'],
  ])('reports %s (P5)', async (_name, url, vendorClass) => {
    const target = url.includes('?port') ? 'smtp://127.0.0.1?port=99999' : url;
    expect((await failure(open({ url: target }).send(MESSAGE, context()))).vendorClass).toBe(vendorClass);
  });

  it.each<[string, Fault, typeof SendDeferredError | typeof SendAmbiguousError]>([
    ['before the message as not sent', { at: 'rcpt', act: 'silence' }, SendDeferredError],
    ['after the final dot as ambiguous', { at: 'data', act: 'silence' }, SendAmbiguousError],
  ])('reports a time-out %s (P6)', async (_name, fault, kind) => {
    sink.fault = fault;
    const started = Date.now();
    const error = await failure(open({ deadlineMs: 300 }).send(MESSAGE, context()));
    expect(error).toBeInstanceOf(kind);
    expect(Date.now() - started).toBeLessThan(3_000);
  });

  it('lets the other sends go on while one waits for a silent server (P6)', async () => {
    const channel = open({ deadlineMs: 1_000, maxConnections: 2 });
    sink.fault = { at: 'data', act: 'silence' };
    const stuck = failure(channel.send(MESSAGE, context()));
    while (sink.counts.messages === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    sink.fault = undefined;
    await channel.send(MESSAGE, context());
    expect(await stuck).toBeInstanceOf(SendAmbiguousError);
  });

  it('sends again after the server dropped an idle connection', async () => {
    const channel = open();
    await channel.send(MESSAGE, context());
    sink.cutAll();
    await new Promise((resolve) => setTimeout(resolve, 50));
    await channel.send(MESSAGE, context());
    expect(sink.received).toHaveLength(2);
  });

  it('stops within its deadline when the server trickles its answers (P6)', async () => {
    const server: Server = createServer((socket: Socket) => {
      socket.on('error', () => undefined);
      const timer = setInterval(() => socket.write('2'), 50);
      socket.on('close', () => {
        clearInterval(timer);
      });
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      const url = `smtp://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
      const error = await failure(open({ url, deadlineMs: 500 }).send(MESSAGE, context()));
      expect(error).toMatchObject({ vendorClass: 'NOT_SENT' });
    } finally {
      server.close();
    }
  });
});

describe('SmtpChannel, against injection', () => {
  it.each([
    'u@y.example\r\nBcc: evil@z.example',
    'u@y.example, evil@z.example',
    'u@y\u200bz.example',
    'G: a@x.example, b@z.example;',
    '"u@y.example, evil"@z.example',
    'Ada <ada@example.com>',
  ])('refuses the stored recipient %j without a connection', async (to) => {
    const error = await failure(open().send({ ...MESSAGE, to }, context()));
    expect(error).toBeInstanceOf(SendRejectedError);
    expect(error.vendorClass).toBe('RECIPIENT');
    expect(sink.counts.connections).toBe(0);
  });

  it('adds no header and no recipient for a subject or a sender name with line breaks', async () => {
    const subject = 'a\r\nBcc: evil@z.example\r\n\r\nbody';
    await open({ from: 'Herald, evil@z.example <herald@mail.example.com>' }).send({ ...MESSAGE, subject }, context());
    expect(sink.counts.recipients).toBe(1);
    expect(header(sink.received[0]?.raw ?? '', 'Bcc')).toBeUndefined();
    expect(sink.received[0]?.from).toBe('herald@mail.example.com');
    expect(() => open({ from: 'He\r\nBcc: evil@z.example <herald@mail.example.com>' })).toThrow(/control character/);
  });

  it('mails no local file, whatever the stored message holds', async () => {
    const canary = join(mkdtempSync(join(tmpdir(), 'herald-')), 'canary.txt');
    writeFileSync(canary, 'canary-content');
    const odd = {
      ...MESSAGE,
      raw: { path: canary },
      envelope: { to: ['evil@z.example'] },
      headers: { Bcc: 'evil@z.example' },
      attachments: [{ filename: 'a', contentType: 'text/plain', content: 'x', path: canary }],
    };
    await open().send(odd, context());
    expect(sink.received[0]?.to).toEqual(['ada@example.com']);
    expect(sink.received[0]?.raw).not.toContain('canary');
    expect(sink.received[0]?.raw).not.toContain('evil');
    const text = { path: canary } as unknown as string;
    await failure(open().send({ ...MESSAGE, text }, context()));
    expect(JSON.stringify(sink.received)).not.toContain('canary');
  });
});
