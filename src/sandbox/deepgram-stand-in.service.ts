import { createHash, randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { isObject, type JsonObject } from '../json.js';
import { readCallBody } from './bundled-call.service.js';
import { sendCallback, type Delivered } from './deepgram-callback.service.js';
import { asAskedFor, genericBody, withMetadata } from './deepgram-body.js';
import { faultOf, shownOptions } from './deepgram-query.js';
import { readRemoteAudio, refusal, UNREADABLE_AUDIO, type Refusal } from './deepgram-refusals.js';
import { answerJson, LoopbackServer } from './loopback-server.service.js';

const RETRIES = 10;
const RETRY_EVERY_MS = 30_000;
/** Larger JSON bodies are no `{url}`. */
const MAX_JSON_BYTES = 1 << 20;

/** One request to `/v1/listen`, without anything secret. */
export interface ListenRecord {
  /** Of the answer; also given to requests that were refused. */
  requestId: string;
  /** Epoch milliseconds. */
  at: number;
  method: string;
  /** The query, every name with all its values; the callback without its credentials, `extra=callback_secret` without its value. */
  options: Record<string, string[]>;
  contentType: string | undefined;
  contentLength: number | undefined;
  /** Bytes of body that came. */
  bytes: number;
  /** Of those bytes, in hex. */
  sha256: string;
  /** Of `{url}`. */
  audioUrl: string | undefined;
  /** Status of the answer; 0 when the connection was cut. */
  status: number;
}

/** One try to deliver a body. */
export interface CallbackAttempt extends Delivered {
  requestId: string;
  /** From 1; a duplicate goes on counting. */
  attempt: number;
}

/** A request as `bodyFor` sees it. The query holds the callback's password: for the echo of `extra`, never for a log. */
export interface ListenRequest {
  record: ListenRecord;
  query: URLSearchParams;
}

export interface DeepgramStandInOptions {
  /** The only key that is taken; without it any is. */
  apiKey?: string;
  /** Callbacks may go to any port. Default true: tests and the demo listen where they can. */
  anyPort?: boolean;
  /**
   * The body for a request: bytes are sent as they are, an object gets the request's metadata.
   * Default: the bundled call's body for its audio, a small generic one for any other, both without what was not asked for.
   */
  bodyFor?: (request: ListenRequest) => Buffer | JsonObject | Promise<Buffer | JsonObject>;
  /** Pause between the answer to a submit and its callback. Default 0. */
  callbackDelayMs?: number;
  /** The callback comes, and is answered, before the submit is. */
  callbackBeforeAnswer?: boolean;
  /** So many more deliveries after the first that was taken. */
  duplicateCallbacks?: number;
  /** The credential is sent only after a 401 with `WWW-Authenticate`. */
  authenticateWhenAsked?: boolean;
  /** Of Deepgram's 30 s between retries. Default 1/60: half a second. */
  retryScale?: number;
  /** How long the receiver may take. Default 10 s, as self-hosted Deepgram has it. */
  callbackTimeoutMs?: number;
}

/**
 * Plays Deepgram on 127.0.0.1 over real HTTP: takes `POST /v1/listen`, checks it as Deepgram does, answers with a request id and
 * delivers a body to the callback on Deepgram's schedule, scaled down. It does not listen to the audio. Uploads are hashed and forgotten.
 */
export class DeepgramStandIn {
  readonly requests: ListenRecord[] = [];
  readonly callbacks: CallbackAttempt[] = [];
  /** Requests whose body was not taken in all tries. */
  readonly lost: string[] = [];
  readonly options: DeepgramStandInOptions;
  private readonly server = new LoopbackServer((request, response) => this.handle(request, response));
  private readonly faults: Refusal[] = [];
  private readonly running = new Set<Promise<void>>();
  private readonly stopping = new AbortController();
  private held: { released: Promise<void>; release: () => void } | undefined;
  /** Ids of requests whose callback goes although others are held, and what lets one go that waits already. */
  private readonly freed = new Set<string>();
  private readonly waiting = new Map<string, () => void>();
  private callBody: Promise<JsonObject> | undefined;

  constructor(options: DeepgramStandInOptions = {}) {
    this.options = options;
  }

  /** @returns the base URL for `DEEPGRAM_BASE_URL` */
  async start(port = 0): Promise<string> {
    return this.server.start(port);
  }

  /** Ends the server, and every callback that waits or runs. */
  async stop(): Promise<void> {
    this.stopping.abort();
    this.release();
    await this.server.stop();
    await Promise.allSettled(this.running);
  }

  /**
   * The next request is answered so, after its body was read. Several calls queue up.
   * @param status an HTTP status, or `reset`: the connection is cut without an answer
   * @param body JSON, or text that is sent as it is; default Deepgram's own words for the status
   */
  failNext(status: number | 'reset', body?: unknown, headers: Record<string, string> = {}): void {
    this.faults.push({ ...refusal(status), ...(body === undefined ? {} : { body }), headers });
  }

  /** Keeps callbacks back until {@link release}. */
  holdCallbacks(): void {
    if (this.held) return;
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    this.held = { released, release };
  }

  /** @param requestId lets only the callback of this request go, and keeps the others */
  release(requestId?: string): void {
    if (requestId !== undefined) {
      this.freed.add(requestId);
      this.waiting.get(requestId)?.();
      return;
    }
    this.held?.release();
    this.held = undefined;
  }

  /** Resolves when every callback that was begun is taken or lost; never while they are held. */
  async settled(): Promise<void> {
    while (this.running.size > 0) await Promise.all(this.running);
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://stand-in');
    if (url.pathname !== '/v1/listen' || request.method !== 'POST') {
      request.resume();
      answerJson(response, 404, { err_code: 'NOT_FOUND', err_msg: 'Not found.' });
      return;
    }
    const listen = { record: newRecord(request, url.searchParams), query: url.searchParams };
    this.requests.push(listen.record);
    const head = await receive(request, listen.record);
    const refusal = this.faults.shift() ?? this.refusal(request, listen, head);
    if (refusal) refuse(response, listen.record, refusal);
    else await this.accept(response, listen);
  }

  private refusal(request: IncomingMessage, { record, query }: ListenRequest, head: string): Refusal | undefined {
    if (record.contentLength === undefined) return refusal(411, 'Length Required', 'Content-Length is missing.');
    if (!this.authenticated(request.headers.authorization)) return refusal(401);
    const fault = faultOf(query, { anyPort: this.options.anyPort ?? true });
    if (fault) return refusal(400, fault.code, fault.message);
    if (!isJson(record.contentType)) return record.bytes > 0 ? undefined : UNREADABLE_AUDIO;
    const remote = readRemoteAudio(head);
    if ('url' in remote) record.audioUrl = remote.url;
    return 'url' in remote ? undefined : remote;
  }

  private authenticated(authorization: string | undefined): boolean {
    const key = /^(?:Token|Bearer) (\S+)$/i.exec(authorization ?? '')?.[1];
    return key !== undefined && (this.options.apiKey === undefined || key === this.options.apiKey);
  }

  private async accept(response: ServerResponse, listen: ListenRequest): Promise<void> {
    listen.record.status = 200;
    const callback = listen.query.get('callback');
    if (callback === null) {
      const body = await this.bodyOf(listen);
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length }).end(body);
      return;
    }
    const delivered = this.track(async () => this.deliver(listen, callback));
    if (this.options.callbackBeforeAnswer) await delivered;
    answerJson(response, 200, { request_id: listen.record.requestId });
  }

  /** Keeps the work until it is done. Only {@link stop} makes it fail, and then nobody waits for it. */
  private async track(work: () => Promise<void>): Promise<void> {
    const done = work().catch(() => undefined);
    this.running.add(done);
    await done;
    this.running.delete(done);
  }

  private async deliver(listen: ListenRequest, callback: string): Promise<void> {
    const { signal } = this.stopping;
    const body = await this.bodyOf(listen);
    await sleep(this.options.callbackDelayMs ?? 0, undefined, { signal });
    await this.letGo(listen.record.requestId);
    const every = RETRY_EVERY_MS * (this.options.retryScale ?? 1 / 60);
    let due = 1 + (this.options.duplicateCallbacks ?? 0);
    let refused = 0;
    for (let attempt = 1; due > 0; attempt++) {
      if (await this.attempt(listen, callback, body, attempt)) {
        due--;
      } else if (++refused > RETRIES) {
        this.lost.push(listen.record.requestId);
        return;
      } else {
        await sleep(every, undefined, { signal });
      }
    }
  }

  private async letGo(requestId: string): Promise<void> {
    if (!this.held || this.freed.has(requestId)) return;
    const alone = new Promise<void>((resolve) => this.waiting.set(requestId, resolve));
    await Promise.race([this.held.released, alone]);
    this.waiting.delete(requestId);
  }

  private async attempt(listen: ListenRequest, callback: string, body: Buffer, attempt: number): Promise<boolean> {
    const delivered = await sendCallback({
      callback,
      method: (listen.query.get('callback_method') ?? 'POST').toUpperCase(),
      body,
      whenAsked: this.options.authenticateWhenAsked ?? false,
      timeoutMs: this.options.callbackTimeoutMs ?? 10_000,
      signal: this.stopping.signal,
    });
    this.stopping.signal.throwIfAborted();
    this.callbacks.push({ requestId: listen.record.requestId, attempt, ...delivered });
    return delivered.status !== undefined && delivered.status >= 200 && delivered.status <= 299;
  }

  private async bodyOf(listen: ListenRequest): Promise<Buffer> {
    const made = await (this.options.bodyFor?.(listen) ?? this.defaultBody(listen));
    if (Buffer.isBuffer(made)) return made;
    const { requestId, sha256, at } = listen.record;
    const created = new Date(at).toISOString();
    return Buffer.from(JSON.stringify(withMetadata(made, { requestId, created, sha256, query: listen.query })));
  }

  private async defaultBody({ record, query }: ListenRequest): Promise<JsonObject> {
    this.callBody ??= readCallBody();
    const bundled = await this.callBody;
    const metadata = bundled.metadata;
    const isBundled = isObject(metadata) && metadata.sha256 === record.sha256;
    return asAskedFor(isBundled ? bundled : genericBody(), query);
  }
}

