import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ByteReader } from '../../byte-reader.js';
import { NotFoundError, ProviderRejectedError, ProviderUnavailableError } from '../../errors.js';
import { MINUTE, HOUR, SECOND } from '../../duration.js';
import { isObject, parseJson } from '../../json.js';
import { threadFile } from '../../thread-file.js';
import type { AudioSource, CallbackResult, ParserModule, SubmitRequest, TranscriptionProvider } from '../provider.js';
import { classifySubmit } from './deepgram-errors.js';
import { toQuery } from './deepgram-options.js';
import { parseDeepgramCallback } from './deepgram-payload.js';

export interface DeepgramSettings {
  apiKey?: string;
  /** `https://api.deepgram.com`, a regional host, or a self-hosted one; may end in a path. */
  baseUrl: string;
  /** No byte of the upload goes out for so long: given up. Also the time to connect. */
  stallTimeoutMs?: number;
  /** From the last byte sent to the end of the answer. */
  answerTimeoutMs?: number;
  /** The whole of one submit, upload included. */
  totalTimeoutMs?: number;
}

/** An acknowledgement has 60 bytes, an error a few hundred; nothing honest is longer. */
const MAX_ANSWER_BYTES = 64 * 1024;

/**
 * Submits over plain HTTP. Not with Deepgram's own client: it limits the whole upload to 60 s, hides a 429 behind its retry of a used
 * stream, and logs the callback's password. Not with `fetch` either: it keeps a copy of the body for a redirect, so that a 600 MB upload
 * held 600 MB of memory. One call is one try; whoever calls decides on the next.
 */
export class DeepgramProvider implements TranscriptionProvider {
  readonly name = 'deepgram';
  readonly parser: ParserModule = {
    url: threadFile(import.meta.url, './deepgram-payload.js').href,
    name: parseDeepgramCallback.name,
  };
  private readonly settings: Required<Omit<DeepgramSettings, 'apiKey'>>;
  private readonly apiKey: string | undefined;

  constructor({ apiKey, ...settings }: DeepgramSettings) {
    this.apiKey = apiKey === '' ? undefined : apiKey;
    this.settings = { stallTimeoutMs: MINUTE, answerTimeoutMs: 90 * SECOND, totalTimeoutMs: 6 * HOUR, ...settings };
  }

  get configured(): boolean {
    return this.apiKey !== undefined;
  }

  parseCallback(bytes: Uint8Array): CallbackResult {
    return parseDeepgramCallback(bytes);
  }

  async submit(request: SubmitRequest, signal: AbortSignal): Promise<{ requestId: string }> {
    if (this.apiKey === undefined)
      throw unavailable('NOT_CONFIGURED', 'No Deepgram key is configured: set DEEPGRAM_API_KEY.');
    const watch = new Watch(this.settings, signal);
    let audio: OpenAudio | undefined;
    try {
      audio = await openAudio(request.audio);
      const headers = { ...audio.headers, authorization: `Token ${this.apiKey}`, accept: 'application/json' };
      const response = await post(this.endpoint(request), headers, audio.body(watch), watch.signal);
      return readAnswer(response, await readCapped(response), secretsOf(request, this.apiKey));
    } catch (error) {
      throw audio?.fault() ?? watch.fault() ?? networkFault(error);
    } finally {
      watch.close();
      audio?.close();
    }
  }

  private endpoint({ options, callbackUrl }: SubmitRequest): string {
    const query = toQuery(options);
    query.set('callback', callbackUrl);
    return `${this.settings.baseUrl.replace(/\/+$/, '')}/v1/listen?${query.toString()}`;
  }
}

// ---- time ----

/** Ends a submit that stalls, takes too long, or is not wanted any more, and remembers which of them it was. */
class Watch {
  private readonly controller = new AbortController();
  private readonly total: NodeJS.Timeout;
  private step: NodeJS.Timeout;
  private reason: ProviderUnavailableError | undefined;
  private readonly onAbort = (): void => {
    this.end('ABORTED', 'The submit was broken off.');
  };

