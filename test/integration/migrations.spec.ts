import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { DataSource } from 'typeorm';
import { migrations, writeSource, type DatabaseSettings } from '../../src/database/data-source.js';
import { Database } from '../../src/database/database.service.js';
import { ConfigError } from '../../src/errors.js';
import { databases } from '../support/app.js';
import { freshSettings } from '../support/database.js';

describe.each(await databases())('migrations on %s', (kind) => {
  let settings: DatabaseSettings;
  let source: DataSource;
  let cleanUp: () => Promise<void>;
  beforeEach(async () => {
    ({ settings, cleanUp } = await freshSettings(kind));
    source = writeSource(settings);
  });
  afterEach(async () => {
    if (source.isInitialized) await source.destroy();
    await cleanUp();
  });

  /** Names of everything that the schema holds, beside TypeORM's own table. */
  async function schema(): Promise<string[]> {
    const found: { name: string }[] = await source.query(
      kind === 'SQLite'
        ? `select name from sqlite_master where name not like 'sqlite_%' and name not like 'transcripts_fts_%'`
        : `select tablename as name from pg_tables where schemaname = 'public'
           union all select indexname from pg_indexes where schemaname = 'public' and indexname not like '%pkey'`,
    );
    return found
      .map(({ name }) => name)
      .filter((name) => name !== 'migrations' && !name.startsWith('PK_'))
      .sort();
  }

  it('go up, down to nothing, and up again to the same schema', async () => {
    await source.initialize();
    await source.runMigrations();
    const first = await schema();
    expect(first).toEqual(expect.arrayContaining(['callbacks', 'deliveries_dedupe_key', 'jobs', 'transcripts_fts']));
    for (let left = migrations.length; left > 0; left--) await source.undoLastMigration();
    expect(await schema()).toEqual([]);
    await source.runMigrations();
    expect(await schema()).toEqual(first);
  });

  it('give every entity the columns that it reads', async () => {
    await source.initialize();
    await source.runMigrations();
    for (const { target } of source.entityMetadatas) {
      expect(await source.manager.find(target)).toEqual([]);
    }
    expect(source.entityMetadatas.length).toBeGreaterThan(10);
  });

  it('a second start finds nothing to do', async () => {
    await (await Database.open(settings)).close();
    await (await Database.open(settings)).close();
    await source.initialize();
    expect(await source.runMigrations()).toEqual([]);
  });

  it('a database that a newer version has migrated is refused, and left as it is', async () => {
    await (await Database.open(settings)).close();
    await source.initialize();
    await source.query(`insert into migrations (timestamp, name) values (1900000000000, 'Later1900000000000')`);
    const before = await schema();
    const opened = await Database.open(settings).catch((error: unknown) => error);
    expect(opened).toBeInstanceOf(ConfigError);
    expect((opened as ConfigError).message).toBe(
      'The database was made by a newer version of Herald (this one does not know its migration Later1900000000000). ' +
        'Start that version again, or restore a backup from before the upgrade.',
    );
    expect(await schema()).toEqual(before);
  });
});

describe.each((await databases()).filter((kind) => kind === 'PostgreSQL'))('migrations on %s by several', (kind) => {
  it('replicas that start together on an empty database all come up', async () => {
    const { settings, cleanUp } = await freshSettings(kind);
    try {
      const replicas = await Promise.all(Array.from({ length: 4 }, () => Database.open(settings)));
      const counts = await Promise.all(
        replicas.map((replica) => replica.read<{ n: number }>('select count(*) as n from migrations')),
      );
      expect(counts).toEqual(replicas.map(() => [{ n: migrations.length }]));
      await Promise.all(replicas.map((replica) => replica.close()));
    } finally {
      await cleanUp();
    }
  });
});
