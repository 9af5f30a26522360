import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { readFixture } from '../test/fixtures/deepgram/index.js';
import { runCli } from '../test/support/cli.js';
import { PreviousRelease } from '../test/support/previous-release.js';
import { basic, HOOK_PASSWORD } from '../test/support/server.js';
import { databases, PATIENCE_MS, Stage, type DatabaseKind } from '../test/support/stage.js';
import { figure, scaled } from './support/scale.js';

const DAY = 86_400_000;
/** Jobs of the file of the release before: so many that a migration takes a while. */
const OLD_JOBS = scaled(5_000, 1_000);
const MIGRATION_KILLS: Record<DatabaseKind, number> = { SQLite: scaled(60, 6), PostgreSQL: scaled(20, 2) };
const PURGED_JOBS = scaled(400, 45);
const PURGE_KILLS: Record<DatabaseKind, number> = { SQLite: scaled(20, 2), PostgreSQL: scaled(10, 1) };
/** Posted at once. */
const CALLERS = 8;

describe.each(await databases())('killed at a random moment on %s', (kind) => {
  let stage: Stage;
  afterEach(() => stage.stop());
  const tell = (name: string, value: string | number): void => {
    figure(`kills while keeping on ${kind}: ${name}`, value);
  };

  it('a migration of an old file, up or down, is done or not begun, and the next one ends (C8)', async () => {
    stage = await Stage.start(kind);
    stage.deepgram.holdCallbacks();
    const newest = await stage.count('migrations');
    const previous = await PreviousRelease.make(stage, OLD_JOBS);
    const before = await previous.dump();
    const killer = kind === 'SQLite' ? new FileKiller(stage) : new LockKiller(stage);
    const outcomes = { 'undone by the database': 0, done: 0 };
    let up = true;
    for (let kill = 0; kill < MIGRATION_KILLS[kind]; kill++) {
      const from = await stage.count('migrations');
      // All the way up at once, and down one release after the other.
      up = from === 1 || (up && from < newest);
      const command = up ? ['migrate'] : ['migrate', '--undo'];
      const { code, output } = await killer.run((began) => runCli(command, previous.env, began));
      // Killed, or at its end in time; never one that could not go on where the one before was killed.
      expect([0, null, output]).toContain(code);
      const applied = await stage.count('migrations');
      const done = up ? newest : from - 1;
      expect([from, done]).toContain(applied);
      outcomes[applied === done ? 'done' : 'undone by the database']++;
      if (applied === 1) expect(unlike(await previous.dump(), before)).toEqual([]);
      else expect(await stage.count('submissions')).toBe(OLD_JOBS + 1);
      // So that ways up and ways down are killed alike.
      if (kill % 2 === 1 && applied === from) await runCli(command, previous.env);
    }
    for (const [outcome, count] of Object.entries(outcomes)) tell(`migrations ${outcome}`, count);
    await stage.server.restart();
    expect(await stage.count('migrations')).toBe(newest);
    expect(await stage.count('jobs')).toBe(OLD_JOBS + 2);
    const found = await stage.server.get<{ items: unknown[] }>('/v1/transcripts?q=wombat&limit=100');
    expect(found.body.items).toHaveLength(100);
  });

  it('a purge leaves each job whole, without its words, or gone, and the next start ends it (C8)', async () => {
    stage = await Stage.start(kind);
    const ids = await told(stage, PURGED_JOBS);
    await stage.server.end();
    const [erased, dropped] = [ids.filter((_, i) => i % 3 === 0), ids.filter((_, i) => i % 3 === 1)];
    await age(stage, erased, 70);
    await age(stage, dropped, 40);
    const env = { HERALD_CONTENT_RETENTION_DAYS: '30', HERALD_RETENTION_DAYS: '60' };
    let interrupted = 0;
    for (let kill = 0; kill < PURGE_KILLS[kind]; kill++) {
      await stage.server.restart(env);
      await underWay(stage, erased.length + dropped.length);
      await stage.server.end('SIGKILL');
      const states = await statesOf(stage, ids);
      expect([...states.values()].filter((state) => state.startsWith('half'))).toEqual([]);
      const left = dropped.filter((id) => states.get(id) === 'whole').length;
      if (left > 0 || erased.some((id) => states.get(id) !== 'gone')) interrupted++;
    }
    await stage.server.restart();
    await until(async () => (await stage.count('jobs', 'deleted_at is not null')) === erased.length);
    await stage.server.end();
    const states = await statesOf(stage, ids);
    for (const [i, id] of ids.entries())
      expect([id, states.get(id)]).toEqual([id, ['gone', 'without words', 'whole'][i % 3]]);
    const { named, kept } = await files(stage);
    expect(named.filter((key) => !kept.includes(key))).toEqual([]);
    tell('purges killed before their end', `${interrupted} of ${PURGE_KILLS[kind]}`);
    tell('files of killed purges that wait for the sweep', kept.length - named.length);
  });

  it('an erasure leaves each job whole or gone, and asked again it ends with a proof (C8)', async () => {
    stage = await Stage.start(kind);
    const ids = await told(stage, PURGED_JOBS);
    const subject = { kind: 'tag', tag: 'client', value: 'acme' };
    for (let kill = 0; kill < PURGE_KILLS[kind]; kill++) {
      const asked = stage.server.api('POST', '/v1/erasures', subject).catch(() => undefined);
      await underWay(stage, ids.length);
      await stage.server.end('SIGKILL');
      await asked;
      const states = await statesOf(stage, ids);
      expect([...states.values()].filter((state) => state !== 'whole' && state !== 'gone')).toEqual([]);
      tell(
        'erased when it was killed',
        `${[...states.values()].filter((state) => state === 'gone').length} of ${ids.length}`,
      );
      await stage.server.restart();
    }
    expect((await stage.server.api('POST', '/v1/erasures', subject)).status).toBe(201);
    const { body } = await stage.server.api('POST', '/v1/erasures/check', subject);
    expect(body).toMatchObject({ nothingLeft: true });
    expect(new Set((await statesOf(stage, ids)).values())).toEqual(new Set(['gone']));
  });
});

