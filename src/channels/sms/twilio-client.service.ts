import { AsyncLocalStorage } from 'node:async_hooks';
import http, {
  Agent as HttpAgent,
  type ClientRequest,
  type IncomingMessage,
  type RequestOptions as HttpOptions,
} from 'node:http';
import https from 'node:https';
import type { Twilio } from 'twilio';
import type { MessageInstance, MessageListInstanceCreateOptions } from 'twilio/lib/rest/api/v2010/account/message.js';
import { SECOND } from '../../duration.js';
import type { ListedMessage } from './twilio-lookup.js';

export interface TwilioAccount {
  accountSid: string;
  authToken: string;
  /** Another address than https://api.twilio.com, for tests and stand-ins. */
  baseUrl?: string;
}

/** What one call needs besides its parameters; the answer's headers are put here. */
export interface TwilioCall {
  signal: AbortSignal;
  headers?: Record<string, unknown>;
}

/** The fields of a created message that we read, unchecked: the answer comes from outside. */
export interface CreatedMessage {
  sid?: unknown;
  status?: unknown;
}

const TIMEOUT_MS = 20 * SECOND;
/** An answer is about 1 kB a message. */
const MAX_ANSWER_BYTES = { one: 64 * 1024, list: 512 * 1024 };
/** Interim answers (1xx) before the answer; Twilio sends none, or one. */
const MAX_INTERIM = 10;
const LIST_LIMIT = 200;
const PAGE_SIZE = 100;

interface Sdk {
  client: Twilio;
  closeSockets: () => void;
}

/**
 * The Twilio SDK, loaded at the first call (29 MB on disk), with what it lacks: an abort signal and the answer's headers for each call,
 * and a bound on the size of an answer. It never retries.
 */
export class TwilioClient {
  private readonly account: TwilioAccount;
  /** The SDK keeps headers in one place for all calls; this keeps them apart. */
  private readonly calls = new AsyncLocalStorage<TwilioCall>();
  private sdk: Promise<Sdk> | undefined;

  constructor(account: TwilioAccount) {
    this.account = account;
  }

  /** @throws what the SDK throws, to be classified; `call.headers` is set when an answer came */
  async createMessage(params: MessageListInstanceCreateOptions, call: TwilioCall): Promise<CreatedMessage> {
    const { client } = await this.load();
    return this.calls.run(call, () => client.messages.create(params));
  }

  /** The newest messages to a number; `complete` is false when there may be more. */
  async listMessages(to: string, call: TwilioCall): Promise<{ messages: ListedMessage[]; complete: boolean }> {
    const { client } = await this.load();
    const options = { to, limit: LIST_LIMIT, pageSize: PAGE_SIZE };
    const messages = await this.calls.run(call, () => client.messages.list(options));
    return { messages: messages.map(toListed), complete: messages.length < LIST_LIMIT };
  }

  /** Reads the account, which needs valid credentials and sends nothing. */
  async fetchAccountStatus(call: TwilioCall): Promise<string> {
    const { client } = await this.load();
    const account = await this.calls.run(call, () => client.api.v2010.accounts(this.account.accountSid).fetch());
    return account.status;
  }

  async close(): Promise<void> {
    if (this.sdk === undefined) return;
    (await this.sdk).closeSockets();
  }

  private load(): Promise<Sdk> {
    this.sdk ??= this.open();
    return this.sdk;
  }

  private async open(): Promise<Sdk> {
    const { default: twilio } = await import('twilio');
    const { calls } = this;
    const sender = new twilio.RequestClient({ timeout: TIMEOUT_MS, autoRetry: false, maxSockets: 20 });
    const request = sender.request.bind(sender);
    sender.request = async (options) => {
      const response = await request(options);
      const call = calls.getStore();
      if (call !== undefined) call.headers = response.headers as Record<string, unknown>;
      return response;
    };
    sender.axios.interceptors.request.use((config) => {
      const signal = calls.getStore()?.signal;
      const maxContentLength = config.method === 'post' ? MAX_ANSWER_BYTES.one : MAX_ANSWER_BYTES.list;
      return { ...config, transport: { request: begin }, maxContentLength, ...(signal && { signal }) };
    });
    const plain = new HttpAgent({ keepAlive: true, maxSockets: 20 });
    Object.assign(sender.axios.defaults, { httpAgent: plain });
    const secure = sender.axios.defaults.httpsAgent as HttpAgent;
    const client = twilio(this.account.accountSid, this.account.authToken, { httpClient: sender });
    if (this.account.baseUrl !== undefined) client.api.baseUrl = this.account.baseUrl.replace(/\/+$/, '');
    return {
      client,
      closeSockets: () => {
        plain.destroy();
        secure.destroy();
      },
    };
  }
}

/** Node's own request, which follows no redirect; ended when the interim answers do not. */
function begin(options: HttpOptions, onAnswer: (answer: IncomingMessage) => void): ClientRequest {
  const request = (options.protocol === 'https:' ? https : http).request(options, onAnswer);
  let interim = 0;
  request.on('information', () => {
    interim += 1;
    if (interim > MAX_INTERIM) request.destroy(Object.assign(new Error('Too many 1xx'), { code: 'TOO_MANY_1XX' }));
  });
  return request;
}

function toListed(message: MessageInstance): ListedMessage {
  const created = message.dateCreated as Date | undefined;
  return {
    sid: message.sid,
    to: message.to,
    senders: [message.from as string | null, message.messagingServiceSid as string | null].filter(
      (sender) => typeof sender === 'string' && sender !== '',
    ) as string[],
    body: message.body,
    direction: message.direction,
    status: message.status,
    errorCode: message.errorCode,
    createdAt: created instanceof Date ? created.getTime() : NaN,
  };
}
