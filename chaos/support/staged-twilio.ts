import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readText } from '../../src/sandbox/loopback-server.service.js';
import { newMessage, type TwilioMessage } from '../../src/sandbox/twilio-message.js';
import { twilioSignature } from '../../src/sandbox/twilio-signature.js';

/**
 * How far a send has come: T1 connected, T2 the headers are read, T3 the body is read and the message made, T4 half an answer is
 * out, T5 the whole answer is out, T6 a signed status callback was answered, before the answer to the send.
 */
export type TwilioStep = 'T1' | 'T2' | 'T3' | 'T4' | 'T5' | 'T6';

export interface StagedTwilioAccount {
  accountSid: string;
  authToken: string;
}

/** Twilio's Messages resource on 127.0.0.1: makes messages, lists them, and tells of each step of a create as it happens. */
export class StagedTwilio {
  readonly messages: (TwilioMessage & { era: number })[] = [];
  /** Set by the test at each kill. */
  era = 0;
  /** The next answers wait for a status callback, which only then has step T6. */
  statusFirst = false;
  /** Told before the next byte goes out; may kill the other side. `to` is known from T3 on. */
  onStep: (step: TwilioStep, to: string | undefined) => void = () => undefined;
  private readonly server: Server;

  constructor(private readonly account: StagedTwilioAccount) {
    this.server = createServer((request, response) => {
      this.handle(request, response).catch(() => response.destroy());
    });
    this.server.on('connection', () => {
      this.onStep('T1', undefined);
    });
  }

  /** @returns the URL for `TWILIO_BASE_URL` */
  async start(): Promise<string> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Ends the connections that wait for another request, so that the next one begins with a new connection. */
  cut(): void {
    this.server.closeAllConnections();
  }

  async stop(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    this.cut();
    await closed;
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method === 'POST') await this.create(request, response);
    else this.list(new URL(request.url ?? '/', 'http://sink'), response);
  }

  private async create(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.onStep('T2', undefined);
    const form = new URLSearchParams(await readText(request));
    const ids = { sid: `SM${randomBytes(16).toString('hex')}`, accountSid: this.account.accountSid };
    const message = newMessage(form, ids, Date.now());
    this.messages.push({ ...message, era: this.era });
    this.onStep('T3', message.to);
    if (this.statusFirst) {
      await this.report(message, form.get('StatusCallback') ?? '');
      this.onStep('T6', message.to);
    }
    const text = JSON.stringify(message);
    response.writeHead(201, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
    await written(response, text.slice(0, text.length / 2));
    this.onStep('T4', message.to);
    await written(response, text.slice(text.length / 2));
    this.onStep('T5', message.to);
    response.end();
  }

  private list({ searchParams }: URL, response: ServerResponse): void {
    const to = searchParams.get('To');
    const messages = this.messages.filter((message) => to === null || message.to === to).reverse();
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ messages, page: 0, page_size: 100, next_page_uri: null }));
  }

  private async report(message: TwilioMessage, url: string): Promise<void> {
    const form = {
      ...{ AccountSid: this.account.accountSid, MessageSid: message.sid, MessageStatus: 'sent' },
      ...{ To: message.to, From: message.from ?? '', ApiVersion: '2010-04-01' },
    };
    const answer = await fetch(url, {
      method: 'POST',
      body: new URLSearchParams(form),
      headers: { 'x-twilio-signature': twilioSignature(this.account.authToken, url, form) },
    });
    if (answer.status >= 300) throw new Error(`the status callback was answered with ${answer.status}`);
  }
}

function written(response: ServerResponse, text: string): Promise<void> {
  return new Promise((resolve) => {
    response.write(text, () => {
      resolve();
    });
  });
}
