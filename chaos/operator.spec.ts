import { execFile } from 'node:child_process';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from '@jest/globals';
import BetterSqlite3 from 'better-sqlite3';
import { AlertSink, CuttableWay } from '../test/support/alert-sink.js';
import { freshDatabase, postgresUnavailable } from '../test/support/postgres.js';
import { TestServer } from '../test/support/server.js';
import { PATIENCE_MS } from '../test/support/stage.js';
import { figure } from './support/scale.js';

const run = promisify(execFile);

interface Health {
  status: string;
  problems: { key: string; severity: string }[];
}

/** In the order in which they are to be undone: the last first. */
const undo: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const act of undo.splice(0).reverse()) await act();
});

async function start(env: Record<string, string> = {}): Promise<{ server: TestServer; alerts: AlertSink }> {
  const alerts = await AlertSink.start();
  undo.push(() => alerts.stop());
  const server = await TestServer.start({
    HERALD_ALERT_WEBHOOK_URL: alerts.url,
    HERALD_MIN_FREE_BYTES: '0',
    ...env,
  });
  undo.push(() => server.stop());
  return { server, alerts };
}

const readiness = async (server: TestServer): Promise<{ status: number; reasons: string[] }> => {
  const { status, body } = await server.get<{ reasons: string[] }>('/readyz');
  return { status, reasons: body.reasons };
};

async function until<T>(what: string, look: () => Promise<T | false>): Promise<T> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const found = await look();
    if (found !== false) return found;
    if (Date.now() > deadline) throw new Error(`never ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Health answers in time and with 200 whatever is broken. @returns what is wrong */
async function healthOf(server: TestServer): Promise<{ health: Health; ms: number }> {
  const begun = performance.now();
  const answer = await server.get<Health>('/v1/health');
  expect(answer.status).toBe(200);
  return { health: answer.body, ms: Math.round(performance.now() - begun) };
}

/** The database goes away and comes back: told over the webhook, shown, not ready; and over again by itself. */
async function goesAndComesBack(
  name: string,
  { server, alerts }: { server: TestServer; alerts: AlertSink },
  go: () => void,
  back: () => void,
): Promise<void> {
  const begun = Date.now();
  go();
  const { reasons } = await until('not ready', async () => {
    const answer = await readiness(server);
    return answer.status === 503 && answer;
  });
  expect(reasons).toHaveLength(1);
  const ms = await until('down', async () => {
    const answer = await healthOf(server);
    return (
      answer.health.problems.some(({ key, severity }) => key === 'database' && severity === 'critical') && answer.ms
    );
  });
  figure(`${name}: /v1/health answered after, ms`, ms);
  // Three seconds on a machine that has the time.
  expect(ms).toBeLessThan(6_000);
  await alerts.until('new database', PATIENCE_MS);
  figure(`${name}: told after, s`, Math.round((Date.now() - begun) / 1_000));
  back();
  await until('ready again', async () => (await readiness(server)).status === 200);
  await alerts.until('over database', PATIENCE_MS);
  expect(alerts.heard).toEqual(['new database', 'over database']);
}

describe('the operator is told, and Herald is not ready', () => {
  const noPostgres = postgresUnavailable();

  it(
    'while the database is away (C14, C16), on both databases side by side',
    async () => {
      const sqlite = await start();
      const locked = async (): Promise<void> => {
        const lock = new BetterSqlite3(path.join(sqlite.server.dataDir, 'herald.sqlite'), { timeout: 5_000 });
        undo.push(() => Promise.resolve(lock.close()));
        const go = () => void lock.exec('begin immediate');
        await goesAndComesBack('SQLite locked', sqlite, go, () => void lock.exec('rollback'));
      };
      const gone = async (): Promise<void> => {
        if ((await noPostgres) !== undefined) return;
        const database = await freshDatabase();
        undo.push(() => database.drop());
        const url = new URL(database.url);
        const way = await CuttableWay.to(Number(url.port));
        undo.push(() => way.stop());
        url.port = String(way.port);
        const herald = await start({ DATABASE_URL: url.href });
        await goesAndComesBack(
          'PostgreSQL gone',
          herald,
          () => way.cut(),
          () => way.mend(),
        );
      };
      await Promise.all([locked(), gone()]);
    },
    3 * PATIENCE_MS,
  );

  it(
    'when the database file is deleted under it (C15)',
    async () => {
      const { server } = await start();
      const file = path.join(server.dataDir, 'herald.sqlite');
      await rename(file, `${file}.away`);
      const { reasons } = await until('not ready', async () => {
        const answer = await readiness(server);
        return answer.status === 503 && answer;
      });
      expect(reasons).toEqual(['The database file was deleted or replaced']);
      await until('down', async () => (await healthOf(server)).health.status === 'down');
    },
    2 * PATIENCE_MS,
  );

  it(
    'when the disk fills, and no longer when there is room again (C12)',
    async () => {
      const disk = await mkdtemp(path.join(tmpdir(), 'herald-disk-'));
      undo.push(() => rm(disk, { recursive: true, force: true }));
      const mounted = await run('mount', ['-t', 'tmpfs', '-o', 'size=20m', 'tmpfs', disk]).catch(() => undefined);
      if (!mounted) {
        // Needs the right to mount.
        figure('disk full', 'skipped: a small disk cannot be mounted here');
        return;
      }
      undo.push(() => run('umount', ['-l', disk]));
      const { server, alerts } = await start({ HERALD_DATA_DIR: disk, HERALD_MIN_FREE_BYTES: '2MiB' });
      expect((await healthOf(server)).health.status).toBe('ok');
      // A file that takes all that is left.
      await writeFile(path.join(disk, 'ballast'), Buffer.alloc(64 * 1024 ** 2)).catch(() => undefined);
      await until('not ready', async () => {
        const { status, reasons } = await readiness(server);
        return status === 503 && reasons.includes('The disk of the data directory is full');
      });
      await until('critical', async () => {
        const { problems } = (await healthOf(server)).health;
        return problems.some(({ key, severity }) => key === 'disk' && severity === 'critical');
      });
      await alerts.until('new disk', PATIENCE_MS);
      await rm(path.join(disk, 'ballast'));
      await until('ready again', async () => (await readiness(server)).status === 200);
      await alerts.until('over disk', PATIENCE_MS);
      await until('well', async () => (await healthOf(server)).health.status === 'ok');
    },
    3 * PATIENCE_MS,
  );
});
