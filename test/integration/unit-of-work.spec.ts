import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import BetterSqlite3 from 'better-sqlite3';
import { DataSource, type EntityManager } from 'typeorm';
import { postgresDialect } from '../../src/database/postgres.dialect.js';
import { sqliteDialect } from '../../src/database/sqlite.dialect.js';
import { UnitOfWork } from '../../src/database/unit-of-work.service.js';
import { databases } from '../support/app.js';
import { freshDatabase } from '../support/postgres.js';

const turns = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const add = (tx: EntityManager, n: number): Promise<unknown> => tx.query(`insert into rows (n) values (${String(n)})`);

/** A write that fails after its row was written. */
async function addAndFail(tx: EntityManager, n: number): Promise<never> {
  await add(tx, n);
  throw new Error(`run ${String(n)} failed`);
}

/** A source with one table, and what was said to its driver. */
class Bench {
  private constructor(
    readonly source: DataSource,
    readonly uow: UnitOfWork,
    readonly file: string,
    readonly statements: string[],
    private readonly cleanUp: () => Promise<void>,
  ) {}

  static async open(kind: 'SQLite' | 'PostgreSQL'): Promise<Bench> {
    if (kind === 'PostgreSQL') {
      const fresh = await freshDatabase();
      const source = await new DataSource({ type: 'postgres', url: fresh.url, poolSize: 10 }).initialize();
      await source.query('create table rows (n integer primary key)');
      return new Bench(source, new UnitOfWork(source, postgresDialect), '', [], () => fresh.drop());
    }
    const folder = await mkdtemp(path.join(tmpdir(), 'herald-uow-'));
    const file = path.join(folder, 'bench.db');
    const statements: string[] = [];
    const source = await new DataSource({
      type: 'better-sqlite3',
      database: file,
      enableWAL: true,
      verbose: (statement: unknown) => statements.push(String(statement)),
    }).initialize();
    await source.query('create table rows (n integer primary key)');
    return new Bench(source, new UnitOfWork(source, sqliteDialect), file, statements, () =>
      rm(folder, { recursive: true, force: true }),
    );
  }

  /** As another connection sees them. */
  async rows(): Promise<number[]> {
    if (this.file === '') {
      const found: { n: number }[] = await this.source.query('select n from rows order by n');
      return found.map(({ n }) => n);
    }
    const other = new BetterSqlite3(this.file, { readonly: true });
    try {
      return other.prepare('select n from rows order by n').pluck().all().map(Number);
    } finally {
      other.close();
    }
  }

  commits(): number {
    return this.statements.filter((statement) => /^commit/i.test(statement)).length;
  }

  async close(): Promise<void> {
    await this.source.destroy();
    await this.cleanUp();
  }
}

describe.each(await databases())('UnitOfWork on %s', (kind) => {
  let bench: Bench;
  beforeEach(async () => {
    bench = await Bench.open(kind);
  });
  afterEach(() => bench.close());

  it('of 100 runs started in one tick with every tenth failing, exactly the 90 that resolved are stored (C22)', async () => {
    const numbers = Array.from({ length: 100 }, (_, n) => n);
    const settled = await Promise.allSettled(
      numbers.map((n) => bench.uow.run(async (tx) => (n % 10 === 0 ? addAndFail(tx, n) : (await add(tx, n), n)))),
    );
    settled.forEach((result, n) => {
      if (n % 10 !== 0) expect(result).toEqual({ status: 'fulfilled', value: n });
      else expect(result).toEqual({ status: 'rejected', reason: new Error(`run ${String(n)} failed`) });
    });
    expect(await bench.rows()).toEqual(numbers.filter((n) => n % 10 !== 0));
  });

  it('a statement that the database refuses fails its own run and no other', async () => {
    const settled = await Promise.allSettled([1, 2, 2, 3].map((n) => bench.uow.run((tx) => add(tx, n))));
    expect(settled.filter(({ status }) => status === 'rejected')).toHaveLength(1);
    expect(await bench.rows()).toEqual([1, 2, 3]);
  });

  it('no reader sees the inside of a transaction', async () => {
    let during: number[] | undefined;
    await bench.uow.run(async (tx) => {
      await add(tx, 1);
      during = await bench.rows();
    });
    expect(during).toEqual([]);
    expect(await bench.rows()).toEqual([1]);
  });

  it('no run is forgotten, however its start falls between the others', async () => {
    const started: Promise<number>[] = [];
    let next = 0;
    const start = (urgent: boolean): Promise<number> => {
      const n = next++;
      const run = bench.uow.run(async (tx) => (await add(tx, n), n), { urgent });
      started.push(run);
      return run;
    };
    for (let round = 0; round < 40; round++) {
      const first = start(round % 2 === 0);
      // A number of microtasks or turns later: before, at and after the look of the drain that finds nothing.
      for (let wait = 0; wait < round; wait++) await Promise.resolve();
      void start(round % 3 === 0);
      await first;
      void start(false);
      for (let wait = 0; wait < round % 5; wait++) await turns();
      void start(true);
      void first.then(() => start(round % 4 === 0));
    }
    await turns();
    const ended = await Promise.all(started);
    expect(ended).toHaveLength(next);
    expect(await bench.rows()).toEqual(Array.from({ length: next }, (_, n) => n));
  });
});

