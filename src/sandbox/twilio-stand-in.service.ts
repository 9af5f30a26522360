import { randomBytes } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Inbox } from './inbox.service.js';
import { answerJson, call, LoopbackServer, readText } from './loopback-server.service.js';
import { faultOf, newMessage, segmentsOf, type TwilioMessage } from './twilio-message.js';
import { twilioSignature } from './twilio-signature.js';

/** A message that the stand-in took, with the form it came as. */
export interface SentMessage {
  message: TwilioMessage;
  form: Record<string, string>;
  /** Epoch milliseconds. */
  at: number;
}

/** One signed POST to a `StatusCallback`. */
export interface StatusCallback {
  sid: string;
  status: string;
  url: string;
  /** Status of the answer; undefined when there was none. */
  answered: number | undefined;
}

/** An HTTP status with Twilio's code or a whole body (text is sent as it is). */
export interface TwilioRefusal {
  status: number;
  code?: number;
  message?: string;
  body?: string;
  headers?: Record<string, string>;
}

/**
 * What happens to a create: it is refused; or the connection is cut before, or after, the message was made, or in the middle of the
 * answer; or the message is made and the answer is not JSON; or all its status callbacks come before the answer, or instead of it
 * (`report-cut`), or no answer ever follows them (`report-hang`).
 */
export type TwilioFaultSpec =
  | TwilioRefusal
  | 'reset-before'
  | 'reset-after'
  | 'half-answer'
  | 'not-json'
  | 'report-first'
  | 'report-cut'
  | 'report-hang';

/** What becomes of a message after it was taken. */
export interface Outcome {
  status: 'sent' | 'delivered' | 'undelivered' | 'failed';
  errorCode?: number;
}

export interface TwilioStandInOptions {
  accountSid?: string;
  authToken?: string;
  /** Pause before each step of a message's life. Default 20 ms. */
  statusDelayMs?: number;
  /** Who sends when a Messaging Service chooses. */
  serviceNumber?: string;
  /** Told of every message that was taken. */
  onMessage?: (sent: SentMessage) => void;
}

/** Plays Twilio's Messages resource on 127.0.0.1 over real HTTP, and sends signed status callbacks. Nothing leaves the machine. */
export class TwilioStandIn {
  readonly accountSid: string;
  readonly authToken: string;
  readonly statusCallbacks: StatusCallback[] = [];
  private readonly sent = new Inbox<SentMessage>();
  private readonly optedOut = new Set<string>();
  private readonly faults: TwilioFaultSpec[] = [];
  private listFault: TwilioRefusal | 'reset' | undefined;
  private listed = 0;
  private readonly outcomes: Outcome[] = [];
  private readonly running = new Set<Promise<void>>();
  private readonly stopping = new AbortController();
  private readonly server = new LoopbackServer((request, response) => this.handle(request, response));

  constructor(private readonly options: TwilioStandInOptions = {}) {
    this.accountSid = options.accountSid ?? `AC${'0'.repeat(32)}`;
    this.authToken = options.authToken ?? 'stand-in-auth-token';
    // A report that is still to come listens for the end: as many as there are messages.
    setMaxListeners(0, this.stopping.signal);
  }

  /** Every message that was taken, in order. */
  get messages(): readonly SentMessage[] {
    return this.sent.all;
  }

  /** @returns the base URL for `TWILIO_BASE_URL` */
  async start(port = 0): Promise<string> {
    return this.server.start(port);
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.server.stop();
    await Promise.allSettled(this.running);
  }

  /** The oldest message that was not returned before; rejects when none comes in time. */
  async next(timeoutMs?: number): Promise<SentMessage> {
    return this.sent.next(timeoutMs);
  }

  clear(): void {
    this.sent.clear();
    this.statusCallbacks.length = 0;
  }

  /** The next create goes so. Several calls queue up. */
  failNext(fault: TwilioFaultSpec): void {
    this.faults.push(fault);
  }

  /** The list of messages is answered so until told otherwise. */
  failLists(fault: TwilioRefusal | 'reset' | undefined): void {
    this.listFault = fault;
  }

  /** How often the list of messages was asked for. */
  get lists(): number {
    return this.listed;
  }

