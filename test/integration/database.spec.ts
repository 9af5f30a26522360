import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { DatabaseSettings } from '../../src/database/data-source.js';
import { Database } from '../../src/database/database.service.js';
import { rows } from '../../src/database/unit-of-work.service.js';
import { ConfigError } from '../../src/errors.js';
import { databases } from '../support/app.js';
import { TestDatabase } from '../support/database.js';
import { freePort } from '../support/server.js';

const DATABASE_MODULE = new URL('../../dist/database/database.service.js', import.meta.url).href;

/** Why a database was not opened. */
async function refusal(settings: DatabaseSettings): Promise<ConfigError> {
  const opened = await Database.open(settings).catch((error: unknown) => error);
  if (opened instanceof Database) await opened.close();
  expect(opened).toBeInstanceOf(ConfigError);
  return opened as ConfigError;
}

/** Another process that has opened the database and keeps it. */
async function holder(file: string): Promise<ChildProcess> {
  const script = `
    import { Database } from '${DATABASE_MODULE}';
    await Database.open({ kind: 'sqlite', file: process.argv[1] });
    console.log('open');
    setInterval(() => undefined, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, file], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise((resolve, reject) => {
    child.stdout.once('data', resolve);
    child.once('exit', reject);
  });
  return child;
}

describe.each(await databases())('Database on %s', (kind) => {
  let own: TestDatabase;
  beforeAll(async () => {
    own = await TestDatabase.open(kind);
  });
  afterAll(() => own.close());

  it('reads what was committed, with bound parameters, and answers a ping', async () => {
    const insert = own.database.dialect.bind('insert into meta (name, value) values (?, ?)');
    await own.database.uow.run((tx) => tx.query(insert, ['tone', `it's "quoted"`]));
    expect(await own.database.read('select value from meta where name = ?', ['tone'])).toEqual([
      { value: `it's "quoted"` },
    ]);
    await expect(own.database.ping()).resolves.toBeUndefined();
  });
});

describe('Database on SQLite', () => {
  let own: TestDatabase;
  let file: string;
  beforeAll(async () => {
    own = await TestDatabase.open('SQLite');
    file = own.settings.kind === 'sqlite' ? own.settings.file : '';
  });
  afterAll(() => own.close());

  it('writes with synchronous=FULL into a write-ahead log', async () => {
    const pragma = (name: string): Promise<object[]> => own.database.uow.run((tx) => rows(tx, `pragma ${name}`, []));
    expect(await pragma('synchronous')).toEqual([{ synchronous: 2 }]);
    expect(await pragma('journal_mode')).toEqual([{ journal_mode: 'wal' }]);
    expect(await pragma('secure_delete')).toEqual([{ secure_delete: 1 }]);
    expect(await pragma('foreign_keys')).toEqual([{ foreign_keys: 1 }]);
  });

  it('cannot be written through what is for reading', async () => {
    await expect(own.database.reads.query(`insert into meta values ('a', 'b')`)).rejects.toThrow(/readonly/);
    await expect(own.database.read(`delete from meta returning name`)).rejects.toThrow(/readonly/);
  });

  it('C11: a second opener is refused in plain words', async () => {
    const { message } = await refusal(own.settings);
    expect(message).toBe(
      `Another Herald is running on ${file}. Stop it first, or give this one another HERALD_DATA_DIR. Several processes need PostgreSQL (DATABASE_URL).`,
    );
  });

  it('C11: the file is free again as soon as its process was killed', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'herald-lock-'));
    const settings = { kind: 'sqlite', file: path.join(folder, 'herald.db') } as const;
    const child = await holder(settings.file);
    try {
      expect((await refusal(settings)).message).toContain('Another Herald is running');
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await ended;
      const database = await Database.open(settings);
      await database.ping();
      await database.close();
    } finally {
      child.kill('SIGKILL');
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('a folder that cannot be one, and a file that is no database, are faults of the configuration', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'herald-none-'));
    const plain = path.join(folder, 'plain');
    await writeFile(plain, 'This is a letter, not a database. '.repeat(200));
    expect((await refusal({ kind: 'sqlite', file: path.join(plain, 'herald.db') })).message).not.toContain(
      'Another Herald',
    );
    expect((await refusal({ kind: 'sqlite', file: plain })).message).toMatch(/not a database/);
    // Nothing is held by an opening that failed.
    expect((await refusal({ kind: 'sqlite', file: plain })).message).toMatch(/not a database/);
    await rm(folder, { recursive: true, force: true });
  });
});

describe('a DATABASE_URL that leads nowhere', () => {
  const PASSWORD = 'p4ss-of-the-database';

  it.each([
    ['nobody listens', async () => `postgres://herald:${PASSWORD}@127.0.0.1:${String(await freePort())}/herald`],
    ['the host is none', () => Promise.resolve(`postgres://herald:${PASSWORD}@no-such-host.invalid:5432/herald`)],
    ['it is no URL', () => Promise.resolve(`postgres://herald:${PASSWORD}@[bad/herald`)],
  ])('%s: a ConfigError without the password', async (_, url) => {
    const error = await refusal({ kind: 'postgres', url: await url() });
    expect(error.message).toMatch(/^The database cannot be opened: ./);
    expect(error.message).not.toContain(PASSWORD);
  });
});
