import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { readFixture } from '../fixtures/deepgram/index.js';
import { freePort } from '../support/server.js';
import { machineIsBusy } from '../support/busy.js';
import { databases, PATIENCE_MS, Stage } from '../support/stage.js';

const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

/** Posts callbacks from several senders until the server is gone. @returns ids of those that were acknowledged, and how many failed */
async function load(
  stage: Stage,
  jobs: string[],
  during: () => Promise<unknown>,
): Promise<{ acknowledged: string[]; refused: number[] }> {
  const body = readFixture('diarized.json').toString('utf8');
  const acknowledged: string[] = [];
  const refused: number[] = [];
  let over = false;
  let serial = 0;
  const senders = Array.from({ length: 16 }, async () => {
    while (!over) {
      const number = serial++;
      try {
        const answer = await stage.server.hook(jobs[number % jobs.length] ?? '', `${body}${' '.repeat(number)}`);
        if (answer.status === 200) acknowledged.push((JSON.parse(answer.text) as { callback: string }).callback);
        else refused.push(answer.status);
      } catch {
        over = true;
      }
    }
  });
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  await during();
  await Promise.all(senders);
  return { acknowledged, refused };
}

async function expectSettled(stage: Stage, jobs: string[], acknowledged: string[]): Promise<void> {
  for (let tries = 0; tries < 600 && (await stage.count('callbacks', `state = 'pending'`)) > 0; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const rows = await stage.sql<{ id: string; state: string }>('select id, state from callbacks');
  const states = new Map(rows.map(({ id, state }) => [id, state]));
  expect(acknowledged.filter((id) => !['settled', 'duplicate'].includes(states.get(id) ?? 'lost'))).toEqual([]);
  for (const id of jobs) {
    const job = await stage.job(
      id,
      ({ deliveries }) =>
        deliveries.length === 2 && deliveries.every(({ state }) => /sent|delivered|unknown|queued/.test(state)),
    );
    expect(job.state).toBe('completed');
    expect(job.callbacks.filter(({ state }) => state === 'settled')).toHaveLength(1);
  }
}

describe.each(await databases())('the end of the process on %s', (kind) => {
  const open = async (): Promise<{ stage: Stage; jobs: string[] }> => {
    const stage = await Stage.start(kind);
    stage.deepgram.holdCallbacks();
    const tags = { email: 'dana@clinic.example', phone: '+14155552671' };
    const jobs = await Promise.all(Array.from({ length: 8 }, () => stage.submitted(tags)));
    return { stage, jobs };
  };

  it(
    'SIGTERM under load exits with 0 within ten seconds, and nothing acknowledged is lost (C10)',
    async () => {
      const { stage, jobs } = await open();
      try {
        let code: number | null = -1;
        let took = 0;
        const { acknowledged, refused } = await load(stage, jobs, async () => {
          const started = performance.now();
          code = await stage.server.end('SIGTERM');
          took = performance.now() - started;
        });
        process.stdout.write(
          `SIGTERM on ${kind}: ${String(acknowledged.length)} acknowledged, gone in ${took.toFixed(0)} ms\n`,
        );
        // Over its time it ends with 1, as whoever stops it would end it; nothing may be lost then either.
        if (took < 10_000 || !machineIsBusy()) {
          expect(code).toBe(0);
          expect(took).toBeLessThan(10_000);
        }
        expect(refused.filter((status) => status !== 503)).toEqual([]);
        expect(acknowledged.length).toBeGreaterThan(0);
        await stage.server.restart();
        await expectSettled(stage, jobs, acknowledged);
        expect(new Set(stage.smtp.mails.map(({ messageId }) => messageId)).size).toBe(stage.smtp.mails.length);
        expect(stage.server.log).not.toContain('"level":50');
      } finally {
        await stage.stop();
      }
    },
    2 * PATIENCE_MS,
  );

  it(
    'SIGKILL under load loses nothing that was acknowledged (C3, C4)',
    async () => {
      const { stage, jobs } = await open();
      try {
        const { acknowledged } = await load(stage, jobs, () => stage.server.end('SIGKILL'));
        expect(acknowledged.length).toBeGreaterThan(0);
        await stage.server.restart();
        await expectSettled(stage, jobs, acknowledged);
        for (const id of jobs) {
          const { deliveries } = await stage.job(id, () => true);
          expect(deliveries.map(({ channel }) => channel).sort()).toEqual(['email', 'sms']);
        }
      } finally {
        await stage.stop();
      }
    },
    2 * PATIENCE_MS,
  );

  it(
    'SIGKILL in the middle of a send shows a possible duplicate of the mail under one Message-ID (C6)',
    async () => {
      const stage = await Stage.start(kind, { smtp: { delayMs: 4_000 } });
      stage.deepgram.holdCallbacks();
      try {
        const id = await stage.submitted({ email: 'dana@clinic.example' });
        await stage.server.hook(id, readFixture('diarized.json'));
        // The mail is in, its 250 is not out.
        const first = await stage.smtp.next(PATIENCE_MS);
        await stage.server.end('SIGKILL');
        // On PostgreSQL another replica takes the lease over when it has run out.
        await stage.sql(`update deliveries set lease_until = 0 where state = 'sending'`);
        await stage.server.restart();
        const job = await stage.job(id, ({ deliveries }) => deliveries[0]?.state !== 'sending');
        const delivery = await stage.delivery(
          job.deliveries[0]?.id ?? '',
          ({ attempts }) => attempts[0]?.outcome === 'ambiguous',
        );
        expect(delivery.attempts[0]).toMatchObject({ outcome: 'ambiguous', code: 'INTERRUPTED' });
        const sent = await stage.delivery(delivery.id, ({ state }) => state === 'sent');
        expect(sent.attempts).toHaveLength(2);
        expect(stage.smtp.mails.map(({ messageId }) => messageId)).toEqual([first.messageId, first.messageId]);
      } finally {
        await stage.stop();
      }
    },
    2 * PATIENCE_MS,
  );
});

interface Run {
  child: ChildProcess;
  output(): string;
  ended: Promise<number | null>;
}

function run(env: Record<string, string>, cwd: string): Run {
  const child = spawn(process.execPath, [MAIN], {
    cwd,
    env: { PATH: process.env.PATH ?? '', NODE_ENV: 'production', ...env },
  });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()));
  return { child, output: () => text, ended: new Promise((resolve) => child.once('exit', resolve)) };
}

