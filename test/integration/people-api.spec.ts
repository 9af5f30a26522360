import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DeliveryEntity } from '../../src/deliveries/delivery.entity.js';
import { DAY, HOUR } from '../../src/duration.js';
import { Ids } from '../../src/ids.service.js';
import { Purge } from '../../src/keeping/purge.service.js';
import { databases, TestApp } from '../support/app.js';
import { until } from '../support/until.js';

const NIGHT = { from: '21:00', until: '07:00' };

describe.each(await databases())('people on %s', (kind) => {
  let herald: TestApp;
  beforeAll(async () => {
    herald = await TestApp.start(kind, {
      env: { HERALD_SMS_CONSENT: 'required', HERALD_TIME_ZONE: 'Europe/Berlin', HERALD_RETENTION_DAYS: '30' },
    });
  });
  afterAll(() => herald.close());

  const contact = (name: string, more: object = {}) =>
    herald.api('POST', '/v1/contacts', { name, email: `${name}@example.com`, ...more });
  const resolve = (body: object) => herald.api('POST', '/v1/recipients/resolve', body);
  const consent = (body: object) => herald.api('POST', '/v1/consents', { kind: 'sms', how: 'web form', ...body });
  const action = (to: string[], more: object = {}) => ({ channel: 'email', to, template: 'transcript-ready', ...more });

  it('keeps when and how a contact may be written to, and gives it back as it came', async () => {
    const wishes = {
      phone: '+14155550142',
      timeZone: 'America/New_York',
      channels: ['email'],
      quiet: [NIGHT, { from: '00:00', until: '24:00', days: ['sat', 'sun'] }],
      digest: { at: '08:00', days: ['mon'] },
      snoozedUntil: '2026-12-01T08:00:00.000Z',
      content: 'preview',
    };
    const made = await contact('wishes', wishes);
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject(wishes);
    const { id, createdAt, updatedAt, ...body } = made.body;
    const again = await herald.api('PUT', `/v1/contacts/${String(id)}`, body);
    expect(again.body).toMatchObject({ ...body, id, createdAt });
    expect(updatedAt).toBeDefined();
    const plain = await herald.api('PUT', `/v1/contacts/${String(id)}`, { name: 'wishes', email: 'w@example.com' });
    expect(Object.keys(plain.body as object).sort()).toEqual(['createdAt', 'email', 'id', 'name', 'updatedAt']);
  });

  it.each([
    ['hours that cover the week', { quiet: { from: '00:00', until: '24:00' } }, '/quiet', 'whole week'],
    ['hours of no length', { quiet: { from: '07:00', until: '07:00' } }, '/quiet/until', 'whole day'],
    ['a time that is none', { quiet: { from: '9pm', until: '07:00' } }, '/quiet/from', '07:00'],
    ['a wrong day', { digest: { at: '08:00', days: ['monday'] } }, '/digest/days/0', 'mon'],
    ['no days', { digest: { at: '08:00', days: [] } }, '/digest/days', ''],
    ['a snooze without a zone', { snoozedUntil: '2026-12-01T08:00:00' }, '/snoozedUntil', 'zone'],
    ['a channel without an address', { channels: ['sms'] }, '/channels', 'phone number'],
    ['a level that is none', { content: 'nothing' }, '/content', 'fact'],
  ])('refuses %s, and names the field', async (what, wishes, pointer, word) => {
    const answer = await contact(`wrong ${what}`.replaceAll(' ', '-'), wishes);
    expect(answer.status).toBe(400);
    expect(answer.body.errors[0].pointer).toBe(pointer);
    expect(answer.body.errors[0].message).toContain(word);
  });

  it('answers who will get a message: address, channel, time, level, and why not', async () => {
    await contact('Ann');
    await contact('Nina', { quiet: NIGHT, content: 'link', phone: '+14155550143', channels: ['email'] });
    await contact('Dora', { digest: { at: '08:00' } });
    await herald.api('POST', '/v1/suppressions', { kind: 'email', address: 'gone@example.com', reason: 'asked' });
    await herald.api('POST', '/v1/groups', { name: 'team', members: ['Ann', 'Nina', 'Dora'] });
    const answer = await resolve({
      actions: [
        action(['group:team', '{{job.tags.email}}', '{{job.tags.other}}']),
        action(['contact:nina', '+14155550199'], { channel: 'sms' }),
      ],
      tags: { email: 'gone@example.com' },
      at: '2026-11-21T23:30:00+01:00',
    });
    expect(answer.status).toBe(200);
    const at = (time: string) => `2026-11-2${time}:00.000Z`;
    expect(answer.body.recipients).toEqual([
      { ...shown(0, 'Ann@example.com'), name: 'Ann', state: 'queued', at: at('1T22:30'), content: 'full' },
      {
        ...shown(0, 'Nina@example.com'),
        name: 'Nina',
        state: 'waiting',
        at: at('2T06:00'),
        reason: 'waits for the end of the quiet hours',
        content: 'link',
      },
      {
        ...shown(0, 'Dora@example.com'),
        name: 'Dora',
        state: 'waiting',
        at: at('2T07:00'),
        reason: 'waits for the digest',
        content: 'full',
      },
      { ...shown(0, 'gone@example.com'), state: 'suppressed', reason: 'asked', content: 'full' },
      {
        ...shown(1, '+14155550199', 'sms'),
        state: 'suppressed',
        reason: 'there is no consent on record',
        content: 'full',
      },
    ]);
    expect(answer.body.skipped).toEqual([
      { action: 0, to: '{{job.tags.other}}', reason: 'job.tags.other is absent' },
      { action: 1, to: 'contact:nina', reason: 'the contact "Nina" is not to be sent SMS' },
    ]);
    expect(await herald.database.read('select id from deliveries')).toEqual([]);
  });

  const shown = (index: number, to: string, channel = 'email') => ({
    action: index,
    channel,
    kind: channel,
    to,
    template: 'transcript-ready',
  });

  it.each([
    ['spring', '2026-03-28T22:00:00Z', '2026-03-29T05:00:00.000Z'],
    ['autumn', '2026-10-24T22:00:00Z', '2026-10-25T06:00:00.000Z'],
  ])('answers for the night of the change in %s with seven on the wall', async (_season, at, until) => {
    const answer = await resolve({ actions: [action(['contact:nina'])], at });
    expect(answer.body.recipients).toMatchObject([{ state: 'waiting', at: until }]);
  });

  it('answers it for a saved rule, also one that is switched off', async () => {
    await contact('Eve');
    const rule = { name: 'to-eve', enabled: false, actions: [action(['contact:Eve'], { urgent: true })] };
    expect((await herald.api('POST', '/v1/rules', rule)).status).toBe(201);
    expect((await resolve({ rule: 'to-eve' })).body).toMatchObject({
      enabled: false,
      recipients: [{ to: 'Eve@example.com', state: 'queued' }],
      skipped: [],
    });
  });

  it.each([
    [{}, 400, ''],
    [{ rule: 'x', actions: [] }, 400, ''],
    [{ rule: 'nobody' }, 404, undefined],
    [{ actions: [{ channel: 'email', to: ['contact:nobody'], template: 'transcript-ready' }] }, 422, '/actions/0/to/0'],
    [{ actions: [{ channel: 'fax', to: ['a@example.com'], template: 'transcript-ready' }] }, 422, '/actions/0/channel'],
    [{ rule: 'to-eve', jobId: '00000000-0000-7000-8000-000000000000' }, 422, 'jobId'],
    [{ rule: 'to-eve', at: 8.64e15 }, 400, '/at'],
  ])('refuses to answer %j', async (body, status, pointer) => {
    const answer = await resolve(body);
    expect(answer.status).toBe(status);
    if (pointer !== undefined && pointer !== '') expect(answer.body.errors[0].pointer).toBe(pointer);
  });

  it('keeps a ledger of consent that only grows, and whose latest entry counts', async () => {
    const address = '+14155550150';
    const ask = () => resolve({ actions: [action([address], { channel: 'sms' })] });
    const stateNow = async () => (await ask()).body.recipients[0].state as string;
    expect(await stateNow()).toBe('suppressed');
    const given = await consent({ address: '+1 (415) 555-0150', state: 'given', evidence: 'signup 4711' });
    expect(given.status).toBe(201);
    expect(given.body).toMatchObject({ address, state: 'given', how: 'web form', evidence: 'signup 4711' });
    expect(await stateNow()).toBe('queued');
    const before = new Date(herald.clock.now() - DAY).toISOString();
    await consent({ address, state: 'withdrawn', how: 'by phone', at: before });
    expect(await stateNow()).toBe('suppressed');
    const query = `/v1/consents?kind=sms&address=${encodeURIComponent(address)}`;
    const states = async (more = '') =>
      (await herald.get(query + more)).body.items.map((one: { state: string }) => one.state);
    expect(await states()).toEqual(['withdrawn', 'given']);
    expect(await states('&current=true')).toEqual(['withdrawn']);
    expect(await states('&current=true&state=given')).toEqual([]);
    const entry = `/v1/consents/${String(given.body.id)}`;
    expect((await herald.get(entry)).body).toEqual(given.body);
    expect((await herald.api('DELETE', entry)).status).toBe(405);
    expect((await herald.api('PUT', entry, { state: 'given' })).status).toBe(405);
  });

  it.each([
    ['an address that is none', { address: '0151 123', state: 'given' }, 422, '/address'],
    ['no way', { address: '+14155550151', state: 'given', how: ' ' }, 400, '/how'],
    ['a state that is none', { address: '+14155550151', state: 'yes' }, 400, '/state'],
    ['a time to come', { address: '+14155550151', state: 'given', at: '2126-01-01T00:00:00Z' }, 422, '/at'],
  ])('refuses an entry with %s', async (_what, body, status, pointer) => {
    const answer = await consent(body);
    expect(answer.status).toBe(status);
    expect(answer.body.errors[0].pointer).toBe(pointer);
  });

  it('erases what a person has agreed to, and keeps what protects them', async () => {
    const address = '+14155550160';
    await consent({ address, state: 'given', evidence: 'form of a person' });
    await consent({ address, state: 'withdrawn' });
    const erased = await herald.api('POST', '/v1/erasures', { kind: 'phone', value: address });
    expect(erased.body).toMatchObject({ counts: { consents: 1 }, remains: { withdrawals: 1 } });
    const left = await herald.get(`/v1/consents?kind=sms&address=${encodeURIComponent(address)}`);
    expect(left.body.items).toMatchObject([{ state: 'withdrawn' }]);
  });

  it('lets what waits follow the hours of its person when they change', async () => {
    const ends = new Date(herald.clock.now() + 5 * HOUR).toISOString();
    const { id } = (await contact('Sam', { snoozedUntil: ends })).body;
    const delivery = await insert('Sam@example.com', 'waiting', Date.parse(ends));
    const due = async () => Date.parse((await read(delivery)).dueAt ?? '');
    const later = herald.clock.now() + 9 * HOUR;
    await herald.api('POST', `/v1/contacts/${String(id)}/snooze`, { until: new Date(later).toISOString() });
    expect(await due()).toBe(later);
    const ended = await herald.api('POST', `/v1/contacts/${String(id)}/snooze`, { until: null });
    expect(ended.body.snoozedUntil).toBeUndefined();
    expect(await due()).not.toBe(later);
  });

  it('asks again right before a send: what was tried before and is due at night waits', async () => {
    const snoozedUntil = new Date(herald.clock.now() + 5 * HOUR).toISOString();
    await contact('Tom', { snoozedUntil });
    const id = await insert('Tom@example.com', 'dead', herald.clock.now());
    await herald.api('POST', `/v1/deliveries/${id}/retry`);
    const waits = await until(
      () => read(id),
      ({ state }) => state === 'waiting',
    );
    expect(waits).toMatchObject({ dueAt: snoozedUntil, reason: 'waits for the end of the snooze', attempts: [] });
    // By name it is sent at once; its job is none, so it dies of that, and not of its hours.
    await herald.api('POST', `/v1/deliveries/${id}/retry`);
    await until(
      () => read(id),
      ({ state }) => state === 'dead',
    );
  });

  it('drops a message that asked for consent when its time is over, and no other', async () => {
    const old = await insert('old@example.com', 'sent', 0, { jobId: '', createdAt: herald.clock.now() - 31 * DAY });
    const young = await insert('young@example.com', 'sent', 0, { jobId: '' });
    const open = await insert('open@example.com', 'held', 0, { jobId: '', createdAt: 0 });
    await herald.app.get(Purge, { strict: false }).run();
    const left = await herald.database.read<{ id: string }>(`select id from deliveries where job_id = ''`);
    expect(left.map(({ id }) => id).sort()).toEqual([young, open].sort());
    expect(left).not.toContainEqual({ id: old });
  });

  it('lets what waited go together when the clock comes to the end of the quiet hours', async () => {
    const wall = (ahead: number) => new Date(herald.clock.now() + ahead).toISOString().slice(11, 16);
    const quiet = { from: wall(-HOUR), until: wall(2 * HOUR) };
    await contact('Una', { timeZone: 'UTC', quiet });
    const due = herald.clock.now() + 2 * HOUR;
    const ids = [await insert('Una@example.com', 'waiting', due), await insert('Una@example.com', 'waiting', due)];
    // One that a mistake has made due too early waits for the hours all the same.
    await herald.database.uow.run((tx) => tx.update(DeliveryEntity, { id: ids[0]! }, { dueAt: 0 }));
    await until(
      () => read(ids[0]!),
      ({ dueAt }) => Date.parse(dueAt ?? '') > herald.clock.now() + HOUR,
    );
    herald.clock.aheadMs = 3 * HOUR;
    for (const id of ids)
      await until(
        () => read(id),
        ({ state }) => state === 'bundled',
      );
    expect(new Set((await Promise.all(ids.map(read))).map(({ bundleId }) => bundleId)).size).toBe(1);
  });

  const read = async (id: string) =>
    (
      await herald.get<{ state: string; dueAt: string | null; reason: string; bundleId: string | null }>(
        `/v1/deliveries/${id}`,
      )
    ).body;

  async function insert(
    recipient: string,
    state: string,
    dueAt: number,
    over: Partial<DeliveryEntity> = {},
  ): Promise<string> {
    const id = herald.app.get(Ids, { strict: false }).next();
    await herald.database.uow.run((tx) =>
      tx.insert(DeliveryEntity, {
        id,
        jobId: 'j1',
        trigger: 'transcript.completed',
        ruleId: 'r1',
        ruleName: 'r',
        ruleVersion: 1,
        action: 0,
        channel: 'email',
        kind: 'email',
        recipient,
        recipientData: {},
        template: 'transcript-ready',
        attach: [],
        alsoFor: [],
        matches: [],
        state: state as 'waiting',
        dedupeKey: id,
        dueAt,
        attemptsCounted: 0,
        attemptsMade: 0,
        queuedAt: herald.clock.now(),
        createdAt: herald.clock.now(),
        updatedAt: herald.clock.now(),
        ...over,
      }),
    );
    return id;
  }
});
