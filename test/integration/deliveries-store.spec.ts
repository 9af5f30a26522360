import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { AuditStore } from '../../src/database/audit.store.js';
import { DeliveriesStore, type EnqueueSource, type Recorded } from '../../src/deliveries/deliveries.store.js';
import { DeliveriesQueryStore } from '../../src/deliveries/deliveries.query.store.js';
import { NEVER } from '../../src/deliveries/delivery.js';
import type { DeliveryEntity } from '../../src/deliveries/delivery.entity.js';
import { UnknownStore } from '../../src/deliveries/unknown.store.js';
import { together } from '../../src/rules/merge.js';
import type { Notification } from '../../src/rules/plan.js';
import { databases } from '../support/app.js';
import { uncapped } from '../support/caps.js';
import { TestDatabase } from '../support/database.js';
import { notificationOf } from '../support/notification.js';

const LEASE = 60_000;

const RENDERED = {
  message: { kind: 'sms', text: 'Hi', segments: 1, encoding: 'GSM-7' },
  templateVersion: 3,
  redaction: null,
} as const;
const resolved = { state: 'sent', reason: null, dueAt: NEVER } as const;
const FIRST_SETTLE: EnqueueSource = { jobId: 'job', trigger: 'transcript.completed', replay: false };

describe.each(await databases())('DeliveriesStore on %s', (kind) => {
  let own: TestDatabase;
  let store: DeliveriesStore;
  let unknowns: UnknownStore;
  beforeAll(async () => {
    own = await TestDatabase.open(kind);
    store = new DeliveriesStore(own.database, own.ids, own.clock, uncapped(own));
    unknowns = new UnknownStore(own.database, new AuditStore(own.ids, own.clock), own.clock);
  });
  afterAll(() => own.close());
  beforeEach(async () => {
    own.clock.aheadMs = 0;
    await own.database.uow.run(async (tx) => {
      await tx.query('delete from attempts');
      await tx.query('delete from deliveries');
    });
  });

  const notification = (to: string, over: Partial<Notification> = {}): Notification =>
    notificationOf(own, to, { dedupeKey: `job:rule:v${String(over.ruleVersion ?? 1)}:0:sms:${to}`, ...over });

  const enqueue = (notifications: Notification[], source = FIRST_SETTLE): Promise<number> =>
    own.database.uow.run((tx) => store.enqueue(tx, notifications, source));

  const count = async (): Promise<number> =>
    Number((await own.database.read<{ n: number }>('select count(*) as n from deliveries'))[0]?.n);

  /** One delivery, claimed by `mine`. */
  async function claimed(): Promise<string> {
    await enqueue([notification('+14155552671')]);
    const [id] = await store.claim('mine', 'sms', 1, LEASE);
    expect(id).toBeDefined();
    return id ?? '';
  }

  async function row(id: string): Promise<DeliveryEntity> {
    const found = await store.find(id);
    if (!found) throw new Error('no such delivery');
    return found;
  }

  const to = (state: Recorded['state'], dueAt = NEVER): Recorded => ({ state, reason: null, dueAt, counted: true });

  it('six claimers at once take every due delivery exactly once', async () => {
    const all = Array.from({ length: 120 }, (_, n) => notification(`+1415555${String(1000 + n)}`));
    expect(await enqueue(all)).toBe(120);
    const taken: string[] = [];
    const claimer = async (owner: string): Promise<void> => {
      for (let misses = 0; misses < 3;) {
        const ids = await store.claim(owner, 'sms', 7, LEASE);
        for (const id of ids) expect((await row(id)).leaseOwner).toBe(owner);
        taken.push(...ids);
        misses = ids.length === 0 ? misses + 1 : 0;
      }
    };
    await Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map(claimer));
    expect(taken).toHaveLength(120);
    expect(new Set(taken).size).toBe(120);
  });

  it('claims what is due, oldest due first, and nothing that is due later or never', async () => {
    const now = own.clock.now();
    await enqueue([
      notification('second', { dueAt: now - 10 }),
      notification('first', { dueAt: now - 20 }),
      notification('later', { dueAt: now + 60_000 }),
      notification('refused', { state: 'dead', reason: 'rejected', dueAt: now - 30 }),
      notification('suppressed', { state: 'suppressed', dueAt: now - 30 }),
    ]);
    const ids = await store.claim('mine', 'sms', 10, LEASE);
    expect((await Promise.all(ids.map(row))).map(({ recipient }) => recipient)).toEqual(['first', 'second']);
    expect(await store.waiting()).toEqual([{ channel: 'sms', dueAt: now + 60_000 }]);
    own.clock.aheadMs = 61_000;
    expect(await store.claim('mine', 'sms', 10, LEASE)).toHaveLength(1);
    own.clock.aheadMs = 1_000_000_000;
    expect(await store.claim('mine', 'sms', 10, LEASE)).toEqual([]);
    expect(await store.waiting()).toEqual([]);
  });

  it('a dead delivery is due never', async () => {
    const id = await claimed();
    await store.record(id, 'mine', undefined, { outcome: 'rejected' }, to('dead'));
    own.clock.aheadMs = 1_000_000_000;
    expect(await store.claim('mine', 'sms', 10, LEASE)).toEqual([]);
    expect(await store.waiting()).toEqual([]);
  });

  it('a write with another owner after a claim changes nothing', async () => {
    const id = await claimed();
    const before = await row(id);
    expect(await store.startAttempt(id, 'other', RENDERED)).toBeUndefined();
    expect(await store.record(id, 'other', 1, { outcome: 'sent' }, to('sent'))).toBe(false);
    expect(await unknowns.resolve(id, 'other', resolved)).toBe(false);
    let planned = false;
    const also = (): Promise<void> => {
      planned = true;
      return Promise.resolve();
    };
    expect(await store.record(id, 'other', 1, { outcome: 'rejected' }, to('dead'), also)).toBe(false);
    expect(planned).toBe(false);
    expect(await row(id)).toEqual(before);
    expect(await store.attempts(id)).toEqual([]);
  });

  it('an attempt is counted and its message kept before it ends; its end is recorded once', async () => {
    const id = await claimed();
    expect(await store.startAttempt(id, 'mine', RENDERED)).toBe(1);
    expect(await row(id)).toMatchObject({ attemptsMade: 1, attemptsCounted: 0, message: RENDERED.message });
    expect(await store.attempts(id)).toMatchObject([{ number: 1, outcome: null, endedAt: null }]);
    const sent = { ...to('sent'), sentAt: own.clock.now(), providerMessageId: 'SM1' };
    expect(await store.record(id, 'mine', 1, { outcome: 'sent' }, sent)).toBe(true);
    expect(await store.record(id, 'mine', 1, { outcome: 'rejected' }, to('dead'))).toBe(false);
    expect(await row(id)).toMatchObject({
      state: 'sent',
      leaseOwner: null,
      attemptsCounted: 1,
      providerMessageId: 'SM1',
    });
    expect(await store.attempts(id)).toMatchObject([{ number: 1, outcome: 'sent' }]);
  });

  it('a failure beside the record of an end takes the record back', async () => {
    const id = await claimed();
    const also = (): Promise<void> => Promise.reject(new Error('planning failed'));
    await expect(store.record(id, 'mine', undefined, { outcome: 'rejected' }, to('dead'), also)).rejects.toThrow(
      'planning failed',
    );
    expect(await row(id)).toMatchObject({ state: 'sending', leaseOwner: 'mine' });
  });

  it('a lease that nobody renews is rescued, without an attempt when none had begun; the first owner has lost it', async () => {
    const id = await claimed();
    const leases = await store.leases();
    expect(leases).toEqual([{ owner: 'mine', until: expect.any(Number) }]);
    expect(await store.rescue('rescuer', LEASE, [])).toEqual([]);
    expect(await store.rescue('rescuer', LEASE, leases)).toEqual([{ id, attempt: undefined }]);
    expect(await store.startAttempt(id, 'mine', RENDERED)).toBeUndefined();
    expect(await store.record(id, 'mine', undefined, { outcome: 'sent' }, to('sent'))).toBe(false);
  });

  it('a lease that was renewed after it was read is not rescued, nor one of an owner at work here (C17)', async () => {
    await claimed();
    const leases = await store.leases();
    own.clock.aheadMs = 2 * 3_600_000;
    await store.renew(['mine'], LEASE);
    expect(await store.rescue('rescuer', LEASE, leases)).toEqual([]);
    expect(await store.rescue('rescuer', LEASE, { allBut: ['mine'] })).toEqual([]);
  });

  it('a rescue tells the attempt that had begun, and not one that had ended before', async () => {
    const id = await claimed();
    await store.startAttempt(id, 'mine', RENDERED);
    await store.record(id, 'mine', 1, { outcome: 'deferred' }, to('queued', own.clock.now()));
    await store.claim('mine', 'sms', 1, LEASE);
    expect(await store.rescue('rescuer', LEASE, { allBut: [] })).toEqual([{ id, attempt: undefined }]);
    await store.record(id, 'rescuer', undefined, { outcome: 'released' }, to('queued', own.clock.now()));
    await store.claim('mine', 'sms', 1, LEASE);
    expect(await store.startAttempt(id, 'mine', RENDERED)).toBe(2);
    expect(await store.rescue('rescuer', LEASE, { allBut: [] })).toMatchObject([
      { id, attempt: { number: 2, outcome: null } },
    ]);
  });

  it('several rescuers at once take a lost delivery once', async () => {
    await enqueue(Array.from({ length: 30 }, (_, n) => notification(`+1415555${String(1000 + n)}`)));
    await store.claim('dead process', 'sms', 30, LEASE);
    const leases = await store.leases();
    const found = await Promise.all(['a', 'b', 'c', 'd'].map((owner) => store.rescue(owner, LEASE, leases)));
    const ids = found.flat().map(({ id }) => id);
    expect(ids).toHaveLength(30);
    expect(new Set(ids).size).toBe(30);
  });

  it('a delivery that may have been sent is looked up by one at a time', async () => {
    const id = await claimed();
    await store.record(id, 'mine', undefined, { outcome: 'ambiguous' }, to('unknown', own.clock.now()));
    const claims = await Promise.all(['a', 'b', 'c', 'd'].map((owner) => store.claimUnknown(owner, 5, LEASE)));
    expect(claims.flat()).toEqual([id]);
    const owner = (await row(id)).leaseOwner ?? '';
    expect(await unknowns.resolve(id, 'nobody', resolved)).toBe(false);
    expect(await unknowns.resolve(id, owner, resolved)).toBe(true);
    expect(await row(id)).toMatchObject({ state: 'sent', leaseOwner: null });
  });

  it('100 enqueues of one notification at once store one delivery', async () => {
    const added = await Promise.all(Array.from({ length: 100 }, () => enqueue([notification('+14155552671')])));
    expect(added.reduce((sum, each) => sum + each, 0)).toBe(1);
    expect(await count()).toBe(1);
  });

  it('a replay plans nothing again that an older version of the rule has planned', async () => {
    await enqueue([notification('+14155552671')]);
    const newer = [
      notification('+14155552671', { ruleVersion: 2 }),
      notification('+14155550000', { ruleVersion: 2 }),
      notification('+14155552671', { ruleVersion: 2, action: 1, dedupeKey: 'job:rule:v2:1:sms:+14155552671' }),
    ];
    expect(await enqueue(newer, { ...FIRST_SETTLE, replay: true })).toBe(2);
    expect(await enqueue(newer, { ...FIRST_SETTLE, replay: true })).toBe(0);
    expect(await count()).toBe(3);
  });

  describe('what one message tells for several rules', () => {
    const PHONE = '+14155552671';
    const of = (ruleId: string, over: Partial<Notification> = {}): Notification =>
      notification(PHONE, {
        ruleId,
        ruleName: `Rule ${ruleId}`,
        dedupeKey: `job:${ruleId}:v1:0:sms:${PHONE}`,
        ...over,
      });
    const stored = async (): Promise<DeliveryEntity[]> => {
      const ids = await own.database.read<{ id: string }>('select id from deliveries order by id');
      return Promise.all(ids.map(({ id }) => row(id)));
    };

    it('is one delivery, which names them all and keeps no address in their names', async () => {
      expect(await enqueue(together([of('a'), of('b')]))).toBe(1);
      const [delivery] = await stored();
      expect(delivery).toMatchObject({
        ruleId: 'a',
        alsoFor: [{ ruleId: 'b', ruleName: 'Rule b', ruleVersion: 1, action: 0 }],
      });
      expect(JSON.stringify(delivery?.alsoFor)).not.toContain('4155552671');
    });

    it('is told once, whichever of the rules matches again', async () => {
      await enqueue(together([of('a'), of('b')]));
      expect(await enqueue([of('b')])).toBe(0);
      expect(await enqueue([of('b', { ruleVersion: 2, dedupeKey: 'newer' })], { ...FIRST_SETTLE, replay: true })).toBe(
        0,
      );
    });

    it('is told for the new rules only when some of it was told before', async () => {
      await enqueue([of('a')]);
      expect(await enqueue(together([of('a'), of('b'), of('c')]))).toBe(1);
      const [, later] = await stored();
      expect(later).toMatchObject({ ruleId: 'b', alsoFor: [{ ruleId: 'c' }] });
    });

    it('is found by each of its rules', async () => {
      const [a, b] = [own.ids.next(), own.ids.next()];
      await enqueue(together([of(a), of(b)]));
      const queries = new DeliveriesQueryStore(own.database, new AuditStore(own.ids, own.clock), own.clock);
      for (const ruleId of [a, b]) expect(await queries.list({ ruleId }, { limit: 10 })).toHaveLength(1);
      expect(await queries.list({ ruleId: own.ids.next() }, { limit: 10 })).toEqual([]);
    });
  });

  it('each dead delivery has its own notification: the dedupe key decides, not the recipient', async () => {
    const about = (aboutDeliveryId: string): Promise<number> =>
      enqueue([notification('+14155552671', { dedupeKey: `job:${aboutDeliveryId}:rule:v1:0:sms:+14155552671` })], {
        ...FIRST_SETTLE,
        trigger: 'delivery.dead',
        aboutDeliveryId,
      });
    expect((await Promise.all([about('a'), about('b'), about('a')])).toSorted()).toEqual([0, 1, 1]);
    expect(await count()).toBe(2);
  });

  it('a fault of a row that is no duplicate is told, not dropped', async () => {
    const broken = notification('+14155552671', { template: null as unknown as string });
    await expect(enqueue([notification('+14155550000'), broken])).rejects.toThrow(/null/i);
    expect(await count()).toBe(0);
  });
});
