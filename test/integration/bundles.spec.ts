import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { FsBlobStore } from '../../src/blobs/fs.blob-store.service.js';
import { AuditStore } from '../../src/database/audit.store.js';
import { BundlesStore, type Waiter } from '../../src/deliveries/bundles.store.js';
import { DeliveriesStore } from '../../src/deliveries/deliveries.store.js';
import { NEVER } from '../../src/deliveries/delivery.js';
import type { DeliveryEntity } from '../../src/deliveries/delivery.entity.js';
import { HOUR } from '../../src/duration.js';
import { JobEntity } from '../../src/jobs/job.entity.js';
import { JobErasureStore } from '../../src/jobs/job-erasure.store.js';
import type { Notification } from '../../src/rules/plan.js';
import { databases } from '../support/app.js';
import { capped, uncapped } from '../support/caps.js';
import { TestDatabase } from '../support/database.js';
import { notificationOf } from '../support/notification.js';

const ANN: Waiter = { channel: 'sms', kind: 'sms', recipient: '+14155552671', urgent: 0 };
const BOB: Waiter = { ...ANN, recipient: '+14155552672' };

describe.each(await databases())('messages that wait on %s', (kind) => {
  let own: TestDatabase;
  let deliveries: DeliveriesStore;
  let bundles: BundlesStore;
  let serial = 0;
  beforeAll(async () => {
    own = await TestDatabase.open(kind);
    deliveries = new DeliveriesStore(own.database, own.ids, own.clock, uncapped(own));
    bundles = new BundlesStore(own.database, own.ids, own.clock, uncapped(own));
  });
  afterAll(() => own.close());
  beforeEach(async () => {
    own.clock.aheadMs = 0;
    await own.database.uow.run(async (tx) => {
      for (const table of ['cap_counters', 'deliveries', 'jobs']) await tx.query(`delete from ${table}`);
    });
  });

  /** @param dueIn milliseconds */
  const wait = (
    { recipient, urgent }: Waiter,
    count: number,
    over: Partial<Notification> = {},
    dueIn = -1_000,
    jobId = 'job',
  ) =>
    own.database.uow.run((tx) =>
      deliveries.enqueue(
        tx,
        Array.from({ length: count }, () =>
          notificationOf(own, recipient, {
            dedupeKey: `waiting:${String(++serial)}`,
            state: 'waiting',
            reason: 'waits for the digest',
            dueAt: own.clock.now() + dueIn,
            // As of several jobs: those of one plan would be one message before they wait.
            alone: true,
            ...(urgent === 1 && { urgent: true }),
            ...over,
          }),
        ),
        { jobId, trigger: 'transcript.completed', replay: false },
      ),
    );

  const all = async (recipient?: string): Promise<DeliveryEntity[]> => {
    const found = await own.database.read<{ id: string }>('select id from deliveries order by id');
    const rows = await Promise.all(found.map(({ id }) => deliveries.find(id)));
    return rows.filter((row) => row !== null).filter((row) => recipient === undefined || row.recipient === recipient);
  };
  const states = async (recipient?: string): Promise<Record<string, number>> => {
    const counts: Record<string, number> = {};
    for (const { state } of await all(recipient)) counts[state] = (counts[state] ?? 0) + 1;
    return counts;
  };

  it('go as one when several are due for a person, and are not sent for themselves', async () => {
    await wait(ANN, 3);
    expect(await deliveries.claim('mine', 'sms', 10, HOUR)).toEqual([]);
    expect(await bundles.due(10)).toEqual([ANN]);
    expect(await bundles.release(ANN, true)).toEqual({ sent: 1, bundled: 3 });
    const claimed = await deliveries.claim('mine', 'sms', 10, HOUR);
    expect(claimed).toHaveLength(1);
    const [id = ''] = claimed;
    expect(await deliveries.find(id)).toMatchObject({ template: 'digest', recipient: ANN.recipient, attach: [] });
    expect(await bundles.items(id)).toMatchObject(
      Array.from({ length: 3 }, () => ({ state: 'bundled', bundleId: id, dueAt: NEVER })),
    );
    expect(await bundles.due(10)).toEqual([]);
    expect(await bundles.next()).toBeUndefined();
  });

  it('go once, whatever number of replicas let them go at the same moment', async () => {
    await wait(ANN, 12);
    const released = await Promise.all(Array.from({ length: 6 }, () => bundles.release(ANN, true)));
    expect(released.filter(({ sent }) => sent > 0)).toEqual([{ sent: 1, bundled: 12 }]);
    expect(await states()).toEqual({ bundled: 12, queued: 1 });
  });

  it('stay as they were when the transaction does not end (C24)', async () => {
    await wait(ANN, 3);
    const caps = uncapped(own);
    let opened = 0;
    caps.open = async (...args) => {
      const open = await Object.getPrototypeOf(caps).open.apply(caps, args);
      open.close = () => (++opened === 1 ? Promise.reject(new Error('the process died')) : Promise.resolve());
      return open;
    };
    const dying = new BundlesStore(own.database, own.ids, own.clock, caps);
    await expect(dying.release(ANN, true)).rejects.toThrow('the process died');
    expect(await states()).toEqual({ waiting: 3 });
    expect(await bundles.release(ANN, true)).toEqual({ sent: 1, bundled: 3 });
    expect(await states()).toEqual({ bundled: 3, queued: 1 });
  });

  it('of which one is due go without the others, by itself and by its own template', async () => {
    await wait(ANN, 1, { template: 'alert' });
    await wait(ANN, 2, {}, HOUR);
    expect(await bundles.release(ANN, true)).toEqual({ sent: 1, bundled: 0 });
    expect(await states()).toEqual({ queued: 1, waiting: 2 });
    expect(await bundles.next()).toBeGreaterThan(own.clock.now());
    expect((await all()).find(({ state }) => state === 'queued')).toMatchObject({ template: 'alert', reason: null });
  });

  it('go each for itself when there is no template for them all', async () => {
    await wait(ANN, 3);
    expect(await bundles.release(ANN, false)).toEqual({ sent: 3, bundled: 0 });
    expect(await states()).toEqual({ queued: 3 });
  });

  it('are never mixed with those of another person, nor urgent ones with others', async () => {
    await wait(ANN, 2);
    await wait(BOB, 2);
    await wait({ ...ANN, urgent: 1 }, 2);
    expect(await bundles.due(10)).toHaveLength(3);
    await bundles.release(ANN, true);
    expect(await states(ANN.recipient)).toEqual({ bundled: 2, queued: 1, waiting: 2 });
    expect(await states(BOB.recipient)).toEqual({ waiting: 2 });
  });

  it('go on in the next message when they are more than one can carry', async () => {
    await wait(ANN, 230);
    const released: unknown[] = [];
    while ((await bundles.due(1)).length > 0) released.push(await bundles.release(ANN, true));
    expect(released).toEqual([100, 100, 30].map((bundled) => ({ sent: 1, bundled })));
    expect(await states()).toEqual({ bundled: 230, queued: 3 });
  });

  it('are not put into another message when theirs met quiet hours again', async () => {
    await wait(ANN, 2);
    await bundles.release(ANN, true);
    await own.database.uow.run((tx) => tx.query(`update deliveries set state = 'waiting' where state = 'queued'`));
    await wait(ANN, 2);
    expect(await bundles.release(ANN, true)).toEqual({ sent: 2, bundled: 2 });
    expect(await states()).toEqual({ bundled: 4, queued: 2 });
  });

  it('are counted against the caps when they go, as one', async () => {
    const strict = new BundlesStore(own.database, own.ids, own.clock, capped(own, { sms: { perRecipientPerHour: 1 } }));
    await wait(ANN, 3);
    await strict.release(ANN, true);
    expect(await states()).toEqual({ bundled: 3, queued: 1 });
    await wait(ANN, 1);
    await strict.release(ANN, true);
    expect(await states()).toEqual({ bundled: 3, held: 1, queued: 1 });
  });

  it('wait on when the hours of the person have changed', async () => {
    await wait(ANN, 2);
    await wait({ ...ANN, urgent: 1 }, 1);
    await bundles.postpone(ANN, own.clock.now() + HOUR, 'waits for the end of the snooze');
    expect(await bundles.due(10)).toEqual([{ ...ANN, urgent: 1 }]);
    expect((await all()).filter(({ reason }) => reason === 'waits for the end of the snooze')).toHaveLength(2);
  });

  it('go on without a job that was erased, under a job that is left, with no word of it', async () => {
    const audit = new AuditStore(own.ids, own.clock);
    const jobs = new JobErasureStore(own.database, audit, own.clock, new FsBlobStore('unused'));
    const [first, second] = [own.ids.next(), own.ids.next()];
    await own.database.uow.run(async (tx) => {
      for (const id of [first, second])
        await tx.insert(JobEntity, {
          id,
          state: 'completed',
          origin: 'external',
          options: {},
          tags: {},
          attempts: 0,
          createdAt: own.clock.now(),
        });
    });
    await wait(ANN, 1, {}, -1_000, first);
    await wait(ANN, 1, {}, -1_000, second);
    await bundles.release(ANN, true);
    const [bundle] = (await all()).filter(({ template }) => template === 'digest');
    expect(bundle?.jobId).toBe(second);
    await own.database.uow.run((tx) =>
      tx.query(`update deliveries set message = '{"kind":"sms","text":"said"}' where template = 'digest'`),
    );
    expect(await own.database.uow.run((tx) => jobs.hasPending(tx, first))).toBe(true);
    await jobs.eraseRows(second, 'test');
    expect(await deliveries.find(bundle?.id ?? '')).toMatchObject({ jobId: first, state: 'queued', message: null });
    expect(await bundles.items(bundle?.id ?? '')).toMatchObject([{ jobId: first }]);
    await jobs.eraseRows(first, 'test');
    expect(await all()).toEqual([]);
  });
});
