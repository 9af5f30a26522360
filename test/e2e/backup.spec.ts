import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { hookPassword } from '../../src/callbacks/hook-credential.js';
import { readFixture } from '../fixtures/deepgram/index.js';
import { runCli } from '../support/cli.js';
import { SECRET } from '../support/server.js';
import { databases, PATIENCE_MS, Stage } from '../support/stage.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'herald-backup-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A body of its own for each job: its request id and, when it is to be a file, more than a megabyte. */
function bodyOf(id: string, large: boolean): string {
  const body = JSON.parse(readFixture('diarized.json').toString()) as { metadata: object; padding?: string };
  body.metadata = { ...body.metadata, request_id: id };
  if (large) body.padding = 'x'.repeat(1_300_000);
  return JSON.stringify(body);
}

describe('a backup of a running server on SQLite', () => {
  let stage: Stage;
  afterEach(() => stage.stop());

  it(
    'holds everything acknowledged before it began, and a restored server sends nothing again (C21)',
    async () => {
      stage = await Stage.start('SQLite', { env: { HERALD_SECRET: '' }, smtp: { delayMs: 30 } });
      // The secret is the one that the server made.
      const secret = (await readFile(path.join(stage.server.dataDir, 'secret'), 'utf8')).trim();
      stage.deepgram.holdCallbacks();
      const acknowledged: { id: string; at: number }[] = [];
      const callBack = async (id: string, large: boolean): Promise<void> => {
        const credential = Buffer.from(`herald:${hookPassword(id, secret)}`).toString('base64');
        const headers = { authorization: `Basic ${credential}`, 'content-type': 'application/json' };
        const answer = await fetch(`${stage.server.url}/hook/${id}`, {
          method: 'POST',
          headers,
          body: bodyOf(id, large),
        });
        expect(answer.status).toBe(200);
        acknowledged.push({ id, at: performance.now() });
      };
      const jobs = await Promise.all(
        Array.from({ length: 24 }, (_, i) => stage.submitted({ email: `person-${String(i)}@clinic.example` })),
      );
      // One that waits for its callback all along: its audio is kept.
      const upload = await stage.server.api<{ id: string }>('POST', '/v1/jobs?model=nova-3', undefined, {
        body: Buffer.alloc(50_000, 7),
        headers: { 'content-type': 'audio/wav' },
      });
      await stage.job(upload.body.id, ({ state }) => state === 'submitted');

      const load = (async () => {
        for (const [i, id] of jobs.slice(0, -1).entries()) {
          await callBack(id, i % 8 === 0);
          await new Promise((resolve) => setTimeout(resolve, 40));
        }
      })();
      while (acknowledged.length < 8) await new Promise((resolve) => setTimeout(resolve, 10));
      const began = performance.now();
      const backup = path.join(folder, 'backup');
      const taken = await runCli(['backup', backup], { HERALD_DATA_DIR: stage.server.dataDir });
      expect(taken).toMatchObject({ code: 0, output: expect.stringContaining('It holds the secret') });
      expect(taken.output).not.toContain(secret);
      await load;
      // However long the backup took to begin, this one is not in it.
      const again = jobs.at(-1) ?? '';
      await callBack(again, false);
      for (const id of jobs)
        await stage.job(id, ({ deliveries }) => deliveries.length === 1 && deliveries[0]?.state === 'sent');
      const sent = stage.smtp.mails.length;
      expect(sent).toBe(jobs.length);
      expect((await stat(backup)).mode & 0o077).toBe(0);
      expect((await readdir(stage.server.dataDir)).filter((name) => name.startsWith('.backup'))).toEqual([]);
      await stage.server.end();

      const data = path.join(folder, 'restored');
      const restored = await runCli(['restore', backup, '--to', data], {});
      expect(restored).toMatchObject({ code: 0, output: expect.stringContaining('are held') });
      expect(await readFile(path.join(data, 'secret'), 'utf8')).toBe(`${secret}\n`);
      await stage.server.restart({ HERALD_DATA_DIR: data });

      const before = acknowledged.filter(({ at }) => at < began).map(({ id }) => id);
      expect(before.length).toBeGreaterThanOrEqual(8);
      for (const id of before) {
        const job = await stage.job(id, ({ state }) => state === 'completed');
        expect(job.callbacks).toHaveLength(1);
        expect((await stage.server.get(`/v1/transcripts/${id}/raw`)).status).toBe(200);
        expect(job.deliveries.map(({ state }) => state)).toEqual([expect.stringMatching(/^(sent|held)$/)]);
      }
      const [blob] = await readdir(path.join(data, 'blobs')).then((all) =>
        all.filter((name) => name.startsWith('audio')),
      );
      expect((await stat(path.join(data, 'blobs', blob ?? ''))).size).toBe(50_000);

      // What comes again after the backup settles, and is held: it was told before.
      await callBack(again, false);
      const job = await stage.job(again, ({ deliveries }) => deliveries.length === 1);
      expect(job.deliveries).toMatchObject([
        { state: 'held', reason: expect.stringContaining('restored from a backup of') },
      ]);
      expect(stage.smtp.mails).toHaveLength(sent);
      // A new job is told as ever; the held one when a person says so.
      const fresh = await stage.submitted({ email: 'new@clinic.example' });
      await callBack(fresh, false);
      await stage.job(fresh, ({ deliveries }) => deliveries[0]?.state === 'sent');
      await stage.server.api('POST', `/v1/deliveries/${job.deliveries[0]?.id ?? ''}/retry`);
      await stage.job(again, ({ deliveries }) => deliveries[0]?.state === 'sent');
      expect(stage.smtp.mails).toHaveLength(sent + 2);
    },
    3 * PATIENCE_MS,
  );

  it(
    'is refused where it would overwrite, and a damaged, newer or misplaced one is not restored',
    async () => {
      stage = await Stage.start('SQLite');
      const env = { HERALD_DATA_DIR: stage.server.dataDir, HERALD_SECRET: SECRET };
      const backup = path.join(folder, 'backup');
      expect(await runCli(['backup', backup], env)).toMatchObject({ code: 0 });
      const twice = await runCli(['backup', backup], env);
      expect(twice).toMatchObject({ code: 1, output: expect.stringContaining('is there already') });
      const full = await runCli(['restore', backup, '--to', stage.server.dataDir], {});
      expect(full).toMatchObject({ code: 1, output: expect.stringContaining('is not empty') });

      const data = path.join(folder, 'data');
      expect(await runCli(['restore', backup, '--to', data, '--send'], {})).toMatchObject({ code: 0 });
      const file = path.join(backup, 'herald.sqlite');
      const database = new BetterSqlite3(file);
      database.exec(`insert into migrations (timestamp, name) values (1900000000000, 'Later1900000000000')`);
      database.close();
      const other = path.join(folder, 'other');
      const damaged = await runCli(['restore', backup, '--to', other], {});
      expect(damaged).toMatchObject({ code: 1, output: expect.stringContaining('not as it was written') });

      const bytes = await readFile(file);
      const manifest = JSON.parse(await readFile(path.join(backup, 'manifest.json'), 'utf8')) as {
        files: Record<string, object>;
      };
      manifest.files['herald.sqlite'] = {
        bytes: bytes.length,
        sha256: createHash('sha256').update(bytes).digest('hex'),
      };
      await writeFile(path.join(backup, 'manifest.json'), JSON.stringify(manifest));
      const newer = await runCli(['restore', backup, '--to', other], {});
      expect(newer).toMatchObject({ code: 1, output: expect.stringContaining('newer version of Herald') });
      expect((await readdir(folder)).sort()).toEqual(['backup', 'data']);
      expect(await runCli(['backup'], {})).toMatchObject({ code: 2 });
    },
    PATIENCE_MS,
  );
});