  /** The next message that is taken ends so; default `delivered`. Several calls queue up. */
  nextOutcome(outcome: Outcome): void {
    this.outcomes.push(outcome);
  }

  /** The number has answered STOP: sending to it is 21610 until {@link optIn}. */
  optOut(number: string): void {
    this.optedOut.add(number);
  }

  optIn(number: string): void {
    this.optedOut.delete(number);
  }

  /** Resolves when the life of every message that was taken is over and reported. */
  async settled(): Promise<void> {
    while (this.running.size > 0) await Promise.all(this.running);
  }

  /** Posts a signed inbound message, as a number's webhook gets it. @returns the status of the answer */
  async simulateInbound(webhook: string, message: { from: string; to: string; body: string }): Promise<number> {
    const sid = newSid();
    return this.postSigned(webhook, {
      ...{ MessageSid: sid, SmsSid: sid, SmsMessageSid: sid, AccountSid: this.accountSid, ApiVersion: '2010-04-01' },
      ...{ From: message.from, To: message.to, Body: message.body, NumMedia: '0' },
      NumSegments: String(segmentsOf(message.body)),
    });
  }

  /** Posts a form with its signature. @returns the status of the answer */
  async postSigned(url: string, parameters: Record<string, string>): Promise<number> {
    return call({
      method: 'POST',
      url: new URL(url),
      headers: {
        'content-type': 'application/x-www-form-urlencoded; charset=UTF-8',
        'x-twilio-signature': twilioSignature(this.authToken, url, parameters),
      },
      body: Buffer.from(new URLSearchParams(parameters).toString()),
      timeoutMs: 15_000,
      signal: this.stopping.signal,
    });
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const form = new URLSearchParams(await readText(request));
    const url = new URL(request.url ?? '/', 'http://stand-in');
    const resource = /^\/2010-04-01\/Accounts\/(\w+)(?:\/Messages(?:\/(\w+))?)?\.json$/.exec(url.pathname);
    if (!resource) {
      refuse(response, 404, 20404, 'The requested resource was not found');
    } else if (!this.authenticated(request.headers.authorization)) {
      refuse(response, 401, 20003, 'Authenticate');
    } else if (resource[1] !== this.accountSid) {
      refuse(response, 404, 20404, 'The requested resource was not found');
    } else if (!url.pathname.includes('/Messages')) {
      answerJson(response, 200, { sid: this.accountSid, friendly_name: 'Stand-in', status: 'active', type: 'Trial' });
    } else if (resource[2] !== undefined) {
      this.fetch(response, resource[2]);
    } else if (request.method === 'POST') {
      this.create(response, form);
    } else {
      this.list(response, url);
    }
  }

  private authenticated(authorization: string | undefined): boolean {
    const encoded = /^Basic (\S+)$/i.exec(authorization ?? '')?.[1] ?? '';
    return Buffer.from(encoded, 'base64').toString('utf8') === `${this.accountSid}:${this.authToken}`;
  }

  private create(response: ServerResponse, form: URLSearchParams): void {
    const fault = this.faults.shift();
    if (fault === 'reset-before') {
      response.destroy();
      return;
    }
    if (typeof fault === 'object') {
      refuseAsTold(response, fault);
      return;
    }
    const refused = faultOf(form, this.optedOut);
    if (refused) {
      refuse(response, refused.status, refused.code, refused.message);
      return;
    }
    const message = newMessage(form, { sid: newSid(), accountSid: this.accountSid }, Date.now());
    const answer = { ...message };
    const sent = { message, form: Object.fromEntries(form), at: Date.now() };
    this.sent.add(sent);
    this.options.onMessage?.(sent);
    const isReportedFirst = fault?.startsWith('report-') ?? false;
    const pauseMs = isReportedFirst ? 0 : (this.options.statusDelayMs ?? 20);
    const outcome = this.outcomes.shift() ?? { status: 'delivered' };
    const life = this.live(message, form.get('StatusCallback'), outcome, pauseMs);
    if (isReportedFirst) {
      this.track(
        life.then(() => {
          answerCreate(response, answer, fault);
        }),
      );
    } else {
      this.track(life);
      answerCreate(response, answer, fault);
    }
  }

  private fetch(response: ServerResponse, sid: string): void {
    const found = this.messages.find(({ message }) => message.sid === sid);
    if (found) answerJson(response, 200, found.message);
    else refuse(response, 404, 20404, 'The requested resource was not found');
  }