/** Rows that are in one dump only; not all of them, for they are to be read. */
function unlike(one: string[], other: string[]): string[] {
  const [a, b] = [new Set(one), new Set(other)];
  return [...one.filter((row) => !b.has(row)), ...other.filter((row) => !a.has(row))].slice(0, 4);
}

type Run = ReturnType<typeof runCli>;
type Began = (child: ChildProcess) => void;

/** Kills a command some time after it has opened the file: within the time that the last one lived that came to its end. */
class FileKiller {
  private lifeMs = 200;

  constructor(private readonly stage: Stage) {}

  async run(command: (began: Began) => Run): Run {
    const log = path.join(this.stage.server.dataDir, 'herald.sqlite-wal');
    let opened = 0;
    let look: NodeJS.Timeout | undefined;
    let kill: NodeJS.Timeout | undefined;
    const ended = await command((child) => {
      look = setInterval(() => {
        if (!existsSync(log)) return;
        clearInterval(look);
        opened = performance.now();
        kill = setTimeout(() => child.kill('SIGKILL'), Math.random() * this.lifeMs);
      }, 1);
    });
    clearInterval(look);
    clearTimeout(kill);
    if (ended.code === 0) this.lifeMs = performance.now() - opened;
    return ended;
  }
}

/** Kills a command in the middle of its transaction: when it waits for a table that somebody reads. */
class LockKiller {
  constructor(private readonly stage: Stage) {}

  async run(command: (began: Began) => Run): Run {
    const table = ['jobs', 'suppressions', 'attempts', 'deliveries'][Math.floor(Math.random() * 4)] ?? '';
    const reader = new pg.Client({ connectionString: this.stage.databaseUrl });
    await reader.connect();
    try {
      await reader.query(`begin; select count(*) from ${table}`);
      return await command((child) => {
        void until(async () => {
          // By a connection of its own: inside a transaction this view stands still.
          const waiting = await this.others(`wait_event_type = 'Lock'`);
          return waiting > 0;
        }).finally(() => child.kill('SIGKILL'));
      });
    } finally {
      // The server goes on with the dead command's statement until it finds out: it must be gone before the next one.
      await reader.query('rollback');
      await reader.end();
      await until(async () => (await this.others('true')) === 0);
    }
  }

  /** Other connections to this database. */
  private others(where: string): Promise<number> {
    return this.stage.count(
      'pg_stat_activity',
      `datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend' and ${where}`,
    );
  }
}

