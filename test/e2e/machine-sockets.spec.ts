import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import BetterSqlite3 from 'better-sqlite3';
import { eventually, itNeeds } from '../support/faults.js';
import { basic, HOOK_PASSWORD, TestServer } from '../support/server.js';
import { PATIENCE_MS } from '../support/stage.js';

const body = (): string => JSON.stringify({ metadata: { request_id: randomUUID() } });

/** Sockets of clients that mean no good. */
const open = new Set<Socket>();

function dial(port: number, first = ''): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => {
      if (first !== '') socket.write(first);
      resolve(socket);
    });
    open.add(socket);
    socket.once('error', reject);
    socket.on('error', () => undefined);
    socket.on('close', () => open.delete(socket));
  });
}

/** As many side by side as the server can take in. */
async function dialAll(port: number, count: number, first = ''): Promise<Socket[]> {
  const sockets: Socket[] = [];
  while (sockets.length < count)
    sockets.push(
      ...(await Promise.all(Array.from({ length: Math.min(100, count - sockets.length) }, () => dial(port, first)))),
    );
  return sockets;
}

function hangUp(): void {
  for (const socket of open) socket.destroy();
}

afterEach(hangUp);

async function acknowledged(url: string): Promise<string | undefined> {
  const answer = await fetch(`${url}/hook`, {
    method: 'POST',
    body: body(),
    headers: { authorization: basic(HOOK_PASSWORD), 'content-type': 'application/json' },
    signal: AbortSignal.timeout(10_000),
  }).catch(() => undefined);
  const text = await answer?.text().catch(() => undefined);
  return answer?.status === 200 && text !== undefined ? (JSON.parse(text) as { callback: string }).callback : undefined;
}

describe('2,000 idle sockets, 100 slow headers and 100 slow bodies', () => {
  it(
    'callbacks are acknowledged in time beside them, and the slow ones are ended (I7)',
    async () => {
      const server = await TestServer.start();
      try {
        const port = Number(new URL(server.url).port);
        await dialAll(port, 2_000);
        const headers = await dialAll(port, 100, 'POST /hook HTTP/1.1\r\nHost: herald\r\n');
        const bodies = await dialAll(
          port,
          100,
          `POST /hook HTTP/1.1\r\nHost: herald\r\nAuthorization: ${basic(HOOK_PASSWORD)}\r\nContent-Length: 100000\r\n\r\n{`,
        );
        const drip = setInterval(() => {
          for (const socket of headers) if (socket.writable) socket.write('X-Slow: 1\r\n');
          for (const socket of bodies) if (socket.writable) socket.write('x');
        }, 1_000);
        let told = '';
        headers[0]?.on('data', (chunk: Buffer) => (told += chunk.toString()));
        const times: number[] = [];
        const began = performance.now();
        while (headers.some((socket) => !socket.destroyed)) {
          const started = performance.now();
          expect(await acknowledged(server.url)).toBeDefined();
          times.push(performance.now() - started);
          if (performance.now() - began > 40_000) throw new Error('slow headers are not ended');
          await sleep(20);
        }
        clearInterval(drip);
        times.sort((a, b) => a - b);
        const p99 = times[Math.floor(times.length * 0.99)] ?? Infinity;
        process.stdout.write(`slow clients: ${times.length} callbacks beside them, p99 ${p99.toFixed(0)} ms\n`);
        expect(p99).toBeLessThan(1_000);
        expect(told).toMatch(/^HTTP\/1\.1 408 /);
      } finally {
        hangUp();
        await server.stop();
      }
    },
    PATIENCE_MS,
  );
});

/** The limit of open files of a running process; the start itself needs more than the rest of its life. */
function limitFiles(pid: number, count: number): void {
  const { status, stderr } = spawnSync('prlimit', ['--pid', String(pid), `--nofile=${count}:${count}`]);
  if (status !== 0) throw new Error(`prlimit: ${String(stderr)}`);
}

const noLimit =
  spawnSync('prlimit', ['--version']).status === 0 ? undefined : 'prlimit sets the limit of open files (util-linux)';

describe('file descriptors that are used up', () => {
  itNeeds(noLimit)(
    'by 500 idle sockets: nothing acknowledged is lost, and callbacks are taken again when they are free (C19)',
    async () => {
      const server = await TestServer.start();
      try {
        const taken: string[] = [];
        const take = async (): Promise<boolean> => {
          const id = await acknowledged(server.url);
          if (id !== undefined) taken.push(id);
          return id !== undefined;
        };
        for (let i = 0; i < 5; i++) expect(await take()).toBe(true);
        limitFiles(server.pid, 128);
        const port = Number(new URL(server.url).port);
        await dialAll(port, 500).catch(() => undefined);
        // Those that have their connection already, and those that have to wait for one.
        await Promise.all(Array.from({ length: 10 }, take));
        const before = taken.length;
        hangUp();
        await eventually('callbacks are taken again', take);
        for (let i = 0; i < 5; i++) expect(await take()).toBe(true);
        process.stdout.write(`no files left: ${before - 5} of 10 taken meanwhile\n`);
        expect(await server.end()).toBe(0);
        const database = new BetterSqlite3(path.join(server.dataDir, 'herald.sqlite'), { readonly: true });
        const stored = new Set(database.prepare('select id from callbacks').pluck().all());
        database.close();
        expect(taken.filter((id) => !stored.has(id))).toEqual([]);
        expect(server.log).not.toMatch(/uncaught|unhandled|"code":"INTERNAL"/i);
      } finally {
        hangUp();
        await server.stop();
      }
    },
    PATIENCE_MS,
  );
});