  private list(response: ServerResponse, { searchParams, pathname, search }: URL): void {
    this.listed += 1;
    if (this.listFault === 'reset') {
      response.destroy();
      return;
    }
    if (this.listFault !== undefined) {
      refuseAsTold(response, this.listFault);
      return;
    }
    const [to, from] = [searchParams.get('To'), searchParams.get('From')];
    const messages = this.messages
      .map(({ message }) => message)
      .filter((message) => (to === null || message.to === to) && (from === null || message.from === from))
      .reverse()
      .slice(0, Number(searchParams.get('PageSize') ?? 50));
    const uri = pathname + search;
    answerJson(response, 200, {
      ...{ messages, page: 0, page_size: 50, start: 0, end: messages.length, uri },
      ...{ first_page_uri: uri, next_page_uri: null, previous_page_uri: null },
    });
  }

  /** Takes a message through its life, and reports each step: never the initial one, as with Twilio. */
  private async live(
    message: TwilioMessage,
    callback: string | null,
    outcome: Outcome,
    pauseMs: number,
  ): Promise<void> {
    const steps =
      outcome.status === 'sent' || outcome.status === 'failed' ? [outcome.status] : ['sent', outcome.status];
    for (const status of steps) {
      await sleep(pauseMs, undefined, { signal: this.stopping.signal });
      message.status = status;
      message.from ??= this.options.serviceNumber ?? '+15005550006';
      message.num_segments = String(segmentsOf(message.body));
      message.date_updated = new Date().toUTCString().replace('GMT', '+0000');
      if (status === 'sent') message.date_sent = message.date_updated;
      const failed = status === 'failed' || status === 'undelivered';
      message.error_code = failed ? (outcome.errorCode ?? null) : null;
      if (callback !== null) await this.report(message, callback);
    }
  }

  private async report(message: TwilioMessage, url: string): Promise<void> {
    const { sid, status } = message;
    const parameters = {
      ...{ AccountSid: this.accountSid, ApiVersion: '2010-04-01', MessageSid: sid, SmsSid: sid },
      ...{ MessageStatus: status, SmsStatus: status, To: message.to, From: message.from ?? '' },
      ...(message.messaging_service_sid === null ? {} : { MessagingServiceSid: message.messaging_service_sid }),
      ...(message.error_code === null ? {} : { ErrorCode: String(message.error_code) }),
    };
    const answered = await this.postSigned(url, parameters).catch(() => undefined);
    this.statusCallbacks.push({ sid, status, url, answered });
  }

  /** Only {@link stop} makes a life end early, and then nobody waits for it. */
  private track(life: Promise<void>): void {
    const done = life.catch(() => undefined).finally(() => this.running.delete(done));
    this.running.add(done);
  }
}

function answerCreate(
  response: ServerResponse,
  message: TwilioMessage,
  fault: Exclude<TwilioFaultSpec, TwilioRefusal> | undefined,
): void {
  const text = JSON.stringify(message);
  switch (fault) {
    case 'reset-after':
    case 'report-cut':
      response.destroy();
      return;
    case 'half-answer':
      response.writeHead(201, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
      response.write(text.slice(0, text.length / 2), () => {
        response.destroy();
      });
      return;
    case 'not-json':
      response.writeHead(201, { 'content-type': 'text/html' }).end('<html>Created</html>');
      return;
    case 'report-hang':
      return;
    default:
      answerJson(response, 201, message);
  }
}

function newSid(): string {
  return `SM${randomBytes(16).toString('hex')}`;
}

function refuse(response: ServerResponse, status: number, code: number, message: string, headers = {}): void {
  const more_info = `https://www.twilio.com/docs/errors/${String(code)}`;
  answerJson(response, status, { code, message, more_info, status }, headers);
}

function refuseAsTold(response: ServerResponse, fault: TwilioRefusal): void {
  const { status, code, message = 'Refused as the test asked', body, headers = {} } = fault;
  if (body !== undefined || code === undefined) {
    response.writeHead(status, { 'content-type': 'text/html', ...headers }).end(body ?? '');
  } else {
    refuse(response, status, code, message, headers);
  }
}
