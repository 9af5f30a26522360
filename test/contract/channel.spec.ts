import { AssertionError } from 'node:assert';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { createEmulator, type Emulator } from 'emulate';
import { CaptureChannel } from '../../src/channels/capture/capture.channel.service.js';
import type { Channel, Receipt, Recipient, SendContext } from '../../src/channels/channel.js';
import { SmtpChannel, type SmtpOptions } from '../../src/channels/email/email.channel.service.js';
import type { EmailMessage, Message, RenderedParts } from '../../src/channels/message.js';
import { TwilioChannel } from '../../src/channels/sms/sms.channel.service.js';
import { SendAmbiguousError, SendDeferredError, SendRejectedError } from '../../src/errors.js';
import { type Fault, type SmtpSink, startSmtpSink } from '../support/smtp-sink.js';
import { startTwilio, type TwilioFault, type TwilioStandIn } from '../support/twilio-fault-proxy.js';
import { channelCases, type ChannelHarness, type FarSide, type FarSideBehaviour } from './channel.contract.js';

const EMAIL = ['ada@example.com', 'bob@example.org'] as const;
const NO_EMAIL = ['"a@b.co, c"@d.co', 'a@b.co\u200b', 'G: a@b.co;', 'a@b.co\0', '<a@b.co>', 'a@b.co c@d.co'];
const PHONE = ['+14155552671', '+447911123456'] as const;
const NO_PHONE = ['4155552671', '+1 415 555 2671 ext. 5', '+14155552671\u200b', '+1415', 'a@b.co'];

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const SMTP_FAULTS: Record<FarSideBehaviour, Fault | undefined> = {
  accept: undefined,
  reject: { at: 'rcpt', reply: [550, `5.1.1 <${EMAIL[0]}> is unknown`] },
  throttle: { at: 'data', reply: [421, '4.7.0 too fast'] },
  cut: { at: 'data', act: 'cut' },
  silence: { at: 'data', act: 'silence' },
};

function smtpFarSide(sink: SmtpSink): FarSide {
  return {
    behave: (behaviour) => {
      sink.fault = SMTP_FAULTS[behaviour];
    },
    taken: () => sink.received.map(({ to }) => to),
    offered: () => sink.counts.recipients,
  };
}

async function emailHarness(make: (options: SmtpOptions) => Channel): Promise<ChannelHarness> {
  const sink = await startSmtpSink();
  const channel = make({ url: sink.url, from: 'Herald <herald@mail.example.com>' });
  closers.push(sink.close, async () => channel.close?.());
  return { channel, addresses: EMAIL, notOneRecipient: NO_EMAIL, farSide: smtpFarSide(sink) };
}

const coded = (status: number, code: number, message: string): TwilioFault => ({
  answer: { status, body: { code, message, more_info: '', status } },
});
const TWILIO_FAULTS: Record<FarSideBehaviour, TwilioFault | undefined> = {
  accept: undefined,
  reject: coded(400, 21211, `The 'To' number ${PHONE[0]} is not valid`),
  throttle: coded(429, 20429, 'Too many requests'),
  cut: { after: 'cut' },
  silence: { after: 'silence' },
};

function twilioFarSide(standIn: TwilioStandIn): FarSide {
  return {
    behave: (behaviour) => {
      standIn.fault = TWILIO_FAULTS[behaviour];
    },
    taken: () => standIn.messages.map(({ params }) => [params.To ?? '']),
    offered: () => standIn.requests.filter((request) => request.startsWith('POST')).length,
  };
}

const ACCOUNT = { accountSid: `AC${'0'.repeat(32)}`, authToken: 'test-token', from: '+15551234567' };

async function smsHarness(): Promise<ChannelHarness> {
  const standIn = await startTwilio();
  const channel = new TwilioChannel({ ...ACCOUNT, baseUrl: standIn.url });
  closers.push(standIn.close, () => channel.close());
  return { channel, addresses: PHONE, notOneRecipient: NO_PHONE, farSide: twilioFarSide(standIn) };
}

const captured = (kind: 'email' | 'sms'): ChannelHarness =>
  kind === 'email'
    ? { channel: new CaptureChannel('email', kind), addresses: EMAIL, notOneRecipient: NO_EMAIL }
    : { channel: new CaptureChannel('sms', kind), addresses: PHONE, notOneRecipient: NO_PHONE };

describe.each<[string, () => Promise<ChannelHarness>]>([
  ['SmtpChannel', () => emailHarness((options) => new SmtpChannel(options))],
  ['TwilioChannel', smsHarness],
  ['CaptureChannel for e-mail', () => Promise.resolve(captured('email'))],
  ['CaptureChannel for SMS', () => Promise.resolve(captured('sms'))],
])('%s', (name, open) => {
  const cases = channelCases.filter(({ needsFarSide }) => !needsFarSide || !name.startsWith('Capture'));
  it.each(cases)('$name', async ({ run }) => {
    await expect(run(await open())).resolves.toBeUndefined();
  });
});

// ---- channels that break the contract, each in one way ----

