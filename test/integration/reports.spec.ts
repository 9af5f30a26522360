import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { DeliveryReport } from '../../src/channels/channel.js';
import { CaptureChannel } from '../../src/channels/capture/capture.channel.service.js';
import { ChannelsRegistry } from '../../src/channels/channels.registry.service.js';
import { AuditStore } from '../../src/database/audit.store.js';
import { Deaths } from '../../src/deliveries/deaths.service.js';
import { DeliveriesStore, type Recorded } from '../../src/deliveries/deliveries.store.js';
import { NEVER } from '../../src/deliveries/delivery.js';
import { AttemptEntity, DeliveryEntity } from '../../src/deliveries/delivery.entity.js';
import { ReportsStore } from '../../src/deliveries/reports.store.js';
import { MessageTakenError, UnknownStore } from '../../src/deliveries/unknown.store.js';
import { MINUTE } from '../../src/duration.js';
import { OptOutsStore } from '../../src/recipients/opt-outs.store.js';
import { RecipientsStore } from '../../src/recipients/recipients.store.js';
import { databases } from '../support/app.js';
import { uncapped } from '../support/caps.js';
import { TestDatabase } from '../support/database.js';

const LEASE = 60_000;
const RENDERED = {
  message: { kind: 'sms', text: 'Hi', segments: 1, encoding: 'GSM-7' },
  templateVersion: 3,
  redaction: null,
} as const;
const PHONE = '+14155552671';

