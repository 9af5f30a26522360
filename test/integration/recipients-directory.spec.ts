import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { RecipientsStore } from '../../src/recipients/recipients.store.js';
import { databases, TestApp } from '../support/app.js';

const HOSTILE_NAMES = [
  `Robert'); DROP TABLE contacts;--`,
  `' OR '1'='1`,
  '{{constructor}} #{7*7} %s %n <script>alert(1)</script>',
  'עִברִית \u202e gnirts \u202c \u200b zero',
  '👩‍👩‍👧‍👦 Zo\u0308e',
  'null',
  '__proto__',
  'constructor',
  '日本語の名前',
  '../../etc/passwd',
  'a"b\\c\'d`e',
];

describe.each(await databases())('the directory on %s', (kind) => {
  let herald: TestApp;
  beforeAll(async () => {
    herald = await TestApp.start(kind, { env: { HERALD_OPERATOR_EMAIL: 'Operator@Example.COM' } });
  });
  afterAll(() => herald.close());

  const contact = (name: string, more: object = {}) =>
    herald.api('POST', '/v1/contacts', { name, email: 'someone@example.com', ...more });
  const directory = () => herald.app.get(RecipientsStore, { strict: false }).directory();

  it('makes the contact operator at the first start, and respects that it was deleted', async () => {
    const found = await herald.get('/v1/contacts?name=OPERATOR');
    expect(found.body.items).toMatchObject([{ name: 'operator', email: 'Operator@example.com' }]);
    const naming = (await herald.get('/v1/rules')).body.items.filter((one: { name: string }) =>
      one.name.endsWith('to-operator'),
    );
    expect(naming).toHaveLength(2);
    for (const { id } of naming)
      await herald.api('DELETE', `/v1/rules/${String(id)}`, undefined, { 'if-match': '"v1"' });
    const { id } = found.body.items[0];
    expect((await herald.api('DELETE', `/v1/contacts/${String(id)}`)).status).toBe(204);
    await herald.app.get(RecipientsStore, { strict: false }).ensureOperator('operator@example.com');
    expect((await herald.get('/v1/contacts?name=operator')).body.items).toEqual([]);
  });

  it('keeps a contact with normalised addresses and tells what looks wrong with a number', async () => {
    const made = await contact('on-call', {
      email: 'On.Call@EXAMPLE.com',
      phone: '+1 (800) 253-0000',
      timeZone: 'Europe/Vienna',
    });
    expect(made.status).toBe(201);
    expect(made.body).toMatchObject({
      name: 'on-call',
      email: 'On.Call@example.com',
      phone: '+18002530000',
      timeZone: 'Europe/Vienna',
      warnings: [expect.stringContaining('toll-free')],
    });
    expect(made.headers.get('location')).toBe(`/v1/contacts/${String(made.body.id)}`);
    const read = await herald.get(made.headers.get('location')!);
    expect(read.body).toEqual({ ...made.body, warnings: undefined });
    expect((await directory()).contact('ON-CALL')).toMatchObject({ phone: '+18002530000' });
  });

  it.each(HOSTILE_NAMES)('takes the name %j and gives it back byte for byte', async (name) => {
    const made = await contact(name);
    expect(made.status).toBe(201);
    expect(made.body.name).toBe(name);
    const found = await herald.get(`/v1/contacts?name=${encodeURIComponent(name)}`);
    expect(found.body.items.map((one: { name: string }) => one.name)).toEqual([name]);
    expect((await directory()).contact(name)?.name).toBe(name);
  });

  it.each([
    ['a NUL', 'a\0b'],
    ['half a surrogate pair', 'a\ud800b'],
    ['a line break', 'a\nb'],
    ['a Unicode line separator', 'a\u2028b'],
    ['white space at its end', 'a '],
    ['nothing', ''],
    ['more than 100 characters', 'x'.repeat(101)],
  ])('refuses a name with %s', async (_what, name) => {
    const answer = await contact(name);
    expect(answer.status).toBe(400);
    expect(answer.body.errors[0].pointer).toBe('/name');
  });

  it.each([
    ['a comma list', { email: 'a@example.com,b@example.com' }, '/email'],
    ['CR LF', { email: 'a@example.com\r\nBcc: b@example.com' }, '/email'],
    ['a display name', { email: 'A <a@example.com>' }, '/email'],
    ['a phone without country', { phone: '07911 123456' }, '/phone'],
    ['words as a phone', { phone: '+1 800 FLOWERS' }, '/phone'],
  ])('refuses %s with 422, names the field and never repeats the address', async (_what, address, pointer) => {
    const answer = await herald.api('POST', '/v1/contacts', { name: `wrong ${pointer}`, ...address });
    expect(answer.status).toBe(422);
    expect(answer.body).toMatchObject({ code: 'RECIPIENT_INVALID', errors: [{ pointer }] });
    for (const value of Object.values(address)) expect(JSON.stringify(answer.body)).not.toContain(value);
  });

  it('refuses a contact without any address, with a wrong zone or language, and objects in the place of text', async () => {
    expect((await herald.api('POST', '/v1/contacts', { name: 'nobody' })).status).toBe(400);
    expect((await contact('x1', { timeZone: 'Mars/Olympus' })).body.errors[0].pointer).toBe('/timeZone');
    expect((await contact('x2', { locale: 'not a locale' })).body.errors[0].pointer).toBe('/locale');
    expect((await contact('x3', { email: { $ne: null } })).body.errors[0].pointer).toBe('/email');
    expect((await herald.get('/v1/contacts?name[$ne]=x')).status).toBe(400);
  });

  it.each(['id', 'createdAt', 'updatedAt', 'nameKey', 'warnings', 'role'])(
    'refuses %s in a body, and leaves the row as it was',
    async (field) => {
      const made = (await contact(`mass ${field}`)).body;
      const body = { name: `mass ${field}`, email: 'someone@example.com', [field]: 'evil' };
      expect((await herald.api('POST', '/v1/contacts', { ...body, name: 'other' })).status).toBe(400);
      const answer = await herald.api('PUT', `/v1/contacts/${String(made.id)}`, body);
      expect(answer.status).toBe(400);
      expect(answer.body.errors[0].pointer).toBe(`/${field}`);
      expect((await herald.get(`/v1/contacts/${String(made.id)}`)).body).toEqual(made);
    },
  );

  it('suggests the field that was meant', async () => {
    const answer = await herald.api('POST', '/v1/contacts', {
      name: 'slip',
      emial: 'a@example.com',
      phone: '+447911123456',
    });
    expect(answer.body.errors).toEqual([
      { pointer: '/emial', message: 'is not known here: did you mean email?', suggestion: 'email' },
    ]);
  });

  it('has one contact a name, whatever its case, and says how to mend it', async () => {
    await contact('Twice');
    const answer = await contact('tWICE');
    expect(answer.status).toBe(409);
    expect(answer.body.detail).toContain('PUT');
    expect(answer.body.errors).toMatchObject([{ pointer: '/name' }]);
  });

  it('lets exactly one of many win that make the same contact at the same moment', async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => contact('rush')));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409, 409, 409, 409, 409]);
  });

  it('binds a change to what was read, when If-Match says so', async () => {
    const made = await contact('guarded');
    const route = `/v1/contacts/${String(made.body.id)}`;
    const etag = (await herald.get(route)).headers.get('etag') ?? '';
    const body = { name: 'guarded', email: 'first@example.com' };
    const match = { 'if-match': etag };
    const saved = await herald.api('PUT', route, body, match);
    expect(saved.status).toBe(200);
    expect(saved.headers.get('etag')).not.toBe(etag);
    expect((await herald.api('PUT', route, { ...body, email: 'second@example.com' }, match)).status).toBe(412);
    expect((await herald.api('DELETE', route, undefined, match)).status).toBe(412);
    expect((await herald.get(route)).body.email).toBe('first@example.com');
    const group = await herald.api('POST', '/v1/groups', { name: 'guarded', members: [] });
    const groupRoute = `/v1/groups/${String(group.body.id)}`;
    const read = { 'if-match': (await herald.get(groupRoute)).headers.get('etag') ?? '' };
    expect((await herald.api('PUT', groupRoute, { name: 'guarded', members: ['guarded'] }, read)).status).toBe(200);
    expect((await herald.api('PUT', groupRoute, { name: 'guarded', members: [] }, read)).status).toBe(412);
    const before = { 'if-match': (await herald.get(groupRoute)).headers.get('etag') ?? '' };
    expect((await herald.api('PUT', route, { ...body, name: 'renamed' })).status).toBe(200);
    expect((await herald.api('PUT', groupRoute, { name: 'guarded', members: [] }, before)).status).toBe(412);
    expect((await herald.api('DELETE', groupRoute)).status).toBe(204);
    expect((await herald.api('DELETE', route)).status).toBe(204);
  });

  it('names the contacts of a group as they are spelled, and suggests the ones that were meant', async () => {
    await contact('Ann Example');
    await contact('Bob');
    const made = await herald.api('POST', '/v1/groups', { name: 'billing', members: ['ann example', 'BOB', 'bob'] });
    expect(made.status).toBe(201);
    expect(made.body.members).toEqual(['Ann Example', 'Bob']);
    const wrong = await herald.api('PUT', `/v1/groups/${String(made.body.id)}`, {
      name: 'billing',
      members: ['Bob', 'An Example'],
    });
    expect(wrong.status).toBe(422);
    expect(wrong.body.errors).toMatchObject([{ pointer: '/members/1', suggestion: 'Ann Example' }]);
    expect((await herald.get(`/v1/groups/${String(made.body.id)}`)).body.members).toEqual(['Ann Example', 'Bob']);
    const fewer = await herald.api('PUT', `/v1/groups/${String(made.body.id)}`, { name: 'Billing', members: ['bob'] });
    expect(fewer.body).toMatchObject({ name: 'Billing', members: ['Bob'] });
  });

  it('carries a new name of a contact into its groups, and takes a deleted one out of them', async () => {
    const carol = (await contact('Carol')).body;
    await contact('Dave');
    const group = (await herald.api('POST', '/v1/groups', { name: 'shift', members: ['Carol', 'Dave'] })).body;
    const renamed = await herald.api('PUT', `/v1/contacts/${String(carol.id)}`, {
      name: 'Carola',
      email: 'c@example.com',
    });
    expect(renamed.status).toBe(200);
    expect((await herald.get(`/v1/groups/${String(group.id)}`)).body.members).toEqual(['Carola', 'Dave']);
    expect((await directory()).group('shift')?.map(({ name }) => name)).toEqual(['Carola', 'Dave']);
    expect((await herald.api('DELETE', `/v1/contacts/${String(carol.id)}`)).status).toBe(204);
    expect((await herald.get(`/v1/groups/${String(group.id)}`)).body.members).toEqual(['Dave']);
    expect((await herald.get(`/v1/contacts/${String(carol.id)}`)).status).toBe(404);
  });

  it('refuses to delete or rename what a rule names, and says which rule', async () => {
    const erin = (await contact('Erin')).body;
    const group = (await herald.api('POST', '/v1/groups', { name: 'escalation', members: ['Erin'] })).body;
    const rule = await herald.api('POST', '/v1/rules', {
      name: 'names-erin',
      actions: [{ channel: 'email', to: ['contact:erin', 'group:Escalation'], template: 'transcript-ready' }],
    });
    expect(rule.status).toBe(201);
    const contactPath = `/v1/contacts/${String(erin.id)}`;
    const groupPath = `/v1/groups/${String(group.id)}`;
    for (const answer of [
      await herald.api('DELETE', contactPath),
      await herald.api('PUT', contactPath, { name: 'Erina', email: 'e@example.com' }),
      await herald.api('DELETE', groupPath),
      await herald.api('PUT', groupPath, { name: 'other', members: [] }),
    ]) {
      expect(answer.status).toBe(409);
      expect(answer.body.detail).toContain('the rule "names-erin"');
    }
    expect((await herald.api('PUT', contactPath, { name: 'ERIN', email: 'e2@example.com' })).status).toBe(200);
    await herald.api('DELETE', `/v1/rules/${String(rule.body.id)}`, undefined, { 'if-match': '*' });
    expect((await herald.api('DELETE', contactPath)).status).toBe(204);
    expect((await herald.api('DELETE', groupPath)).status).toBe(204);
  });

  it('suppresses an address however it is written, once', async () => {
    const made = await herald.api('POST', '/v1/suppressions', { kind: 'sms', address: '+44 7911 123-456' });
    expect(made.body).toMatchObject({ kind: 'sms', address: '+447911123456', reason: 'manual' });
    expect((await directory()).suppression('sms', '+447911123456')).toBe('manual');
    expect((await herald.api('POST', '/v1/suppressions', { kind: 'sms', address: '+447911123456' })).status).toBe(409);
    const mail = await herald.api('POST', '/v1/suppressions', {
      kind: 'email',
      address: 'STOP@Example.com',
      reason: 'asked',
    });
    expect((await directory()).suppression('email', 'stop@example.com')).toBe('asked');
    const found = await herald.get('/v1/suppressions?kind=email&address=Stop%40EXAMPLE.com');
    expect(found.body.items).toHaveLength(1);
    const changed = await herald.api('PUT', `/v1/suppressions/${String(mail.body.id)}`, { reason: 'asked twice' });
    expect(changed.body.reason).toBe('asked twice');
    expect((await herald.api('DELETE', `/v1/suppressions/${String(mail.body.id)}`)).status).toBe(204);
    expect((await directory()).suppression('email', 'stop@example.com')).toBeUndefined();
  });

  it('suppresses an address for one sender, beside every sender, and says who did', async () => {
    const address = '+447911123499';
    const body = { kind: 'sms', address, sender: '+1 (555) 123-4567', reason: 'asked' };
    const made = await herald.api('POST', '/v1/suppressions', body);
    expect(made.body).toMatchObject({ sender: '+15551234567', source: 'operator' });
    expect((await herald.api('POST', '/v1/suppressions', body)).status).toBe(409);
    expect((await directory()).suppression('sms', address, '+15551234567')).toBe('asked');
    expect((await directory()).suppression('sms', address, '+15559999999')).toBeUndefined();
    const everyone = await herald.api('POST', '/v1/suppressions', { kind: 'sms', address });
    expect(everyone.status).toBe(201);
    expect(everyone.body.sender).toBeUndefined();
    const found = await herald.get('/v1/suppressions?sender=%2B15551234567');
    expect(found.body.items).toHaveLength(1);
    const mail = await herald.api('POST', '/v1/suppressions', { ...body, kind: 'email', address: 'a@example.com' });
    expect([mail.status, mail.body.errors]).toEqual([400, [expect.objectContaining({ pointer: '/sender' })]]);
    expect((await herald.api('POST', '/v1/suppressions', { ...body, sender: 'not a sender!' })).status).toBe(400);
  });

  it('pages to the end: every contact once, newest first', async () => {
    const { items, pages } = await herald.all<{ id: string }>('/v1/contacts', 4);
    const ids = items.map(({ id }) => id);
    expect(pages).toBe(Math.ceil(ids.length / 4));
    expect(ids).toEqual([...new Set(ids)].sort().reverse());
    expect(ids.length).toBeGreaterThan(15);
  });

  it.each([
    'limit=-1',
    'limit=0',
    'limit=1e9',
    'limit=NaN',
    'limit=1e400',
    'cursor=%27%3B--',
    'sort=%3B--',
    'cursor=1',
  ])('refuses the query %s', async (query) => {
    expect((await herald.get(`/v1/contacts?${query}`)).status).toBe(400);
  });

  it('shows addresses to keys with admin only', async () => {
    const key = await herald.key('jobs:read', 'jobs:write');
    for (const route of [
      '/v1/contacts',
      '/v1/groups',
      '/v1/suppressions',
      '/v1/rules',
      '/v1/templates',
      '/v1/channels',
    ]) {
      expect((await herald.get(route, { authorization: `Bearer ${key}` })).status).toBe(403);
    }
  });

  it('answers 404 for ids that nobody has, and 400 for what is no id', async () => {
    const id = '01900000-0000-7000-8000-000000000000';
    for (const list of ['contacts', 'groups', 'suppressions']) {
      expect((await herald.get(`/v1/${list}/${id}`)).status).toBe(404);
      expect((await herald.api('DELETE', `/v1/${list}/${id}`)).status).toBe(404);
      expect((await herald.get(`/v1/${list}/1%27%20or%201=1`)).status).toBe(400);
    }
  });

  it('writes an audit row for each change, without an address in it', async () => {
    const { items } = await herald.all<{ action: string; detail: object }>('/v1/audit', 200);
    const actions = new Set(items.map(({ action }) => action));
    for (const subject of ['contact', 'group', 'suppression']) {
      for (const verb of ['created', 'updated', 'deleted']) expect(actions).toContain(`${subject}.${verb}`);
    }
    expect(JSON.stringify(items)).not.toMatch(/@example|\+\d{6}/);
    expect(JSON.stringify(herald.lines)).not.toMatch(/@example|\+\d{6}/);
  });
});

describe.each((await databases()).filter((kind) => kind === 'PostgreSQL'))('two replicas on %s', (kind) => {
  it('see each other’s changes of the directory and of rules after five seconds', async () => {
    const one = await TestApp.start(kind);
    const two = await TestApp.start(kind, { sharing: one });
    const seenByTwo = async () =>
      (await two.app.get(RecipientsStore, { strict: false }).directory()).contact('far away') !== undefined;
    const rulesOfTwo = async () => (await two.get('/v1/rules')).body.items.map(({ name }: { name: string }) => name);
    expect(await seenByTwo()).toBe(false);
    expect(await rulesOfTwo()).not.toContain('far');
    await one.api('POST', '/v1/contacts', { name: 'far away', email: 'far@example.com' });
    await one.api('POST', '/v1/rules', { name: 'far', stop: true, actions: [] });
    two.clock.aheadMs = 5_001;
    expect(await seenByTwo()).toBe(true);
    expect(await rulesOfTwo()).toContain('far');
    await two.close();
    await one.close();
  });
});