class ResolvesEarly extends SmtpChannel {
  override send(message: Message, context: SendContext): Promise<Receipt> {
    super.send(message, context).catch(() => undefined);
    return Promise.resolve({ note: 'handed over' });
  }
}
class RetriesByItself extends SmtpChannel {
  override send(message: Message, context: SendContext): Promise<Receipt> {
    return super.send(message, context).catch(() => super.send(message, context));
  }
}
class TakesTwoRecipients extends SmtpChannel {
  override parseRecipient(address: string): Recipient {
    return { address: address.trim() };
  }
}
class TakesACutForNotSent extends SmtpChannel {
  override send(message: Message, context: SendContext): Promise<Receipt> {
    return super.send(message, context).catch((error: unknown) => {
      if (!(error instanceof SendAmbiguousError)) throw error;
      throw new SendDeferredError(error.message, { vendorCode: error.vendorCode, vendorClass: 'NOT_SENT' });
    });
  }
}
class IgnoresTheSignal extends SmtpChannel {
  override send(message: Message, context: SendContext): Promise<Receipt> {
    return super.send(message, { ...context, signal: new AbortController().signal });
  }
}
class IgnoresTheSignalOnceItBegan extends SmtpChannel {
  override send(message: Message, context: SendContext): Promise<Receipt> {
    if (context.signal.aborted) return super.send(message, context);
    return super.send(message, { ...context, signal: new AbortController().signal });
  }
}
class TakesARefusalForSuccess extends SmtpChannel {
  override send(message: Message, context: SendContext): Promise<Receipt> {
    return super.send(message, context).catch((error: unknown) => {
      if (error instanceof SendRejectedError) return { note: 'refused' };
      throw error;
    });
  }
}
class DefersARefusal extends SmtpChannel {
  override send(message: Message, context: SendContext): Promise<Receipt> {
    return super.send(message, context).catch((error: unknown) => {
      if (!(error instanceof SendRejectedError)) throw error;
      throw new SendDeferredError(error.message, { vendorCode: error.vendorCode, vendorClass: error.vendorClass });
    });
  }
}
class GivesUpWhenThrottled extends SmtpChannel {
  override send(message: Message, context: SendContext): Promise<Receipt> {
    return super.send(message, context).catch((error: unknown) => {
      if (!(error instanceof SendDeferredError)) throw error;
      throw new SendRejectedError(error.message, { vendorCode: error.vendorCode, vendorClass: error.vendorClass });
    });
  }
}
class ShowsTheAddress extends SmtpChannel {
  override send(message: Message, context: SendContext): Promise<Receipt> {
    return super.send(message, context).catch((error: unknown) => {
      if (!(error instanceof SendRejectedError)) throw error;
      throw new SendRejectedError(`${error.message} (${message.to})`, { vendorCode: '550', vendorClass: 'RECIPIENT' });
    });
  }
}
class KeepsACopyForItself extends SmtpChannel {
  override async send(message: Message, context: SendContext): Promise<Receipt> {
    const receipt = await super.send(message, context);
    await super.send({ ...message, to: 'archive@example.com' }, context);
    return receipt;
  }
}
class ComposesFromMemory extends SmtpChannel {
  private count = 0;
  override compose(rendered: RenderedParts, recipient: Recipient): EmailMessage {
    this.count += 1;
    const message = super.compose(rendered, recipient, []);
    return { ...message, subject: `${message.subject} ${String(this.count)}` };
  }
}
class SendsAnything extends SmtpChannel {
  override send(message: Message, context: SendContext): Promise<Receipt> {
    return message.kind === 'sms' ? Promise.resolve({ note: 'ignored' }) : super.send(message, context);
  }
}

describe('a channel that breaks the contract', () => {
  const broken: [typeof SmtpChannel, string][] = [
    [ResolvesEarly, 'resolves when the vendor has accepted, and not before'],
    [RetriesByItself, 'reports a refusal for now as deferred, after one try'],
    [TakesTwoRecipients, 'refuses what is not exactly one recipient, without repeating it'],
    [
      TakesACutForNotSent,
      'reports a connection that ends without an answer to the message as ambiguous, after one try',
    ],
    [IgnoresTheSignal, 'sends nothing when the signal is aborted before it begins'],
    [IgnoresTheSignalOnceItBegan, 'gives up at the abort signal when the vendor is silent, as ambiguous'],
    [TakesARefusalForSuccess, 'reports a refusal for good as rejected, after one try'],
    [DefersARefusal, 'reports a refusal for good as rejected, after one try'],
    [GivesUpWhenThrottled, 'reports a refusal for now as deferred, after one try'],
    [ShowsTheAddress, 'shows neither the address nor the text of the message in an error'],
    [KeepsACopyForItself, 'reaches exactly one recipient with one message'],
    [
      ComposesFromMemory,
      'composes the same message from the same parts, for exactly the recipient, and changes neither',
    ],
    [SendsAnything, 'refuses a message of another kind'],
  ];
  it.each(broken.map(([Broken, name]) => [Broken.name, name, Broken] as const))(
    '%s fails "%s"',
    async (_class, name, Broken) => {
      const testCase = channelCases.find((candidate) => candidate.name === name);
      if (testCase === undefined) throw new Error(`there is no case "${name}"`);
      const harness = await emailHarness((options) => new Broken(options));
      await expect(testCase.run(harness)).rejects.toBeInstanceOf(AssertionError);
    },
  );
});