describe.each(await databases())('reports on %s', (kind) => {
  let own: TestDatabase;
  let store: DeliveriesStore;
  let reports: ReportsStore;
  let unknowns: UnknownStore;
  let deaths: Deaths;
  let fired: string[];
  let serial = 0;

  beforeAll(async () => {
    own = await TestDatabase.open(kind);
    deaths = new Deaths();
    deaths.onDead((delivery, reason) =>
      Promise.resolve(() => {
        fired.push(`${delivery.id} ${reason}`);
        return Promise.resolve();
      }),
    );
    store = new DeliveriesStore(own.database, own.ids, own.clock, uncapped(own));
    const audit = new AuditStore(own.ids, own.clock);
    const channels = new ChannelsRegistry([new CaptureChannel('sms', 'sms')]);
    const recipients = new RecipientsStore(own.database, channels, own.ids, own.clock, audit, {
      smsConsent: 'off',
      timeZone: 'UTC',
    });
    const optOuts = new OptOutsStore(own.database, recipients, own.ids, own.clock, audit);
    reports = new ReportsStore(own.database, own.clock, deaths, channels, optOuts);
    unknowns = new UnknownStore(own.database, audit, own.clock);
  });
  afterAll(() => own.close());
  beforeEach(async () => {
    fired = [];
    own.clock.aheadMs = 0;
    await own.database.uow.run(async (tx) => {
      await tx.query('delete from attempts');
      await tx.query('delete from deliveries');
    });
  });

  const to = (state: Recorded['state'], dueAt = NEVER): Recorded => ({ state, reason: null, dueAt, counted: true });
  const report = (status: DeliveryReport['status'], code?: string, sid = 'SM1'): DeliveryReport => ({
    providerMessageId: sid,
    status,
    ...(code === undefined ? {} : { code }),
  });
  const row = async (id: string) => await own.database.reads.findOneByOrFail(DeliveryEntity, { id });
  const attempt = (deliveryId: string, number = 1) =>
    own.database.reads.findOneByOrFail(AttemptEntity, { deliveryId, number });

  /** A delivery whose first attempt has begun under the claim `mine`. */
  async function sending(): Promise<string> {
    const now = own.clock.now();
    await own.database.uow.run((tx) =>
      store.enqueue(
        tx,
        [
          {
            ...{ ruleId: 'rule', ruleName: 'Rule', ruleVersion: 1, action: 0, channel: 'sms', kind: 'sms', to: PHONE },
            ...{ recipient: {}, template: 'sms-alert', attach: [], state: 'queued', dueAt: now, matches: [] },
            dedupeKey: `key ${String(++serial)}`,
          },
        ],
        { jobId: 'job', trigger: 'transcript.completed', replay: false },
      ),
    );
    return begin();
  }

  async function begin(): Promise<string> {
    const [id = ''] = await store.claim('mine', 'sms', 1, LEASE);
    await store.startAttempt(id, 'mine', RENDERED);
    return id;
  }

  /** The outcome of the attempt in hand, as DeliverService records it. */
  async function answered(id: string, outcome: 'sent' | 'ambiguous'): Promise<void> {
    const { attemptsMade } = await row(id);
    const next = outcome === 'sent' ? to('sent') : to('unknown', own.clock.now());
    await deaths.write(await row(id), (died) => store.record(id, 'mine', attemptsMade, { outcome }, next, died));
  }

  async function sent(): Promise<string> {
    const id = await sending();
    await answered(id, 'sent');
    return id;
  }

  const STATUSES = ['sending', 'sent', 'delivered', 'undelivered', 'failed', 'canceled'] as const;
  const RANK = { sending: 1, sent: 2, delivered: 3, undelivered: 3, failed: 3, canceled: 3 };
  const SHOWN = {
    ...{ sending: 'sent', sent: 'sent', delivered: 'delivered' },
    ...{ undelivered: 'dead', failed: 'dead', canceled: 'dead' },
  };
  const pairs = STATUSES.flatMap((first) => STATUSES.map((second) => [first, second] as const));

  it.each(pairs)('%s, then %s: the state never goes back (P10)', async (first, second) => {
    const id = await sent();
    expect(await reports.apply(id, 1, report(first))).toBe('applied');
    const news = RANK[second] > RANK[first];
    expect(await reports.apply(id, 1, report(second))).toBe(news ? 'applied' : 'stale');
    const last = news ? second : first;
    expect(await row(id)).toMatchObject({ state: SHOWN[last], dueAt: NEVER });
    expect((await attempt(id)).reportStatus).toBe(last);
    expect(fired).toHaveLength(SHOWN[last] === 'dead' ? 1 : 0);
  });

  it.each(STATUSES.flatMap((status) => (['sent', 'ambiguous'] as const).map((outcome) => [status, outcome] as const)))(
    '%s that was faster than the answer (%s) holds after it, and its rules fire once (P11)',
    async (status, outcome) => {
      const id = await sending();
      expect(await reports.apply(id, 1, report(status))).toBe('applied');
      expect(await row(id)).toMatchObject({ state: 'sending', leaseOwner: 'mine' });
      expect(fired).toEqual([]);
      await answered(id, outcome);
      const { state } = await row(id);
      expect(await row(id)).toMatchObject({ state: SHOWN[status], leaseOwner: null, dueAt: NEVER });
      expect(fired).toHaveLength(state === 'dead' ? 1 : 0);
      expect(await reports.apply(id, 1, report(status))).toBe('stale');
      expect(fired).toHaveLength(state === 'dead' ? 1 : 0);
    },
  );

  it('that come at the same moment leave the last word of the vendor, also while the send is in hand', async () => {
    for (let round = 0; round < 15; round++) {
      const id = await sending();
      await Promise.all(
        (['sent', 'delivered', 'sending'] as const).map((status) => reports.apply(id, 1, report(status))),
      );
      expect((await attempt(id)).reportStatus).toBe('delivered');
      await answered(id, 'sent');
      expect((await row(id)).state).toBe('delivered');
      await own.database.uow.run((tx) => tx.query('delete from deliveries'));
    }
  });

  it('two of one failure at once fire its rules once', async () => {
    const id = await sent();
    await Promise.all(Array.from({ length: 10 }, () => reports.apply(id, 1, report('failed', '30006'))));
    expect(fired).toEqual([expect.stringContaining('the vendor reported failed (30006)')]);
  });

  it('what failed for now is sent anew later, as often as its code allows, and then is dead once', async () => {
    const id = await sent();
    for (const last of [1, 2]) {
      expect(await reports.apply(id, last, report('undelivered', '30003', `SM${String(last)}`))).toBe('applied');
      const waiting = await row(id);
      expect(waiting).toMatchObject({ state: 'queued', reason: expect.stringContaining('30003') });
      expect(waiting.dueAt - own.clock.now()).toBeGreaterThan(29 * MINUTE);
      expect(await reports.apply(id, last, report('undelivered', '30003', `SM${String(last)}`))).toBe('stale');
      own.clock.aheadMs += 60 * MINUTE;
      await begin();
      await answered(id, 'sent');
      expect((await row(id)).state).toBe('sent');
    }
    expect(await reports.apply(id, 3, report('undelivered', '30003', 'SM3'))).toBe('applied');
    expect(await row(id)).toMatchObject({ state: 'dead', reason: expect.stringMatching(/^exhausted: .*30003/) });
    expect(fired).toHaveLength(1);
  });

  it('a late word on an earlier attempt does not touch the newest', async () => {
    const id = await sent();
    await reports.apply(id, 1, report('undelivered', '30003'));
    own.clock.aheadMs = 60 * MINUTE;
    await begin();
    await answered(id, 'sent');
    expect(await reports.apply(id, 1, report('undelivered', '30006'))).toBe('stale');
    expect(await reports.apply(id, 1, report('sent'))).toBe('stale');
    expect(await row(id)).toMatchObject({ state: 'sent', attemptsMade: 2 });
    expect(await reports.apply(id, 2, report('delivered', undefined, 'SM2'))).toBe('applied');
    expect(await row(id)).toMatchObject({ state: 'delivered', providerMessageId: 'SM2' });
  });

  it('proof of a message that the look-up did not find keeps it from being sent again', async () => {
    const id = await sending();
    await answered(id, 'ambiguous');
    const [owner] = [(await store.claimUnknown('looker', 1, LEASE)).length === 1 ? 'looker' : ''];
    await unknowns.resolve(id, owner, {
      state: 'queued',
      reason: 'not at the vendor',
      dueAt: own.clock.now() + MINUTE,
    });
    expect(await reports.apply(id, 1, report('sent'))).toBe('applied');
    expect(await row(id)).toMatchObject({ state: 'sent', providerMessageId: 'SM1', dueAt: NEVER });
    expect(await store.claim('mine', 'sms', 1, LEASE)).toEqual([]);
  });

  it('one message is found for one delivery only', async () => {
    const [first, second] = [await sending(), await sending()];
    await answered(first, 'ambiguous');
    await answered(second, 'ambiguous');
    await store.claimUnknown('looker', 2, LEASE);
    const found = { state: 'sent', reason: null, dueAt: NEVER, providerMessageId: 'SM1' } as const;
    expect(await unknowns.resolve(first, 'looker', found)).toBe(true);
    await expect(unknowns.resolve(second, 'looker', found)).rejects.toThrow(MessageTakenError);
    expect((await row(second)).state).toBe('unknown');
    expect(await unknowns.taken(PHONE, await attempt(second))).toEqual(['SM1']);
    expect(await unknowns.taken(PHONE, await attempt(first))).toEqual([]);
  });

  it('one message is found for one delivery only, also by two that look at the same moment', async () => {
    for (let round = 0; round < 10; round++) {
      const ids = [await sending(), await sending(), await sending()];
      for (const id of ids) await answered(id, 'ambiguous');
      await store.claimUnknown('looker', 3, LEASE);
      const found = { state: 'sent', reason: null, dueAt: NEVER, providerMessageId: 'SM1' } as const;
      const ends = await Promise.allSettled(ids.map((id) => unknowns.resolve(id, 'looker', found)));
      expect(ends.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      await own.database.uow.run(async (tx) => {
        await tx.query('delete from attempts');
        await tx.query('delete from deliveries');
      });
    }
  });

  it('a message may be that of a send that is in hand: nobody else has it until the answer is there', async () => {
    const doubtful = await sending();
    await answered(doubtful, 'ambiguous');
    const inHand = await sending();
    await store.claimUnknown('looker', 1, LEASE);
    const found = { state: 'sent', reason: null, dueAt: NEVER, providerMessageId: 'SM1' } as const;
    await expect(unknowns.resolve(doubtful, 'looker', found)).rejects.toThrow(MessageTakenError);
    await answered(inHand, 'ambiguous');
    expect(await unknowns.resolve(doubtful, 'looker', found)).toBe(true);
  });

  it('a report takes a message back from the delivery that a look-up gave it to', async () => {
    const [finder, owner] = [await sending(), await sending()];
    await answered(finder, 'ambiguous');
    await answered(owner, 'ambiguous');
    await store.claimUnknown('looker', 2, LEASE);
    const found = { state: 'sent', reason: null, dueAt: NEVER, providerMessageId: 'SM1' } as const;
    await unknowns.resolve(finder, 'looker', found);
    await reports.apply(finder, 1, report('delivered'));
    await unknowns.resolve(owner, 'looker', { state: 'queued', reason: 'not at the vendor', dueAt: NEVER });
    expect(await reports.apply(owner, 1, report('sent'))).toBe('applied');
    expect(await row(owner)).toMatchObject({ state: 'sent', providerMessageId: 'SM1' });
    expect(await row(finder)).toMatchObject({ state: 'unknown', providerMessageId: null, deliveredAt: null });
    expect(await store.claimUnknown('looker', 2, LEASE)).toEqual([finder]);
    expect(await unknowns.taken(PHONE, await attempt(finder))).toEqual(['SM1']);
  });

  it('without the number of an attempt it is found by the message, or is the newest (P12)', async () => {
    const id = await sending();
    expect(await reports.apply(id, undefined, report('sent'))).toBe('applied');
    expect((await attempt(id)).reportStatus).toBe('sent');
    expect(await reports.apply(id, 7, report('delivered'))).toBe('unknown-delivery');
    expect(await reports.apply('nobody', 1, report('sent'))).toBe('unknown-delivery');
  });
});
