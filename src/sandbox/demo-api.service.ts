import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isObject } from '../json.js';

const FIRST_POLL_MS = 10;
const LAST_POLL_MS = 500;

/** Herald's own API, over HTTP, as anybody uses it. */
export class DemoApi {
  constructor(
    private readonly baseUrl: string,
    private readonly key: string,
    private readonly signal: AbortSignal,
  ) {}

  async get<T>(path: string): Promise<T> {
    return this.request<T>(path, { method: 'GET' });
  }

  async post<T>(path: string, body: unknown): Promise<T> {
    const headers = { 'content-type': 'application/json' };
    return this.request<T>(path, { method: 'POST', headers, body: JSON.stringify(body) });
  }

  /** Sends a file as multipart: the `request` part, then the audio. */
  async upload<T>(path: string, request: unknown, file: string, contentType: string): Promise<T> {
    const form = new FormData();
    form.append('request', new Blob([JSON.stringify(request)], { type: 'application/json' }), 'request.json');
    form.append('audio', new Blob([await readFile(file)], { type: contentType }), basename(file));
    return this.request<T>(path, { method: 'POST', body: form });
  }

  /** Reads the path again and again until the answer is as wanted; rejects after `timeoutMs`. */
  async until<T>(path: string, wanted: (answer: T) => boolean, timeoutMs: number): Promise<T> {
    const deadline = Date.now() + timeoutMs;
    for (let pause = FIRST_POLL_MS; ; pause = Math.min(pause * 1.2, LAST_POLL_MS)) {
      const answer = await this.get<T>(path);
      if (wanted(answer)) return answer;
      if (Date.now() > deadline) throw new Error(`Nothing more happened within ${String(timeoutMs / 1000)} s.`);
      await sleep(pause, undefined, { signal: this.signal });
    }
  }

  private async request<T>(path: string, init: RequestInit): Promise<T> {
    const headers = { ...(init.headers as Record<string, string> | undefined), authorization: `Bearer ${this.key}` };
    // A signal of its own for each request: listeners would pile up on a shared one.
    const signal = AbortSignal.any([this.signal]);
    const answer = await fetch(this.baseUrl + path, { ...init, headers, signal });
    const body: unknown = await answer.json().catch(() => undefined);
    if (!answer.ok) {
      throw new Error(`${init.method ?? ''} ${path} answered ${String(answer.status)}: ${problemText(body)}`);
    }
    return body as T;
  }
}

/** The sentences of a problem+json. */
function problemText(body: unknown): string {
  if (!isObject(body)) return 'no explanation';
  const errors = Array.isArray(body.errors) ? body.errors.filter(isObject) : [];
  return [
    String(body.detail ?? body.title),
    ...errors.map((error) => `${String(error.pointer)}: ${String(error.message)}`),
  ].join('\n');
}