function newRecord(request: IncomingMessage, query: URLSearchParams): ListenRecord {
  const length = request.headers['content-length'];
  return {
    requestId: randomUUID(),
    at: Date.now(),
    method: request.method ?? '',
    options: shownOptions(query),
    contentType: request.headers['content-type'],
    contentLength: length === undefined ? undefined : Number(length),
    bytes: 0,
    sha256: '',
    audioUrl: undefined,
    status: 0,
  };
}

/** Reads the body to its end, counting and hashing. @returns its text, when it is JSON */
async function receive(request: IncomingMessage, record: ListenRecord): Promise<string> {
  const hash = createHash('sha256');
  const kept: Buffer[] = [];
  const keep = isJson(record.contentType);
  for await (const piece of request) {
    const chunk = piece as Buffer;
    hash.update(chunk);
    record.bytes += chunk.length;
    if (keep && record.bytes <= MAX_JSON_BYTES) kept.push(chunk);
  }
  record.sha256 = hash.digest('hex');
  return Buffer.concat(kept).toString('utf8');
}

function isJson(contentType: string | undefined): boolean {
  return /^application\/json\b/i.test(contentType ?? '');
}

/** An error object without an id gets the request's. */
function refuse(response: ServerResponse, record: ListenRecord, { status, body, headers }: Refusal): void {
  if (status === 'reset') {
    response.destroy();
    return;
  }
  record.status = status;
  if (typeof body === 'string') response.writeHead(status, { 'content-type': 'text/plain', ...headers }).end(body);
  else answerJson(response, status, isObject(body) ? { request_id: record.requestId, ...body } : body, headers);
}
