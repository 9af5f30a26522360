import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { freshDatabase, postgresUnavailable, type FreshDatabase } from '../support/postgres.js';

const whenAvailable = (await postgresUnavailable()) === undefined ? describe : describe.skip;

whenAvailable('the PostgreSQL of the test run', () => {
  let database: FreshDatabase;
  let client: pg.Client;

  beforeAll(async () => {
    database = await freshDatabase();
    client = new pg.Client({ connectionString: database.url });
    await client.connect();
  });

  afterAll(async () => {
    await client.end();
    await database.drop();
  });

  it('answers with the version that the project is tested on', async () => {
    const { rows } = await client.query<{ version: string }>('select version()');
    expect(rows[0]?.version).toMatch(/^PostgreSQL 18\./);
  });

  it('gives every suite a database of its own', async () => {
    const other = await freshDatabase();
    await client.query('create table only_here (id int)');
    const elsewhere = new pg.Client({ connectionString: other.url });
    await elsewhere.connect();
    await expect(elsewhere.query('select * from only_here')).rejects.toThrow('does not exist');
    await elsewhere.end();
    await other.drop();
  });

  it('drops a database that still has connections', async () => {
    const other = await freshDatabase();
    const idle = new pg.Client({ connectionString: other.url });
    const ended = new Promise((resolve) => idle.on('error', resolve));
    await idle.connect();
    await other.drop();
    expect(await ended).toBeInstanceOf(Error);
  });
});