  constructor(
    private readonly settings: Required<Omit<DeepgramSettings, 'apiKey'>>,
    private readonly outer: AbortSignal,
  ) {
    this.total = setTimeout(() => {
      this.end('SUBMIT_TIMEOUT', 'The submit took too long.');
    }, settings.totalTimeoutMs);
    this.step = this.stall();
    if (outer.aborted) this.onAbort();
    else outer.addEventListener('abort', this.onAbort, { once: true });
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** A part of the audio went out. */
  progress(): void {
    clearTimeout(this.step);
    this.step = this.stall();
  }

  /** All is sent; from here a slow answer gets no more time, however it drips. */
  sent(): void {
    clearTimeout(this.step);
    this.step = setTimeout(() => {
      this.end('ANSWER_TIMEOUT', 'Deepgram did not answer in time; it may have taken the job.');
    }, this.settings.answerTimeoutMs);
  }

  fault(): ProviderUnavailableError | undefined {
    return this.reason;
  }

  /** Also lets go of the connection when an answer was not read to its end. */
  close(): void {
    clearTimeout(this.total);
    clearTimeout(this.step);
    this.outer.removeEventListener('abort', this.onAbort);
    this.controller.abort();
  }

  private stall(): NodeJS.Timeout {
    return setTimeout(() => {
      this.end('UPLOAD_STALLED', 'Deepgram took no more of the audio.');
    }, this.settings.stallTimeoutMs);
  }

  private end(code: string, message: string): void {
    this.reason ??= unavailable(code, message);
    this.controller.abort();
  }
}

// ---- audio ----

interface OpenAudio {
  headers: Record<string, string>;
  body(watch: Watch): string | AsyncIterable<Uint8Array>;
  /** What went wrong with the audio itself, on our side. */
  fault(): ProviderRejectedError | ProviderUnavailableError | undefined;
  close(): void;
}

async function openAudio(audio: AudioSource): Promise<OpenAudio> {
  if (audio.kind === 'url') return urlAudio(audio.url);
  try {
    return uploadAudio(audio, await audio.open());
  } catch (error) {
    throw audioFault(error);
  }
}

function urlAudio(url: string): OpenAudio {
  const body = (watch: Watch): string => {
    watch.sent();
    return JSON.stringify({ url });
  };
  return { headers: { 'content-type': 'application/json' }, body, fault: () => undefined, close: () => undefined };
}

/** Content-Length always: without it Deepgram answers 411, or quietly transcribes only the beginning. */
function uploadAudio({ bytes, contentType }: { bytes: number; contentType: string }, audio: ByteReader): OpenAudio {
  let fault: ProviderRejectedError | ProviderUnavailableError | undefined;
  async function* body(watch: Watch): AsyncGenerator<Uint8Array> {
    let sent = 0;
    try {
      for await (const chunk of audio) {
        sent += chunk.byteLength;
        if (sent > bytes) break;
        yield chunk;
        watch.progress();
      }
    } catch (error) {
      fault = audioFault(error);
      throw error;
    }
    if (sent !== bytes) {
      fault = new ProviderRejectedError(
        `The stored audio does not have the ${String(bytes)} bytes that were noted when it was stored; submit it again.`,
        { providerCode: 'AUDIO_LENGTH' },
      );
      throw fault;
    }
    watch.sent();
  }
  return {
    headers: { 'content-type': contentType, 'content-length': String(bytes) },
    body,
    fault: () => fault,
    close: () => {
      // a stream that is broken off may still raise its own error, with nobody left to hear it
      if (audio instanceof Readable) audio.on('error', () => undefined);
      audio.destroy();
    },
  };
}

function audioFault(error: unknown): ProviderRejectedError | ProviderUnavailableError {
  const code = errorCode(error);
  if (error instanceof NotFoundError || code === 'ENOENT') {
    return new ProviderRejectedError('The audio is no longer stored; submit it again.', {
      providerCode: 'AUDIO_MISSING',
    });
  }
  return unavailable('AUDIO_UNREADABLE', `The stored audio could not be read (${code ?? 'no code'}).`);
}

// ---- request and answer ----

/** Resolves with the answer's head, which may come before all of the body is sent. Redirects are answers like others. */
function post(
  url: string,
  headers: Record<string, string>,
  body: string | AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const send = url.startsWith('http:') ? httpRequest : httpsRequest;
    // a connection of its own: one kept alive may be closed by the other side just now, and an upload cannot be repeated here
    const request = send(url, { method: 'POST', headers, signal, agent: false });
    request.on('error', reject);
    request.on('response', (response) => {
      response.on('error', () => undefined);
      resolve(response);
    });
    if (typeof body === 'string') request.end(body);
    else pipeline(body, pieceByPiece(request), { signal }).catch(reject);
  });
}