// ---- against a stateful Twilio ----

interface CallbackRequest {
  url: string;
  params: Record<string, string>;
  signature: string | undefined;
}

/** Takes status callbacks as Herald's own route would. */
async function startReports(): Promise<{ url: string; requests: CallbackRequest[]; close: () => Promise<void> }> {
  const requests: CallbackRequest[] = [];
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const signature = incoming.headers['x-twilio-signature'];
      requests.push({
        url: `http://127.0.0.1:${String(port)}${incoming.url ?? ''}`,
        params: Object.fromEntries(new URLSearchParams(Buffer.concat(chunks).toString())),
        signature: typeof signature === 'string' ? signature : undefined,
      });
      response.writeHead(204).end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${String(port)}/reports/twilio/d1`,
    requests,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function until(done: () => boolean): Promise<void> {
  const deadline = Date.now() + 5_000;
  while (!done() && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 10));
}

describe('TwilioChannel with the emulator', () => {
  let emulator: Emulator;
  beforeAll(async () => {
    emulator = await createEmulator({
      service: 'twilio',
      port: await freePort(),
      seed: {
        twilio: {
          account: { sid: ACCOUNT.accountSid, auth_token: ACCOUNT.authToken },
          phone_numbers: [{ phone_number: ACCOUNT.from }],
        },
      },
    });
  });
  afterAll(() => emulator.close());

  const open = (over: object = {}, baseUrl = emulator.url): TwilioChannel => {
    const channel = new TwilioChannel({ ...ACCOUNT, baseUrl, ...over });
    closers.push(() => channel.close());
    return channel;
  };
  const messageFor = (channel: Channel, text: string): Message =>
    channel.compose({ kind: 'sms', parts: { text } }, channel.parseRecipient(PHONE[0]), []);
  const context = (reportUrl?: string): SendContext => ({
    deliveryId: 'd1',
    attempt: 2,
    idempotencyKey: 'd1',
    signal: new AbortController().signal,
    ...(reportUrl === undefined ? {} : { reportUrl }),
  });

  it('sends, and reads the signed status callbacks that follow', async () => {
    const reports = await startReports();
    closers.push(reports.close);
    const channel = open();
    const receipt = await channel.send(messageFor(channel, 'Ready'), context(reports.url));
    const body = new URLSearchParams({ MessageSid: receipt.providerMessageId ?? '', Status: 'delivered' });
    const authorization = `Basic ${Buffer.from(`${ACCOUNT.accountSid}:${ACCOUNT.authToken}`).toString('base64')}`;
    await fetch(`${emulator.url}/_twilio/simulate/message-status`, {
      method: 'POST',
      headers: { authorization },
      body,
    });
    await until(() => reports.requests.some(({ params }) => params.MessageStatus === 'delivered'));

    for (const { url, params, signature } of reports.requests) {
      expect(url).toBe(`${reports.url}?a=2`);
      expect(channel.verifySignature(url, params, signature)).toBe(true);
      expect(channel.verifySignature(`${reports.url}?a=3`, params, signature)).toBe(false);
      expect(open({ authToken: 'another' }).verifySignature(url, params, signature)).toBe(false);
    }
    expect(reports.requests.map(({ params }) => channel.parseReport(params))).toContainEqual({
      providerMessageId: receipt.providerMessageId,
      status: 'delivered',
    });
  });

  it.each([
    ['a wrong token', { authToken: 'wrong' }, SendDeferredError, '20003'],
    ['a sender of somebody else', { from: '+15557654321' }, SendDeferredError, '21606'],
  ])('reports %s as a fault of the account', async (_name, over, kind, vendorCode) => {
    const channel = open(over);
    const error: unknown = await channel
      .send(messageFor(channel, 'Ready'), context())
      .catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(kind);
    expect(error).toMatchObject({ vendorCode, vendorClass: 'CONFIG', counts: false });
  });

  it('finds at Twilio the message whose answer was cut off', async () => {
    const proxy = await startTwilio(emulator.url);
    closers.push(proxy.close);
    const channel = open({}, proxy.url);
    const message = messageFor(channel, 'Cut off: https://h.example/t/77');
    const startedAt = Date.now();
    proxy.fault = { after: 'cut' };
    await expect(channel.send(message, context())).rejects.toBeInstanceOf(SendAmbiguousError);
    const found = await channel.lookup(message, { deliveryId: 'd1', startedAt });
    expect(found).toMatchObject({ providerMessageId: expect.stringMatching(/^SM[0-9a-f]{32}$/i) });
  });

  it('accepts the right credentials', async () => {
    await expect(open().verify()).resolves.toBeUndefined();
  });
});
