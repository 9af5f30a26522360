import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { HOUR, MINUTE, SECOND } from '../../src/duration.js';
import { EventBus } from '../../src/event-bus.service.js';
import { AlertsStore } from '../../src/operator/alerts.store.js';
import { Problems } from '../../src/operator/problems.service.js';
import { AlertSink } from '../support/alert-sink.js';
import { databases, TestApp } from '../support/app.js';
import { TestDatabase } from '../support/database.js';
import { PATIENCE_MS } from '../support/stage.js';

const hasPostgres = (await databases()).includes('PostgreSQL');

(hasPostgres ? describe : describe.skip)('two replicas on one PostgreSQL', () => {
  let sink: AlertSink;
  let replicas: TestApp[];

  beforeAll(async () => {
    sink = await AlertSink.start();
    const env = { HERALD_ALERT_WEBHOOK_URL: sink.url, HERALD_MIN_FREE_BYTES: '0' };
    const first = await TestApp.start('PostgreSQL', { env });
    replicas = [first, await TestApp.start('PostgreSQL', { env: { ...env, PORT: '3001' }, sharing: first })];
  });
  afterAll(async () => {
    for (const replica of replicas.reverse()) await replica.close();
    await sink.stop();
  });

  /** Makes both look, and waits until both have seen so many problems. */
  const look = async (count: number): Promise<void> => {
    for (const { app } of replicas) app.get(EventBus).publish({ type: 'job.overdue', id: 'any' });
    for (const { app } of replicas) {
      const problems = app.get(Problems, { strict: false });
      for (const end = Date.now() + PATIENCE_MS; problems.latest.length !== count && Date.now() < end;)
        await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const overdue = (id: string): Promise<unknown> => {
    const [{ database, clock }] = replicas as [TestApp];
    const statement = `insert into jobs (id, state, origin, options, tags, attempts, created_at, submitted_at)
                       values ($1, 'overdue', 'api', '{}', '{}', 1, $2, $2)`;
    return database.uow.run((tx) => tx.query(statement, [id, clock.now()]));
  };

  it(
    'tell once of what both see, and once when it is over',
    async () => {
      // Longer than between the looks of the two, so that neither could know by the table alone.
      sink.delayMs = 2_000;
      await overdue('a');
      await look(1);
      await sink.until('new jobs.overdue', PATIENCE_MS);
      await replicas[0]?.database.uow.run((tx) => tx.query('delete from jobs'));
      await look(0);
      await sink.until('over jobs.overdue', PATIENCE_MS);
      await look(0);
      await new Promise((resolve) => setTimeout(resolve, 4_000));
      expect(sink.heard).toEqual(['new jobs.overdue', 'over jobs.overdue']);
    },
    2 * PATIENCE_MS,
  );

  it('have one that tells; another takes over when it has gone or is silent, and a clock that was ahead holds nobody up', async () => {
    const { database, clock, close } = await openDatabase();
    try {
      const one = new AlertsStore(database, clock);
      expect(await one.lead('a', MINUTE)).toBe(true);
      expect(await one.lead('a', MINUTE)).toBe(true);
      expect(await one.lead('b', MINUTE)).toBe(false);
      await one.leave('b');
      expect(await one.lead('b', MINUTE)).toBe(false);
      await one.leave('a');
      expect(await one.lead('b', MINUTE)).toBe(true);
      clock.aheadMs = MINUTE + SECOND;
      expect(await one.lead('a', MINUTE)).toBe(true);
      clock.aheadMs = -HOUR;
      expect(await one.lead('b', MINUTE)).toBe(true);
    } finally {
      await close();
    }
  });
});

async function openDatabase() {
  const opened = await TestDatabase.open('PostgreSQL');
  return { database: opened.database, clock: opened.clock, close: () => opened.close() };
}