/** Asks for a piece of the audio when the one before is with the operating system: its bytes are good only until then. */
function pieceByPiece(request: ClientRequest): Writable {
  return new Writable({
    highWaterMark: 1,
    write(piece: Uint8Array, _encoding, done) {
      request.write(piece, done);
    },
    final(done) {
      request.end(done);
    },
    destroy(error, done) {
      if (error) request.destroy(error);
      done(error);
    },
  });
}

function readAnswer(response: IncomingMessage, text: string, secrets: readonly string[]): { requestId: string } {
  const status = response.statusCode ?? 0;
  const safe = secrets.reduce((rest, secret) => rest.replaceAll(secret, '…'), text);
  if (status < 200 || status > 299) throw classifySubmit(status, safe, response.headers['retry-after'], Date.now());
  const requestId = acknowledgedId(text);
  if (requestId !== undefined) return { requestId };
  throw new ProviderUnavailableError('The answer holds no request id: this is not how Deepgram takes a job.', {
    providerCode: 'NO_REQUEST_ID',
    httpStatus: status,
    // each try may be transcribed and charged
    maxAttempts: 2,
  });
}

function acknowledgedId(text: string): string | undefined {
  try {
    const body = parseJson(text);
    const id = isObject(body) ? body.request_id : undefined;
    return typeof id === 'string' && id !== '' && id.length <= 200 ? id : undefined;
  } catch {
    return undefined;
  }
}

/** The first 64 kB of an answer. */
async function readCapped(response: IncomingMessage): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Uint8Array>) {
    chunks.push(chunk);
    bytes += chunk.byteLength;
    if (bytes >= MAX_ANSWER_BYTES) break;
  }
  return Buffer.concat(chunks).subarray(0, MAX_ANSWER_BYTES).toString('utf8');
}

/** What a vendor may quote from the request, in the forms in which it stood there. */
function secretsOf({ callbackUrl }: SubmitRequest, apiKey: string): string[] {
  const password = URL.canParse(callbackUrl) ? new URL(callbackUrl).password : '';
  const plain = [apiKey, callbackUrl, password];
  return [...plain, ...plain.map(encodeURIComponent)].filter((secret) => secret.length >= 4);
}

// ---- faults ----

function networkFault(error: unknown): ProviderRejectedError | ProviderUnavailableError {
  if (error instanceof ProviderRejectedError || error instanceof ProviderUnavailableError) return error;
  const code = errorCode(error) ?? 'NETWORK';
  // the error itself is not passed on: its text may hold the URL
  return unavailable(code, `Deepgram could not be reached (${code}).`);
}

/** `ECONNREFUSED` and the like, from the error or what caused it. */
function errorCode(error: unknown): string | undefined {
  for (let at = error, depth = 0; isObject(at) && depth < 5; at = at.cause, depth++) {
    if (typeof at.code === 'string' && /^[A-Z][A-Z0-9_]{1,60}$/.test(at.code)) return at.code;
  }
  return undefined;
}

function unavailable(providerCode: string, message: string): ProviderUnavailableError {
  return new ProviderUnavailableError(message, { providerCode });
}
