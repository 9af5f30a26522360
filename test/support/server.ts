import { spawn, type ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { hookPassword } from '../../src/callbacks/hook-credential.js';

const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

export const ADMIN_KEY = 'admin-key-of-the-tests-0123456789';
export const SECRET = 'secret-of-the-tests-0123456789-0123456789';
export const HOOK_PASSWORD = 'hook-password-of-the-tests';

/** Each wait ends before a test's own patience does, so that what fails is named. */
const START_MS = 50_000;
const ANSWER_MS = 40_000;
const END_MS = 20_000;

export interface Answer<T = Record<string, unknown>> {
  status: number;
  headers: Headers;
  body: T;
}

/** The built server as a process of its own, over a fresh directory: what a user runs. */
export class TestServer {
  private constructor(
    readonly url: string,
    readonly dataDir: string,
    private env: Record<string, string>,
    private child: ChildProcess,
    private readonly output: string[],
  ) {}

  static async start(env: Record<string, string> = {}): Promise<TestServer> {
    const dataDir = await mkdtemp(path.join(tmpdir(), 'herald-test-'));
    const port = await freePort();
    const url = `http://127.0.0.1:${String(port)}`;
    const whole = {
      PORT: String(port),
      HERALD_DATA_DIR: dataDir,
      HERALD_PUBLIC_URL: url,
      HERALD_SECRET: SECRET,
      HERALD_ADMIN_KEY: ADMIN_KEY,
      HERALD_HOOK_PASSWORD: HOOK_PASSWORD,
      ...env,
    };
    const output: string[] = [];
    return new TestServer(url, dataDir, whole, await launch(url, whole, output), output);
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Everything that it wrote so far, both streams. */
  get log(): string {
    return this.output.join('');
  }

  /** Ends it as an operator would, and keeps its data. @returns the exit code */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return this.child.exitCode;
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => {
        this.child.kill('SIGKILL');
        reject(new Error(`Herald did not end within ${String(END_MS)} ms of ${signal}: ${this.log.slice(-2_000)}`));
      }, END_MS);
      this.child.once('exit', (code) => {
        clearTimeout(late);
        resolve(code);
      });
      this.child.kill(signal);
    });
  }

  /** Starts it again on the same data. */
  async restart(env: Record<string, string> = {}): Promise<void> {
    await this.end();
    this.env = { ...this.env, ...env };
    this.child = await launch(this.url, this.env, this.output);
  }

  async stop(): Promise<void> {
    await this.end();
    await rm(this.dataDir, { recursive: true, force: true });
  }

  /** A request with the admin key; JSON both ways unless `init` says otherwise. */

  async api<T = Record<string, unknown>>(
    method: string,
    route: string,
    body?: unknown,
    init: RequestInit = {},
  ): Promise<Answer<T>> {
    const response = await fetch(`${this.url}${route}`, {
      method,
      signal: AbortSignal.timeout(ANSWER_MS),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...init,
      headers: {
        authorization: `Bearer ${ADMIN_KEY}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(init.headers as Record<string, string> | undefined),
      },
    }).catch((error: unknown) => {
      const { exitCode, signalCode } = this.child;
      if (exitCode === null && signalCode === null) throw error;
      throw new Error(`Herald has ended with ${String(signalCode ?? exitCode)}: ${this.log.slice(-2_000)}`, {
        cause: error,
      });
    });
    const text = await response.text();
    const json = (response.headers.get('content-type') ?? '').includes('json');
    return { status: response.status, headers: response.headers, body: (json ? JSON.parse(text) : text) as T };
  }

  get<T = Record<string, unknown>>(route: string): Promise<Answer<T>> {
    return this.api<T>('GET', route);
  }

  /** Posts a callback as Deepgram does. */
  async hook(
    jobId: string,
    body: string | Uint8Array,
    init: { method?: string; headers?: Record<string, string> } = {},
  ) {
    const password = hookPassword(jobId, SECRET);
    const response = await fetch(`${this.url}/hook/${jobId}`, {
      method: init.method ?? 'POST',
      signal: AbortSignal.timeout(ANSWER_MS),
      body,
      headers: { authorization: basic(password), 'content-type': 'application/json', ...init.headers },
    });
    return { status: response.status, headers: response.headers, text: await response.text() };
  }

  /** Reads a route until `done` has something; fails after `timeoutMs` with what it saw last. */
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- what the caller expects of the answer
  async until<T, R>(route: string, done: (body: T) => R | undefined | false, timeoutMs = 30_000): Promise<R> {
    const started = Date.now();
    const deadline = started + timeoutMs;
    for (;;) {
      const answer = await this.get<T>(route);
      const found = done(answer.body);
      if (found) return found;
      if (Date.now() > deadline)
        throw new Error(`${route} never came to it: ${JSON.stringify(answer.body).slice(0, 10_000)}`);
      // Who asks all the time slows down what it waits for. No state that is waited for is over within a tenth of a second.
      const pause = Math.min(100, Math.max(20, (Date.now() - started) / 10));
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }

  /** Resident memory in MiB. */
  async rss(): Promise<number> {
    const status = await readFile(`/proc/${String(this.pid)}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) / 1024;
  }
}

export function basic(password: string, user = 'herald'): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}

/**
 * A server takes seconds until it listens, and nobody else may take its port meanwhile: so it is none of those that the system hands out (32768 and
 * up), and each of Jest's workers has a thousand of its own.
 */
export async function freePort(): Promise<number> {
  const first = 10_000 + 1_000 * (Number(process.env.JEST_WORKER_ID ?? 0) % 20);
  for (let tries = 0; tries < 100; tries++) {
    const port = first + randomInt(1_000);
    if (await isFree(port)) return port;
  }
  throw new Error('no port');
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => {
      resolve(false);
    });
    server.listen(port, '127.0.0.1', () => {
      server.close(() => {
        resolve(true);
      });
    });
  });
}

async function launch(url: string, env: Record<string, string>, output: string[]): Promise<ChildProcess> {
  const child = spawn(process.execPath, [MAIN], {
    env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', NODE_ENV: 'production', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => output.push(chunk.toString()));
  const deadline = Date.now() + START_MS;
  for (;;) {
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`Herald ended with ${String(child.exitCode)}: ${output.join('')}`);
    const ready = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(5_000) }).then(
      (response) => response.ok,
      () => false,
    );
    if (ready) return child;
    if (Date.now() > deadline) {
      child.kill('SIGKILL');
      throw new Error(`Herald was not ready in ${String(START_MS)} ms: ${output.join('')}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
