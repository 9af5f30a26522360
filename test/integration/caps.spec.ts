import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { AuditStore } from '../../src/database/audit.store.js';
import type { CapsStore } from '../../src/deliveries/caps.store.js';
import { DeliveriesQueryStore } from '../../src/deliveries/deliveries.query.store.js';
import { DeliveriesStore } from '../../src/deliveries/deliveries.store.js';
import { HOUR } from '../../src/duration.js';
import type { Notification } from '../../src/rules/plan.js';
import { databases } from '../support/app.js';
import { capped } from '../support/caps.js';
import { TestDatabase } from '../support/database.js';
import { notificationOf } from '../support/notification.js';

describe.each(await databases())('caps on %s', (kind) => {
  let own: TestDatabase;
  let serial = 0;
  beforeAll(async () => {
    own = await TestDatabase.open(kind);
  });
  afterAll(() => own.close());
  beforeEach(async () => {
    // Early in an hour, so that no test runs over the end of its window.
    own.clock.aheadMs = HOUR - (Date.now() % HOUR);
    await own.database.uow.run(async (tx) => {
      await tx.query('delete from deliveries');
      await tx.query('delete from cap_counters');
    });
  });

  const notification = (to: string, over: Partial<Notification> = {}): Notification =>
    notificationOf(own, to, { dedupeKey: String(++serial), ...over });
  const enqueue = (caps: CapsStore, notifications: Notification[]): Promise<number> =>
    own.database.uow.run((tx) =>
      new DeliveriesStore(own.database, own.ids, own.clock, caps).enqueue(tx, notifications, {
        jobId: 'job',
        trigger: 'transcript.completed',
        replay: false,
      }),
    );
  const count = async (state: string): Promise<number> =>
    Number(
      (await own.database.read<{ n: number }>('select count(*) as n from deliveries where state = ?', [state]))[0]?.n,
    );

  it('of a kind are exact with 1,000 notifications of concurrent transactions; the rest is held with its reason (X4)', async () => {
    // Two, as two processes have.
    const caps = [capped(own, { sms: { perHour: 100 } }), capped(own, { sms: { perHour: 100 } })] as const;
    const jobs = Array.from({ length: 250 }, (_, job) =>
      enqueue(
        caps[job % 2 === 0 ? 0 : 1],
        Array.from({ length: 4 }, (__, n) => notification(`+1415555${String(1000 + n)}`)),
      ),
    );
    await Promise.all(jobs);
    expect(await count('queued')).toBe(100);
    expect(await count('held')).toBe(900);
    const [held] = await own.database.read<{ reason: string }>("select reason from deliveries where state = 'held'");
    expect(held?.reason).toMatch(/^cap: 100 .*HERALD_SMS_PER_HOUR.*retry it/);
  });

  it('of a recipient leave the others theirs (X4)', async () => {
    const caps = capped(own, { sms: { perHour: 50, perRecipientPerHour: 3 } });
    await Promise.all(
      Array.from({ length: 20 }, () => enqueue(caps, [notification('+14155550001'), notification('+14155550002')])),
    );
    for (const to of ['+14155550001', '+14155550002']) {
      const found = await own.database.read("select id from deliveries where state = 'queued' and recipient = ?", [to]);
      expect(found).toHaveLength(3);
    }
    const counters = await own.database.read<{ cap: string }>('select cap from cap_counters');
    expect(JSON.stringify(counters)).not.toContain('4155550001');
  });

  it('count a notification once, however often it is planned, and none that is refused', async () => {
    const caps = capped(own, { sms: { perHour: 2 } });
    const one = notification('+14155550001', { dedupeKey: 'the same' });
    await enqueue(caps, [one]);
    await enqueue(caps, [one, notification('+14155550002', { state: 'dead', reason: 'rejected' })]);
    await enqueue(caps, [notification('+14155550003')]);
    expect(await count('queued')).toBe(2);
    await enqueue(caps, [notification('+14155550004')]);
    expect(await count('held')).toBe(1);
  });

  it('begin anew with the hour; what was held stays held until a person retries it', async () => {
    const caps = capped(own, { sms: { perHour: 1 } });
    await enqueue(caps, [notification('+14155550001'), notification('+14155550002')]);
    own.clock.aheadMs += HOUR;
    const store = new DeliveriesStore(own.database, own.ids, own.clock, caps);
    expect(await store.claim('mine', 'sms', 10, HOUR)).toHaveLength(1);
    await enqueue(caps, [notification('+14155550003')]);
    expect([await count('queued'), await count('held')]).toEqual([1, 1]);
    const queries = new DeliveriesQueryStore(own.database, new AuditStore(own.ids, own.clock), own.clock);
    expect(await queries.retryMany({ state: 'held' }, 'ann')).toHaveLength(1);
    expect([await count('queued'), await count('held')]).toEqual([2, 0]);
  });

  it('do not hold what is captured, nor another kind', async () => {
    await enqueue(capped(own, { sms: { perHour: 1 } }, { captured: true }), [
      notification('+14155550001'),
      notification('+14155550002'),
    ]);
    const mail = { channel: 'email', kind: 'email' } as const;
    await enqueue(capped(own, { sms: { perHour: 1 } }), [
      notification('a@example.com', mail),
      notification('b@example.com', mail),
    ]);
    expect(await count('held')).toBe(0);
  });
});
