import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import BetterSqlite3 from 'better-sqlite3';
import { readFixture } from '../test/fixtures/deepgram/index.js';
import { eventually, watchHealth } from '../test/support/faults.js';
import { basic, freePort, HOOK_PASSWORD } from '../test/support/server.js';
import { figure, scaled, SHORT } from './support/scale.js';

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const GENERATOR = fileURLToPath(new URL('./support/load-generator.mjs', import.meta.url));

const RATE = 200;
const SECONDS = scaled(600, 8);
const CONNECTIONS = 32;
/** Megabytes of resident memory. The short form ends in the middle of the warm-up. */
const MOST_MEMORY = scaled(300, 340);
/** What memory may grow from the first minute to the last. */
const GROWTH = 1.1;
const DRAIN_MS = 300_000;

interface Load {
  sent: number;
  acknowledged: number[];
  statuses: Record<string, number>;
  errors: number;
  p50: number;
  p99: number;
  max: number;
  seconds: number;
}

/** A callback of 30 kB, as it came from Deepgram, with places for the numbers of the generator. */
function callback(): string {
  const body = JSON.parse(readFixture('diarized.json').toString('utf8')) as { metadata: object };
  const extra = { email: 'u000000000000@clinic.example' };
  return JSON.stringify({ ...body, metadata: { ...body.metadata, request_id: 'REQUEST-ID-000000000000', extra } });
}

/** Resident memory in megabytes, and the seconds of processor time so far. */
async function usage(pid: number): Promise<{ rss: number; cpu: number }> {
  const [status, stat] = await Promise.all(['status', 'stat'].map((name) => readFile(`/proc/${pid}/${name}`, 'utf8')));
  const fields = stat?.split(') ')[1]?.split(' ') ?? [];
  return {
    rss: Number(/VmRSS:\s+(\d+) kB/.exec(status ?? '')?.[1]) / 1024,
    cpu: (Number(fields[11]) + Number(fields[12])) / 100,
  };
}

function mean(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

describe(`${RATE} callbacks a second of 30 kB, each with a mail, for ${SECONDS} seconds`, () => {
  let folder: string;
  let server: ChildProcess;
  let url: string;

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'herald-load-'));
    await writeFile(path.join(folder, 'callback.json'), callback());
    const port = String(await freePort());
    url = `http://127.0.0.1:${port}`;
    const log = openSync(path.join(folder, 'log'), 'w');
    // Mail is captured: what a mail server takes is not what is measured here.
    server = spawn(process.execPath, [MAIN], {
      env: {
        PATH: process.env.PATH ?? '',
        NODE_ENV: 'production',
        PORT: port,
        HERALD_DATA_DIR: path.join(folder, 'data'),
        HERALD_HOOK_PASSWORD: HOOK_PASSWORD,
        // As the README advises.
        MALLOC_ARENA_MAX: '2',
      },
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    await eventually('ready', () =>
      fetch(`${url}/readyz`).then(
        ({ ok }) => ok,
        () => false,
      ),
    );
  });

  afterAll(async () => {
    const ended = new Promise((resolve) => server.once('exit', resolve));
    server.kill('SIGTERM');
    await ended;
    await rm(folder, { recursive: true, force: true });
  });

  function load(): Promise<Load> {
    const options = {
      url: `${url}/hook`,
      rate: RATE,
      seconds: SECONDS,
      connections: CONNECTIONS,
      authorization: basic(HOOK_PASSWORD),
      body: path.join(folder, 'callback.json'),
    };
    const generator = spawn(process.execPath, [GENERATOR, JSON.stringify(options)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let text = '';
    generator.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
    return new Promise((resolve, reject) => {
      generator.once('exit', (code) => {
        if (code === 0) resolve(JSON.parse(text) as Load);
        else reject(new Error(`the generator ended with ${String(code)}`));
      });
    });
  }

  function left(): { pending: number; unsent: number; missing: (numbers: number[]) => number[] } {
    const database = new BetterSqlite3(path.join(folder, 'data', 'herald.sqlite'), { readonly: true });
    try {
      const count = (statement: string): number => Number(database.prepare(statement).pluck().get());
      const sent = new Set(
        database.prepare(`select recipient from deliveries where state in ('sent', 'delivered')`).pluck().all(),
      );
      return {
        pending: count(`select count(*) from callbacks where state = 'pending'`),
        unsent: count(`select count(*) from deliveries where state not in ('sent', 'delivered')`),
        missing: (numbers) => numbers.filter((n) => !sent.has(`u${String(n).padStart(12, '0')}@clinic.example`)),
      };
    } finally {
      database.close();
    }
  }

  it('is acknowledged in time, in a bounded memory, and every mail is sent once', async () => {
    const pid = server.pid ?? 0;
    const before = await usage(pid);
    const memory: number[] = [];
    const health = watchHealth(url, 100);
    const watching = setInterval(() => void usage(pid).then(({ rss }) => memory.push(rss)), 500);
    const result = await load();
    const began = performance.now();
    await eventually(
      'everything is sent',
      async () => {
        await sleep(500);
        const { pending, unsent } = left();
        return pending + unsent === 0;
      },
      DRAIN_MS,
    );
    const drained = (performance.now() - began) / 1000;
    clearInterval(watching);
    const longest = await health();
    const { cpu } = await usage(pid);
    const minute = Math.min(120, Math.floor(memory.length / 3));
    const first = mean(memory.slice(0, minute));
    const last = mean(memory.slice(-minute));
    const name = `load of ${RATE}/s for ${SECONDS} s`;
    figure(`${name}: acknowledged`, `${result.acknowledged.length} of ${result.sent}`);
    figure(`${name}: acknowledgement, median and p99`, `${result.p50.toFixed(1)} and ${result.p99.toFixed(1)} ms`);
    figure(`${name}: longest answer of health`, `${longest.toFixed(0)} ms`);
    figure(`${name}: processor time a callback`, `${(((cpu - before.cpu) / result.sent) * 1000).toFixed(2)} ms`);
    figure(`${name}: all sent after the last answer in`, `${drained.toFixed(1)} s`);
    figure(`${name}: most memory`, `${Math.max(...memory).toFixed(0)} MB`);
    figure(`${name}: memory, first and last ${minute / 2} s`, `${first.toFixed(0)} and ${last.toFixed(0)} MB`);
    expect([result.errors, result.statuses]).toEqual([0, { 200: result.sent }]);
    expect(left().missing(result.acknowledged)).toEqual([]);
    expect(Math.max(...memory)).toBeLessThan(MOST_MEMORY);
    // A minute tells nothing of the growth of hours, and a shared machine nothing of the time.
    if (SHORT) return;
    expect(last).toBeLessThan(first * GROWTH);
    expect(result.p99).toBeLessThan(250);
  });
});