async function ready(url: string): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const answer = await fetch(`${url}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (answer) return;
    if (Date.now() > deadline) throw new Error('not ready');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

describe('starting', () => {
  it(
    'refuses a data directory that another process works on, with one plain message (C11)',
    async () => {
      const stage = await Stage.start('SQLite');
      try {
        const second = run(
          { PORT: String(await freePort()), HERALD_DATA_DIR: stage.server.dataDir },
          stage.server.dataDir,
        );
        expect(await second.ended).toBe(1);
        expect(second.output()).toMatch(
          /^Herald cannot start\.\nAnother Herald is running on .*herald\.sqlite\. Stop it first/,
        );
        expect(second.output()).not.toMatch(/at .*\(|node:internal/);
        expect((await fetch(`${stage.server.url}/readyz`)).status).toBe(200);
      } finally {
        await stage.stop();
      }
    },
    PATIENCE_MS,
  );

  it(
    'needs no variable the first time: it makes a secret and a key, and shows the key once',
    async () => {
      const folder = await mkdtemp(path.join(tmpdir(), 'herald-first-'));
      const port = String(await freePort());
      const url = `http://127.0.0.1:${port}`;
      try {
        const first = run({ PORT: port }, folder);
        await ready(url);
        const key = /Admin key, shown only this once: (\S+)/.exec(first.output())?.[1] ?? '';
        expect(key.length).toBeGreaterThanOrEqual(32);
        expect(first.output().split(key)).toHaveLength(2);
        expect(first.output()).toMatch(/E-mail is captured/);
        expect(first.output()).toMatch(/SMS is captured/);
        const authorized = await fetch(`${url}/v1/jobs`, { headers: { authorization: `Bearer ${key}` } });
        expect(authorized.status).toBe(200);
        const file = path.join(folder, 'data', 'secret');
        expect((await stat(file)).mode & 0o777).toBe(0o600);
        const secret = await readFile(file, 'utf8');
        expect(first.output()).not.toContain(secret.trim());
        first.child.kill('SIGTERM');
        expect(await first.ended).toBe(0);

        const second = run({ PORT: port }, folder);
        await ready(url);
        expect(second.output()).not.toMatch(/Admin key|Made HERALD_SECRET/);
        expect(await readFile(file, 'utf8')).toBe(secret);
        expect((await fetch(`${url}/v1/jobs`, { headers: { authorization: `Bearer ${key}` } })).status).toBe(200);
        second.child.kill('SIGINT');
        expect(await second.ended).toBe(0);
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
    PATIENCE_MS,
  );

  it(
    'tells every wrong variable at once, by name and without its value',
    async () => {
      const folder = await mkdtemp(path.join(tmpdir(), 'herald-wrong-'));
      try {
        const wrong = run(
          { PORT: 'eighty', HERALD_SECRET: 'short-s3cret', SMTP_URL: 'http://user:s3cret@host', HERALD_ROLE: 'boss' },
          folder,
        );
        expect(await wrong.ended).toBe(1);
        for (const name of ['PORT', 'HERALD_SECRET', 'SMTP_URL', 'HERALD_ROLE']) expect(wrong.output()).toContain(name);
        expect(wrong.output()).not.toContain('s3cret');
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
    PATIENCE_MS,
  );
});