describe('UnitOfWork on SQLite, by what its driver is told', () => {
  let bench: Bench;
  beforeEach(async () => {
    bench = await Bench.open('SQLite');
  });
  afterEach(() => bench.close());

  it('the fault that it exists for: of two transactions that overlap, the one that resolved is lost with the other', async () => {
    let fail = (): void => undefined;
    const gate = new Promise<void>((_, reject) => {
      fail = () => {
        reject(new Error('first failed'));
      };
    });
    const first = bench.source.transaction(async (tx) => {
      await add(tx, 1);
      await gate;
    });
    await turns();
    await bench.source.transaction((tx) => add(tx, 2));
    fail();
    await expect(first).rejects.toThrow('first failed');
    expect(await bench.rows()).toEqual([]);
  });

  it('runs of one tick share commits, sixteen at a time', async () => {
    await Promise.all(Array.from({ length: 48 }, (_, n) => bench.uow.run((tx) => add(tx, n))));
    expect(bench.commits()).toBe(3);
    expect(await bench.rows()).toHaveLength(48);
  });

  it('an urgent run goes before all that wait, in the order of its like', async () => {
    const order: string[] = [];
    const run = (name: string, urgent: boolean): Promise<void> =>
      bench.uow.run(
        async (tx) => {
          await tx.query('select 1');
          order.push(name);
        },
        { urgent },
      );
    await Promise.all([
      run('a', false),
      run('b', false),
      run('urgent 1', true),
      run('urgent 2', true),
      run('c', false),
    ]);
    expect(order).toEqual(['urgent 1', 'urgent 2', 'a', 'b', 'c']);
  });

  it('an urgent run that comes while a group commits goes before the next group', async () => {
    const order: string[] = [];
    const runs = Array.from({ length: 40 }, (_, n) =>
      bench.uow.run(async (tx) => {
        await add(tx, n);
        order.push(String(n));
        if (n === 3) {
          runs.push(
            bench.uow.run(
              async (tx2) => {
                await add(tx2, 100);
                order.push('urgent');
              },
              { urgent: true },
            ),
          );
        }
      }),
    );
    await Promise.all(runs);
    await Promise.all(runs);
    expect(order.indexOf('urgent')).toBe(16);
  });

  it('a COMMIT that fails rejects all of the group, stores none of it, and later runs work', async () => {
    await bench.source.query('create table parent (id integer primary key)');
    await bench.source.query('create table child (p integer references parent (id) deferrable initially deferred)');
    const settled = await Promise.allSettled([
      bench.uow.run((tx) => add(tx, 1)),
      bench.uow.run((tx) => tx.query('insert into child values (77)')),
      bench.uow.run((tx) => add(tx, 3)),
    ]);
    expect(settled.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect(await bench.rows()).toEqual([]);
    await bench.uow.run((tx) => add(tx, 4));
    expect(await bench.rows()).toEqual([4]);
  });

  it('after a full disk, which ends a transaction by itself, what resolves is stored again', async () => {
    const wide = (tx: EntityManager): Promise<unknown> => tx.query('insert into wide values (zeroblob(200000))');
    await bench.source.query('create table wide (b blob)');
    await bench.source.query('pragma max_page_count = 10');
    await expect(bench.uow.run(wide)).rejects.toThrow(/full/);
    const group = await Promise.allSettled([bench.uow.run((tx) => add(tx, 1)), bench.uow.run(wide)]);
    expect(group.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    await bench.source.query('pragma max_page_count = 100000');
    await expect(bench.uow.run((tx) => addAndFail(tx, 2))).rejects.toThrow('run 2 failed');
    await bench.uow.run((tx) => add(tx, 3));
    expect(await bench.rows()).toEqual([3]);
    await bench.uow.forget();
  });

  it('forget runs between transactions and reports its own failure to its own caller', async () => {
    const work = Array.from({ length: 20 }, (_, n) => bench.uow.run((tx) => add(tx, n)));
    await Promise.all([...work, bench.uow.forget()]);
    expect(bench.statements.filter((statement) => statement.includes('wal_checkpoint'))).toHaveLength(1);
    expect(await bench.rows()).toHaveLength(20);
  });

  it('after SIGKILL in the middle of its work, every run that had resolved is in the file', async () => {
    const script = `
      import { DataSource } from 'typeorm';
      import { writeSource } from '${new URL('../../dist/database/data-source.js', import.meta.url).href}';
      import { UnitOfWork } from '${new URL('../../dist/database/unit-of-work.service.js', import.meta.url).href}';
      import { sqliteDialect } from '${new URL('../../dist/database/sqlite.dialect.js', import.meta.url).href}';
      import { writeSync } from 'node:fs';
      const source = await writeSource({ kind: 'sqlite', file: process.argv[1] }).initialize();
      const uow = new UnitOfWork(source, sqliteDialect);
      for (let n = 0; ; n++) {
        uow.run((tx) => tx.query('insert into rows (n) values (' + n + ')')).then(() => writeSync(1, n + '\\n'));
        if (n % 40 === 0) await new Promise((resolve) => setImmediate(resolve));
      }`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script, bench.file], {
      cwd: new URL('../..', import.meta.url),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    const ended = new Promise((resolve) => child.once('close', resolve));
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      if (output.length > 3000) child.kill('SIGKILL');
    });
    await ended;
    const told = output.split('\n').slice(0, -1).map(Number);
    const stored = new Set(await bench.rows());
    expect(told.length).toBeGreaterThan(500);
    expect(told.filter((n) => !stored.has(n))).toEqual([]);
  });
});