describe.each((await databases()).filter((kind) => kind === 'PostgreSQL'))('a backup on %s', (kind) => {
  it(
    'holds the files, names the commands for the database, and `herald hold` keeps what was pending (C21)',
    async () => {
      const stage = await Stage.start(kind, { smtp: { delayMs: 3_000 } });
      try {
        stage.deepgram.holdCallbacks();
        const id = await stage.submitted({ email: 'dana@clinic.example' });
        await stage.server.hook(id, bodyOf(id, true));
        await stage.job(id, ({ deliveries }) => deliveries[0]?.state === 'sending');
        await stage.server.end('SIGKILL');
        const databaseUrl = stage.databaseUrl ?? '';
        expect(databaseUrl).not.toBe('');
        const env = { HERALD_DATA_DIR: stage.server.dataDir, HERALD_SECRET: SECRET, DATABASE_URL: databaseUrl };
        const backup = path.join(folder, 'backup');
        const taken = await runCli(['backup', backup], env);
        expect(taken).toMatchObject({ code: 0, output: expect.stringContaining('pg_dump --format=custom') });
        expect(taken.output).not.toContain(databaseUrl);
        expect(await readdir(path.join(backup, 'blobs'))).toHaveLength(1);
        const held = await runCli(['hold'], env);
        expect(held).toMatchObject({
          code: 0,
          output: expect.stringContaining('1 pending deliveries are held'),
        });
        const restored = await runCli(['restore', backup, '--to', path.join(folder, 'data')], env);
        expect(restored).toMatchObject({ code: 0, output: expect.stringContaining('herald hold') });
        // The mail of the dead server may still come; the new one sends none until a person says so.
        await stage.server.restart({ HERALD_DATA_DIR: path.join(folder, 'data') });
        const job = await stage.job(id, () => true);
        expect(job.deliveries).toMatchObject([{ state: 'held', reason: expect.stringContaining('restored') }]);
        expect((await stage.server.get(`/v1/transcripts/${id}/raw`)).status).toBe(200);
        await stage.server.api('POST', '/v1/deliveries/retry', { state: 'held' });
        await stage.job(id, ({ deliveries }) => deliveries[0]?.state === 'sent');
      } finally {
        await stage.stop();
      }
    },
    2 * PATIENCE_MS,
  );
});
