import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { SmtpStandIn } from '../../src/sandbox/smtp-stand-in.service.js';
import { readFixture } from '../fixtures/deepgram/index.js';
import { eventually, watchHealth } from '../support/faults.js';
import { startCluster, type Cluster } from '../support/postgres-cluster.js';
import { postgresUnavailable } from '../support/postgres.js';
import { basic, HOOK_PASSWORD, TestServer } from '../support/server.js';
import { PATIENCE_MS } from '../support/stage.js';

const SENDERS = 12;
/** A send in hand while the database is away ends as one that may have happened, and a mail is then sent again. */
const MAILS_IN_HAND = 16;

/** Stops the server and all of its processes, as a machine that is moved to another host. @returns what lets them go on */
async function freeze(postmaster: number): Promise<() => void> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const parents = await Promise.all(
    pids.map((pid) =>
      readFile(`/proc/${pid}/stat`, 'utf8').then(
        (stat) => Number(stat.split(') ')[1]?.split(' ')[1]),
        () => 0,
      ),
    ),
  );
  const all = [postmaster, ...pids.filter((_, index) => parents[index] === postmaster)];
  const tell = (signal: NodeJS.Signals): void => {
    for (const pid of all) {
      try {
        process.kill(pid, signal);
      } catch {
        // A process of it that has ended meanwhile.
      }
    }
  };
  tell('SIGSTOP');
  return () => {
    tell('SIGCONT');
  };
}

const suite = (await postgresUnavailable()) === undefined ? describe : describe.skip;

