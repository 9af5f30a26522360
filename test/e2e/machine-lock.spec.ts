import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually, watchHealth } from '../support/faults.js';
import { TestServer } from '../support/server.js';
import { PATIENCE_MS } from '../support/stage.js';

const body = (): string => JSON.stringify({ metadata: { request_id: randomUUID() } });

/** Holds the database as another program would: `begin exclusive`. @returns what lets go of it */
async function lock(file: string): Promise<() => Promise<void>> {
  const worker = new Worker(
    `const { parentPort, workerData } = require('node:worker_threads');
     const database = require('better-sqlite3')(workerData, { timeout: 5000 });
     database.exec('begin exclusive');
     parentPort.postMessage('held');
     parentPort.once('message', () => { database.exec('rollback'); database.close(); });`,
    { eval: true, workerData: file },
  );
  await new Promise<void>((resolve, reject) => worker.once('message', () => resolve()).once('error', reject));
  return async () => {
    const gone = new Promise((resolve) => worker.once('exit', resolve));
    worker.postMessage('let go');
    await gone;
  };
}

describe('a database that another process holds locked', () => {
  let server: TestServer;
  let file: string;
  beforeAll(async () => {
    server = await TestServer.start();
    file = path.join(server.dataDir, 'herald.sqlite');
    // Everything is loaded and warm: what is measured is the lock.
    for (let i = 0; i < 20; i++) await server.hook(randomUUID(), body());
  }, PATIENCE_MS);
  afterAll(() => server.stop(), PATIENCE_MS);

  it.each([100, 1_500])(
    'for %s ms: the callback waits and is then acknowledged (C14)',
    async (ms) => {
      const release = await lock(file);
      const answers = Array.from({ length: 8 }, () => server.hook(randomUUID(), body()));
      await new Promise((resolve) => setTimeout(resolve, ms));
      const early = await Promise.race([Promise.all(answers).then(() => true), Promise.resolve(false)]);
      expect(early).toBe(false);
      await release();
      expect((await Promise.all(answers)).map(({ status }) => status)).toEqual(Array(8).fill(200));
    },
    PATIENCE_MS,
  );

  it(
    'for longer: 503 with Retry-After everywhere that writes, reads go on, and the event loop never stands still (C14)',
    async () => {
      const release = await lock(file);
      const ended = watchHealth(server.url);
      try {
        const contact = { name: 'dana', email: 'dana@clinic.example' };
        const [callbacks, made, list] = await Promise.all([
          Promise.all(Array.from({ length: 8 }, () => server.hook(randomUUID(), body()))),
          server.api<{ code: string }>('POST', '/v1/contacts', contact),
          server.get('/v1/jobs'),
        ]);
        for (const { status, headers } of callbacks)
          expect([status, Number(headers.get('retry-after')) > 0]).toEqual([503, true]);
        expect([made.status, made.body.code]).toEqual([503, 'STORAGE_UNAVAILABLE']);
        expect(list.status).toBe(200);
        // Whoever comes late waits no less, and no more for those before it.
        const started = performance.now();
        expect((await server.hook(randomUUID(), body())).status).toBe(503);
        expect(performance.now() - started).toBeGreaterThan(4_000);
        expect((await fetch(`${server.url}/readyz`)).status).toBe(503);
      } finally {
        await release();
      }
      const longest = await ended();
      process.stdout.write(`locked: health at most ${longest.toFixed(0)} ms\n`);
      await eventually('ready again', async () => (await fetch(`${server.url}/readyz`)).ok);
      expect((await server.hook(randomUUID(), body())).status).toBe(200);
      expect(server.log).not.toContain('"code":"INTERNAL"');
      // 250 ms on a machine of one's own; the driver's own wait would be seconds.
      expect(longest).toBeLessThan(1_500);
    },
    PATIENCE_MS,
  );
});
