import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { HOUR, MINUTE } from '../../src/duration.js';
import type { Notification } from '../../src/rules/plan.js';
import type { Throttle } from '../../src/rules/rule.js';
import { throttledBy } from '../../src/rules/throttle.js';
import { ThrottlesStore } from '../../src/rules/throttles.store.js';
import { databases } from '../support/app.js';
import { TestDatabase } from '../support/database.js';
import { notificationOf } from '../support/notification.js';

describe.each(await databases())('throttles on %s', (kind) => {
  let own: TestDatabase;
  beforeAll(async () => {
    own = await TestDatabase.open(kind);
  });
  afterAll(() => own.close());
  beforeEach(async () => {
    own.clock.aheadMs = 0;
    await own.database.uow.run((tx) => tx.query('delete from throttles'));
  });

  /** Two, as two processes have. */
  const stores = (): [ThrottlesStore, ThrottlesStore] => [
    new ThrottlesStore(own.database, own.clock),
    new ThrottlesStore(own.database, own.clock),
  ];
  const to = (address: string, over: Partial<Throttle> = {}): Notification => {
    const throttle = throttledBy(
      { id: 'rule', throttle: { times: 1, within: '1h', per: 'recipient', ...over } },
      {},
      { kind: 'sms', to: address, named: 'contact:ann' },
    );
    return notificationOf(own, address, { dedupeKey: address, ...(throttle && { throttle }) });
  };
  const call = async (store: ThrottlesStore, jobId: string, notifications: Notification[]): Promise<string[]> => {
    const { admitted } = await own.database.uow.run((tx) => store.admit(tx, notifications, jobId));
    return admitted.map((notification) => notification.to);
  };
  const keys = (): Promise<{ throttle: string }[]> => own.database.read('select throttle from throttles');

  it('are exact with 100 calls settled at once, each for the same people in another order', async () => {
    const both = stores();
    const people = ['+14155550001', '+14155550002', '+14155550003'];
    const told = await Promise.all(
      Array.from({ length: 100 }, (_, i) => {
        const turned = [...people.slice(i % 3), ...people.slice(0, i % 3)];
        return call(
          both[i % 2 === 0 ? 0 : 1],
          String(i),
          turned.map((one) => to(one, { times: 7 })),
        );
      }),
    );
    for (const one of people) expect(told.flat().filter((other) => other === one)).toHaveLength(7);
  });

  it('open again after their time, and keep nothing that has no meaning any more', async () => {
    const [store] = stores();
    expect(await call(store, '1', [to('+1')])).toHaveLength(1);
    expect(await call(store, '2', [to('+1')])).toEqual([]);
    own.clock.aheadMs = HOUR + MINUTE;
    expect(await call(store, '3', [to('+2')])).toHaveLength(1);
    expect(await keys()).toHaveLength(1);
    expect(await call(store, '4', [to('+1')])).toHaveLength(1);
  });

  it('count nothing that was rolled back (C25)', async () => {
    const [store] = stores();
    const failed = own.database.uow.run(async (tx) => {
      await store.admit(tx, [to('+1')], '1');
      throw new Error('later');
    });
    await expect(failed).rejects.toThrow('later');
    expect(await call(store, '2', [to('+1')])).toHaveLength(1);
  });

  it('ask nothing of the database for rules without one', async () => {
    const [store] = stores();
    expect(await call(store, '1', [notificationOf(own, '+1', { dedupeKey: '1' })])).toEqual(['+1']);
    expect(await keys()).toEqual([]);
  });
});
