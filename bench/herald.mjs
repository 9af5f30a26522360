// The built server as a child process over a fresh directory, for benchmarks.
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));
export const HOOK_PASSWORD = 'hook-password-of-the-bench';
export const ADMIN_KEY = 'admin-key-of-the-bench-0123456789';

/** @returns the running server with the milliseconds from spawn to ready */
export async function startHerald(env = {}) {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'herald-bench-'));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const started = performance.now();
  const child = spawn(process.execPath, [MAIN], {
    env: {
      PATH: process.env.PATH,
      PORT: String(port),
      HERALD_DATA_DIR: dataDir,
      HERALD_PUBLIC_URL: url,
      HERALD_ADMIN_KEY: ADMIN_KEY,
      HERALD_HOOK_PASSWORD: HOOK_PASSWORD,
      // Not Deepgram's own: no warnings about an address that it could not call.
      DEEPGRAM_BASE_URL: 'http://127.0.0.1:1',
      HERALD_LOG_LEVEL: 'warn',
      ...env,
    },
    stdio: ['ignore', 'inherit', 'ignore'],
  });
  for (;;) {
    if (child.exitCode !== null) throw new Error(`Herald ended with ${child.exitCode}`);
    const ready = await fetch(`${url}/readyz`).then(
      (response) => response.ok,
      () => false,
    );
    if (ready) break;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const readyMs = performance.now() - started;
  return {
    url,
    readyMs,
    dataDir,
    async rssMb() {
      const status = await readFile(`/proc/${child.pid}/status`, 'utf8');
      return Number(/VmRSS:\s+(\d+)/.exec(status)[1]) / 1024;
    },
    /** Seconds of processor time, of all threads. */
    async cpuSeconds() {
      const [, ...fields] = (await readFile(`/proc/${child.pid}/stat`, 'utf8')).split(') ');
      const [user, system] = fields.join(') ').split(' ').slice(11, 13).map(Number);
      return (user + system) / 100;
    },
    async get(route) {
      const response = await fetch(url + route, { headers: { authorization: `Bearer ${ADMIN_KEY}` } });
      return response.headers.get('content-type')?.includes('json') ? response.json() : response.text();
    },
    async stop() {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await ended;
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/**
 * A Deepgram-shaped body of about `bytes`, compact as on the wire, with a request id and tags of its own.
 * @returns a function of a number that gives the body as a buffer
 */
export function bodies(bytes, extra) {
  const words = [];
  const text = [];
  const body = () =>
    JSON.stringify({
      metadata: {
        request_id: 'REQUEST-ID-000000000000',
        sha256: 'a'.repeat(64),
        created: '2026-11-01T09:00:00.000Z',
        duration: words.length * 0.4,
        channels: 1,
        models: ['m'],
        model_info: { m: { name: 'general-nova-3', version: '2026-01-01.0', arch: 'nova-3' } },
        extra,
      },
      results: { channels: [{ alternatives: [{ transcript: text.join(' '), confidence: 0.98, words }] }] },
    });
  for (let i = 0; body().length < bytes; i++) {
    const word = ['hello', 'the', 'parcel', 'arrives', 'on', 'friday', 'morning', 'with', 'papers', 'inside'][i % 10];
    text.push(word);
    const start = Math.round(i * 40) / 100;
    words.push({
      word,
      start,
      end: start + 0.3,
      confidence: 0.9876543,
      punctuated_word: word,
      speaker: i % 40 < 20 ? 0 : 1,
      speaker_confidence: 0.87654,
    });
  }
  const whole = body();
  const at = whole.indexOf('REQUEST-ID-');
  return (n) => {
    const buffer = Buffer.from(whole);
    buffer.write(`REQUEST-ID-${String(n).padStart(12, '0')}`, at);
    return buffer;
  };
}

export function basic(password = HOOK_PASSWORD) {
  return `Basic ${Buffer.from(`herald:${password}`).toString('base64')}`;
}

export function quantile(sorted, q) {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))];
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
