import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { cp, mkdtemp, open, readdir, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import BetterSqlite3 from 'better-sqlite3';
import { eventually, itNeeds, noSmallDisk, noStrace, runServer, SmallDisk } from '../support/faults.js';
import { ADMIN_KEY, HOOK_PASSWORD, SECRET, TestServer } from '../support/server.js';
import { PATIENCE_MS } from '../support/stage.js';

const MIB = 1024 * 1024;
const body = (bytes: number): string =>
  JSON.stringify({ metadata: { request_id: randomUUID() }, pad: 'x'.repeat(bytes) });

interface Problem {
  code: string;
  detail: string;
}

async function readiness(url: string): Promise<{ status: number; reasons: string[] }> {
  const answer = await fetch(`${url}/readyz`);
  return { status: answer.status, reasons: ((await answer.json()) as { reasons: string[] }).reasons };
}

/** Why it is not ready; undefined when it is. The answer of the database stands for some seconds. */
function refusing({ status, reasons }: { status: number; reasons: string[] }): string[] | undefined {
  return status === 503 ? reasons : undefined;
}

function stored(file: string): { ids: Set<string>; integrity: unknown } {
  const database = new BetterSqlite3(file, { readonly: true });
  try {
    const ids = database.prepare('select id from callbacks').pluck().all().map(String);
    return { ids: new Set(ids), integrity: database.pragma('integrity_check', { simple: true }) };
  } finally {
    database.close();
  }
}

describe('a full disk', () => {
  itNeeds(noSmallDisk)(
    'is answered with 503 and Retry-After, never with an acknowledgement, and is over when there is room again (C12)',
    async () => {
      const disk = await SmallDisk.mount(24);
      const server = await TestServer.start({
        HERALD_DATA_DIR: disk.folder,
        DEEPGRAM_API_KEY: 'deepgram-key-of-the-tests',
        DEEPGRAM_BASE_URL: 'http://127.0.0.1:9',
      });
      const file = path.join(disk.folder, 'herald.sqlite');
      const ballast = path.join(disk.folder, 'ballast');
      const acknowledged: string[] = [];
      const post = async (bytes: number): Promise<number> => {
        const { status, text, headers } = await server.hook(randomUUID(), body(bytes));
        if (status === 200) acknowledged.push((JSON.parse(text) as { callback: string }).callback);
        else expect([status, Number(headers.get('retry-after')) > 0]).toEqual([503, true]);
        return status;
      };
      try {
        expect(await post(1000)).toBe(200);
        // Fills what is left: the write itself fails.
        await writeFile(ballast, Buffer.alloc(64 * MIB)).catch(() => undefined);
        const { pid } = server;
        let refused = 0;
        for (let i = 0; i < 60; i++) if ((await post(30_000)) === 503) refused++;
        expect(refused).toBeGreaterThan(30);
        expect(await post(3 * MIB)).toBe(503);
        const upload = await server.api<Problem>('POST', '/v1/jobs?model=nova-3', undefined, {
          body: Buffer.alloc(3 * MIB),
          headers: { 'content-type': 'audio/wav' },
        });
        expect([upload.status, upload.body.code]).toEqual([503, 'STORAGE_UNAVAILABLE']);
        expect(upload.headers.get('content-type')).toContain('problem+json');
        const contact = await server.api<Problem>('POST', '/v1/contacts', {
          name: 'dana',
          email: 'dana@clinic.example',
        });
        expect([contact.status, contact.body.code]).toEqual([503, 'STORAGE_UNAVAILABLE']);
        expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
        const full = await eventually('not ready', async () => refusing(await readiness(server.url)));
        expect(full.join()).toMatch(/cannot be written|disk.*full/);

        await rm(ballast);
        await eventually('ready again', async () => (await readiness(server.url)).status === 200);
        expect(await post(30_000)).toBe(200);
        expect(await post(3 * MIB)).toBe(200);
        expect(server.pid).toBe(pid);
        await server.end();
        const { ids, integrity } = stored(file);
        expect(integrity).toBe('ok');
        expect(acknowledged.filter((id) => !ids.has(id))).toEqual([]);
        const blobs = await readdir(path.join(disk.folder, 'blobs'));
        expect(blobs.filter((name) => !name.startsWith('callback-') || name.endsWith('.part'))).toEqual([]);
        expect(blobs).toHaveLength(1);
      } finally {
        await server.stop();
        await disk.unmount();
      }
    },
    PATIENCE_MS,
  );
});

describe('a sync that fails', () => {
  itNeeds(noStrace).each(['EIO', 'ENOSPC'])(
    'with %s is not acknowledged, ends the process, and the next start finds out what is there (C13)',
    async (error) => {
      const server = await TestServer.start();
      const acknowledged: string[] = [];
      try {
        for (let i = 0; i < 5; i++) {
          const { text } = await server.hook(randomUUID(), body(1000));
          acknowledged.push((JSON.parse(text) as { callback: string }).callback);
        }
        const inject = `inject=fsync,fdatasync:error=${error}`;
        const strace = spawn('strace', ['-f', '-o', '/dev/null', '-e', inject, '-p', String(server.pid)], {
          stdio: ['ignore', 'ignore', 'pipe'],
        });
        await new Promise<void>((resolve, reject) => {
          strace.stderr.on('data', (chunk: Buffer) => chunk.toString().includes('attached') && resolve());
          strace.once('exit', () => reject(new Error('strace could not attach')));
        });
        const ended = new Promise((resolve) => strace.once('exit', resolve));
        const answers = await Promise.all(
          Array.from({ length: 5 }, () =>
            server.hook(randomUUID(), body(1000)).then(
              ({ status }) => status,
              () => 0,
            ),
          ),
        );
        expect(answers.filter((status) => status !== 503 && status !== 0)).toEqual([]);
        await ended;
        expect(await server.end()).toBe(1);
        expect(server.log).toMatch(/"event":"database\.lost"/);
        await server.restart();
        expect((await server.hook(randomUUID(), body(1000))).status).toBe(200);
        await server.end();
        const { ids, integrity } = stored(path.join(server.dataDir, 'herald.sqlite'));
        expect(integrity).toBe('ok');
        expect(acknowledged.filter((id) => !ids.has(id))).toEqual([]);
      } finally {
        await server.stop();
      }
    },
    PATIENCE_MS,
  );
});

describe('a database file that is not what it was', () => {
  let whole: string;
  let folder: string;
  let file: string;
  beforeAll(async () => {
    whole = await mkdtemp(path.join(tmpdir(), 'herald-file-'));
    await leave('SIGTERM', whole);
  }, PATIENCE_MS);
  afterAll(() => rm(whole, { recursive: true, force: true }));
  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'herald-file-'));
    file = path.join(folder, 'herald.sqlite');
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const env = (): Record<string, string> => ({
    HERALD_DATA_DIR: folder,
    HERALD_ADMIN_KEY: ADMIN_KEY,
    HERALD_SECRET: SECRET,
  });

  /** A database with something in it, left by a process that ended so. */
  async function leave(signal: NodeJS.Signals, where = folder): Promise<void> {
    const server = await TestServer.start({ HERALD_DATA_DIR: where });
    for (let i = 0; i < 20; i++) await server.hook(randomUUID(), body(20_000));
    await server.end(signal);
    await server.stop();
  }

  async function refusal(): Promise<string> {
    const run = await runServer(env());
    expect(await run.ended).toBe(1);
    expect(run.output()).toMatch(/^Herald cannot start\.\n/);
    expect(run.output()).not.toMatch(/at .*\(|node:internal/);
    return run.output();
  }

  it(
    'deleted or emptied: Herald does not start empty, and says what to do (C15)',
    async () => {
      await cp(whole, folder, { recursive: true });
      await rename(file, `${file}.aside`);
      expect(await refusal()).toMatch(/missing or empty.*restore a backup/);
      await writeFile(file, '');
      expect(await refusal()).toMatch(/missing or empty/);
      await rename(`${file}.aside`, file);
      await leave('SIGTERM');
    },
    PATIENCE_MS,
  );

  it(
    'cut, or with a damaged page: Herald does not start, and says so (C15)',
    async () => {
      await cp(whole, folder, { recursive: true });
      const { size } = await stat(file);
      const handle = await open(file, 'r+');
      const page = Buffer.alloc(4096, 0x5a);
      for (let at = 4096 * 2; at < size; at += 4096 * 3) await handle.write(page, 0, 4096, at);
      await handle.close();
      expect(await refusal()).toMatch(/damaged.*Restore a backup/);
      await truncate(file, 4096 * 3);
      expect(await refusal()).toMatch(/damaged.*Restore a backup/);
    },
    PATIENCE_MS,
  );

  it(
    'with a log that was cut after a kill: Herald does not start without the last callbacks in silence (C15)',
    async () => {
      await leave('SIGKILL');
      await truncate(`${file}-wal`, 4096 * 4);
      expect(await refusal()).toMatch(/-wal is missing or shorter/);
      await rm(`${file}-wal`);
      expect(await refusal()).toMatch(/-wal is missing or shorter/);
      await rm(`${file}-shm`);
      await leave('SIGTERM');
    },
    PATIENCE_MS,
  );

  itNeeds(noSmallDisk)(
    'on a disk that is read-only: Herald does not start, and says so (C15)',
    async () => {
      const disk = await SmallDisk.mount(24);
      try {
        folder = disk.folder;
        file = path.join(folder, 'herald.sqlite');
        await cp(whole, folder, { recursive: true });
        disk.readOnly(true);
        expect(await refusal()).toMatch(/read-?only|cannot be opened/i);
      } finally {
        await disk.unmount();
      }
    },
    PATIENCE_MS,
  );

  it.each([
    ['deleted', () => rm(file)],
    [
      'replaced',
      async () => {
        await rename(file, `${file}.away`);
        await writeFile(file, '');
      },
    ],
    ['without its log', () => rm(`${file}-wal`)],
  ])(
    '%s under a running server: callbacks are refused, and it is not ready any more (C15)',
    async (_how, act) => {
      const server = await TestServer.start({ HERALD_DATA_DIR: folder, HERALD_HOOK_PASSWORD: HOOK_PASSWORD });
      try {
        expect((await server.hook(randomUUID(), body(100))).status).toBe(200);
        await act();
        for (let i = 0; i < 3; i++) {
          const { status, headers } = await server.hook(randomUUID(), body(100));
          expect([status, Number(headers.get('retry-after')) > 0]).toEqual([503, true]);
        }
        const lost = await eventually('not ready', async () => refusing(await readiness(server.url)));
        expect(lost.join()).toMatch(/deleted or replaced|cannot be written/);
        expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
        expect(server.log).toMatch(/"event":"database\.lost"/);
      } finally {
        await server.stop();
      }
    },
    PATIENCE_MS,
  );
});
