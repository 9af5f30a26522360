import { randomBytes } from 'node:crypto';
import pg from 'pg';

export interface FreshDatabase {
  /** A complete URL for `pg` and TypeORM: `postgres://herald@127.0.0.1:PORT/NAME`. */
  url: string;
  /** Ends every connection to the database and removes it. */
  drop(): Promise<void>;
}

/**
 * Why there is no PostgreSQL on this machine, or undefined when there is one. The server of the run starts with the first call.
 * Top-level `await` it and pick `describe` or `describe.skip`; the reason is printed. With CI=true it throws instead.
 */
export async function postgresUnavailable(): Promise<string | undefined> {
  const answer = await server();
  if (answer.reason === undefined) return undefined;
  if (process.env.CI === 'true') throw new Error(`CI must not skip PostgreSQL: ${answer.reason}`);
  console.warn(`PostgreSQL tests are skipped: ${answer.reason}`);
  return answer.reason;
}

/** A new, empty database on the one server of this Jest run. Call it once a suite, and `drop` in `afterAll`. */
export async function freshDatabase(): Promise<FreshDatabase> {
  const { url, reason } = await server();
  if (url === undefined) throw new Error(reason ?? 'no PostgreSQL');
  const name = `herald_${randomBytes(6).toString('hex')}`;
  await administer(url, `create database ${name}`);
  return { url: `${url}/${name}`, drop: () => administer(url, `drop database if exists ${name} with (force)`) };
}

interface ServerAnswer {
  url?: string;
  reason?: string;
}

async function server(): Promise<ServerAnswer> {
  const own = process.env.TEST_POSTGRES_URL;
  if (own) return { url: own.replace(/\/+$/, '') };
  const door = process.env.TEST_POSTGRES_DOOR;
  if (door === undefined) return { reason: 'jest.config.js lacks the global set-up test/support/postgres.global.js' };
  const answer = await fetch(door);
  return (await answer.json()) as ServerAnswer;
}

async function administer(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: `${url}/postgres` });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