suite('a PostgreSQL that goes away under load', () => {
  let cluster: Cluster;
  let url: string;
  let smtp: SmtpStandIn;
  let server: TestServer;
  let serial = 0;
  const acknowledged = new Set<string>();
  const statuses = new Map<number, number>();
  /** When callbacks were acknowledged; by the monotonic clock. */
  let lastAcknowledged = 0;
  let loading: Promise<unknown>;
  let over: boolean;

  beforeAll(async () => {
    cluster = await startCluster({ lasting: true });
    await sql('create database herald', 'postgres');
    smtp = new SmtpStandIn();
    url = `${cluster.url}/herald`;
    server = await TestServer.start({
      DATABASE_URL: url,
      SMTP_URL: await smtp.start(),
      MAIL_FROM: 'Herald <herald@clinic.example>',
    });
  }, PATIENCE_MS);

  afterAll(async () => {
    await server.stop();
    await smtp.stop();
    await cluster.stop();
  }, PATIENCE_MS);

  async function sql<T = Record<string, unknown>>(statement: string, database = 'herald'): Promise<T[]> {
    const client = new pg.Client({ connectionString: `${cluster.url}/${database}` });
    await client.connect();
    try {
      return (await client.query(statement)).rows as T[];
    } finally {
      await client.end();
    }
  }

  /** As Deepgram does: again and again until it is acknowledged. */
  async function send(): Promise<void> {
    const number = serial++;
    const body = JSON.parse(readFixture('diarized.json').toString('utf8')) as { metadata: object };
    const id = `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;
    const extra = { email: `u${number}@clinic.example` };
    const bytes = JSON.stringify({ ...body, metadata: { ...body.metadata, request_id: id, extra } });
    for (;;) {
      const answer = await fetch(`${server.url}/hook`, {
        method: 'POST',
        body: bytes,
        headers: { authorization: basic(HOOK_PASSWORD), 'content-type': 'application/json' },
      });
      await answer.text();
      statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
      if (answer.status === 200) {
        acknowledged.add(id);
        lastAcknowledged = performance.now();
        return;
      }
      await sleep(200);
    }
  }

  beforeEach(async () => {
    over = false;
    statuses.clear();
    loading = Promise.all(
      Array.from({ length: SENDERS }, async () => {
        while (!over) {
          await send();
          await sleep(50);
        }
      }),
    );
    loading.catch(() => undefined);
    const before = acknowledged.size;
    await eventually('load', async () => acknowledged.size > before + 50);
  }, PATIENCE_MS);

  afterEach(async () => {
    over = true;
    await loading;
  }, PATIENCE_MS);

  /** Milliseconds until a callback is acknowledged that was not before. */
  async function heals(): Promise<number> {
    const from = performance.now();
    await eventually('an acknowledgement', async () => lastAcknowledged > from);
    return lastAcknowledged - from;
  }

  async function nothingIsLost(): Promise<void> {
    over = true;
    await loading;
    expect([...statuses.keys()].filter((status) => status !== 200 && status !== 503)).toEqual([]);
    const left = `select (select count(*) from callbacks where state = 'pending')
      + (select count(*) from deliveries where state in ('queued', 'sending')) as n`;
    await eventually(
      'everything is sent',
      async () => Number((await sql<{ n: string }>(left))[0]?.n) === 0,
      PATIENCE_MS,
    );
    const jobs = await sql<{ request_id: string; settled: string; sent: string }>(
      `select request_id, (select count(*) from callbacks where job_id = jobs.id and state = 'settled') as settled,
         (select count(*) from deliveries where job_id = jobs.id and state = 'sent') as sent from jobs`,
    );
    const known = new Map(jobs.map((job) => [job.request_id, `${job.settled} ${job.sent}`]));
    expect([...acknowledged].filter((id) => known.get(id) !== '1 1')).toEqual([]);
    expect(known.size).toBe(acknowledged.size);
    const mails = smtp.mails.map(({ envelope }) => envelope.to.join());
    expect(new Set(mails).size).toBe(acknowledged.size);
    expect(server.log).not.toMatch(/"code":"INTERNAL"|unhandled/i);
  }

  const repeated = (): number => smtp.mails.length - new Set(smtp.mails.map(({ messageId }) => messageId)).size;

  it(
    'its connections terminated: refused with 503, healed within five seconds, and nothing lost (C16)',
    async () => {
      const before = repeated();
      for (let i = 0; i < 8; i++) {
        await sql(
          `select pg_terminate_backend(pid) from pg_stat_activity where datname = 'herald' and pid <> pg_backend_pid()`,
        );
        expect(await heals()).toBeLessThan(5_000);
      }
      await nothingIsLost();
      expect(repeated()).toBe(before);
    },
    2 * PATIENCE_MS,
  );

  it(
    'crashed and started again: refused with 503 meanwhile, healed within five seconds, and nothing lost (C16)',
    async () => {
      const before = repeated();
      const ended = watchHealth(server.url);
      await cluster.crash();
      await sleep(1_500);
      expect((await fetch(`${server.url}/readyz`)).status).toBe(503);
      const list = await server.get<{ code: string }>('/v1/jobs');
      expect([list.status, list.body.code]).toEqual([503, 'STORAGE_UNAVAILABLE']);
      await cluster.restart();
      const took = await heals();
      const longest = await ended();
      process.stdout.write(
        `PostgreSQL crashed: healed ${took.toFixed(0)} ms after its start, health at most ${longest.toFixed(0)} ms, ` +
          `answers ${JSON.stringify([...statuses])}, mails again ${repeated() - before}\n`,
      );
      expect(took).toBeLessThan(5_000);
      expect(statuses.get(503)).toBeGreaterThan(0);
      // No storm: the loops wait between their tries.
      expect(server.log.split('"level":50').length).toBeLessThan(400);
      await nothingIsLost();
      expect(repeated() - before).toBeLessThanOrEqual(MAILS_IN_HAND);
    },
    2 * PATIENCE_MS,
  );

  it(
    'silent for ten seconds: nobody waits for ever, nothing is acknowledged, and it goes on by itself (C16)',
    async () => {
      const before = repeated();
      const goOn = await freeze(cluster.pid());
      const ended = watchHealth(server.url);
      let acknowledgedMeanwhile: number;
      try {
        // What it had committed may still be on its way to its sender.
        await sleep(500);
        acknowledgedMeanwhile = -acknowledged.size;
        await sleep(9_500);
        acknowledgedMeanwhile += acknowledged.size;
        expect((await fetch(`${server.url}/readyz`)).status).toBe(503);
      } finally {
        goOn();
      }
      const took = await heals();
      const longest = await ended();
      process.stdout.write(
        `PostgreSQL silent: healed in ${took.toFixed(0)} ms, health at most ${longest.toFixed(0)} ms, ` +
          `answers ${JSON.stringify([...statuses])}, mails again ${repeated() - before}\n`,
      );
      expect(acknowledgedMeanwhile).toBe(0);
      expect(statuses.get(503)).toBeGreaterThan(0);
      expect(took).toBeLessThan(5_000);
      await nothingIsLost();
      expect(repeated() - before).toBeLessThanOrEqual(MAILS_IN_HAND);
    },
    2 * PATIENCE_MS,
  );
});