/** Calls that were transcribed, told by e-mail, and are kept; some with a body that is a file. @returns the ids of their jobs */
async function told(stage: Stage, count: number): Promise<string[]> {
  const numbers = Array.from({ length: count }, (_, i) => i);
  const post = async (): Promise<void> => {
    for (let i = numbers.pop(); i !== undefined; i = numbers.pop()) {
      const body = JSON.parse(readFixture('diarized.json').toString()) as { metadata: object; padding?: string };
      body.metadata = {
        ...body.metadata,
        request_id: randomUUID(),
        extra: { client: 'acme', email: `person-${i}@clinic.example` },
      };
      if (i % 10 === 0) body.padding = 'x'.repeat(1_100_000);
      const answer = await fetch(`${stage.server.url}/hook`, {
        method: 'POST',
        body: JSON.stringify(body),
        headers: { authorization: basic(HOOK_PASSWORD), 'content-type': 'application/json' },
      });
      expect(answer.status).toBe(200);
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, post));
  const sent = async (): Promise<boolean> => (await stage.count('deliveries', `state = 'sent'`)) === count;
  await until(sent, () =>
    stage.sql(
      'select state, reason, count(*) as n, max(attempts_made) as attempts from deliveries group by state, reason',
    ),
  );
  return (await stage.sql<{ id: string }>('select id from jobs order by id')).map(({ id }) => id);
}

/** Makes jobs older, while the server is down. */
async function age(stage: Stage, ids: string[], days: number): Promise<void> {
  const list = ids.map((id) => `'${id}'`).join(', ');
  const back = days * DAY;
  await stage.sql(
    `update jobs set created_at = created_at - ${back}, settled_at = settled_at - ${back} where id in (${list})`,
  );
  await stage.sql(`update callbacks set received_at = received_at - ${back} where job_id in (${list})`);
}

/** Waits until a random share is dropped of what is still to be dropped, without words or whole. */
async function underWay(stage: Stage, count: number): Promise<void> {
  const done = (): Promise<number> => stage.count('jobs', 'deleted_at is not null or content_dropped_at is not null');
  const before = await done();
  const goal = before + Math.floor(Math.random() * 0.8 * (count - before));
  await until(
    async () => (await done()) >= goal,
    () => stage.sql('select state, content_dropped_at, deleted_at from jobs'),
  );
}

/** What there is of each job: `whole`, `without words`, `gone`, or `half` with what is left and what is not. */
async function statesOf(stage: Stage, ids: string[]): Promise<Map<string, string>> {
  const jobIds = async (statement: string): Promise<Set<string>> =>
    new Set((await stage.sql<{ job_id: string }>(statement)).map((row) => row.job_id));
  const deleted = await jobIds('select id as job_id from jobs where deleted_at is not null');
  const without = await jobIds(
    'select id as job_id from jobs where content_dropped_at is not null and deleted_at is null',
  );
  const rows = await Promise.all(
    ['transcripts', 'callbacks', 'deliveries', 'evaluations'].map((table) => jobIds(`select job_id from ${table}`)),
  );
  const words = await Promise.all(
    [
      `select job_id from transcripts where text <> ''`,
      'select job_id from callbacks where body is not null or blob_key is not null',
      'select job_id from deliveries where message is not null',
      'select job_id from transcripts_fts',
    ].map(jobIds),
  );
  const share = (sets: Set<string>[], id: string): string =>
    `${sets.filter((set) => set.has(id)).length}/${sets.length}`;
  return new Map(
    ids.map((id) => {
      const found = `rows ${share(rows, id)}, words ${share(words, id)}`;
      const state = deleted.has(id) ? 'gone' : without.has(id) ? 'without words' : 'whole';
      return [id, found === EXPECTED[state] ? state : `half: ${state} with ${found}`];
    }),
  );
}

const EXPECTED = {
  whole: 'rows 4/4, words 4/4',
  'without words': 'rows 4/4, words 0/4',
  gone: 'rows 0/4, words 0/4',
};

/** Files that rows name, and files that there are. */
async function files(stage: Stage): Promise<{ named: string[]; kept: string[] }> {
  const rows = await stage.sql<{ key: string }>('select blob_key as key from callbacks where blob_key is not null');
  return { named: rows.map(({ key }) => key), kept: await readdir(path.join(stage.server.dataDir, 'blobs')) };
}

async function until(
  done: () => Promise<boolean>,
  saw: () => Promise<unknown> = () => Promise.resolve(),
): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while (!(await done())) {
    if (Date.now() > deadline) throw new Error(`it never came to it: ${JSON.stringify(await saw())}`);
    await sleep(50);
  }
}
