import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { RuleEntity } from '../../src/rules/rule.entity.js';
import { RulesStore } from '../../src/rules/rules.store.js';
import { databases, TestApp } from '../support/app.js';
import { callTranscript } from '../support/transcript.js';

const EMAIL = { channel: 'email', to: ['{{job.tags.email}}'], template: 'transcript-ready' };
const NOBODY = '01900000-0000-7000-8000-000000000000';

describe.each(await databases())('rules on %s', (kind) => {
  let herald: TestApp;
  beforeAll(async () => {
    herald = await TestApp.start(kind);
  });
  afterAll(() => herald.close());

  const make = (name: string, more: object = {}) =>
    herald.api('POST', '/v1/rules', { name, actions: [EMAIL], ...more });
  const names = async () => (await herald.all<{ name: string }>('/v1/rules', 3)).items.map(({ name }) => name);
  const store = () => herald.app.get(RulesStore, { strict: false });

  it('has the default rules after the first start, and respects that one was deleted', async () => {
    expect(await names()).toEqual([
      'email-on-completion',
      'failure-to-operator',
      'late-to-client',
      'overdue-to-operator',
      'sms-preview',
    ]);
    const { items } = (await herald.get('/v1/rules')).body;
    const sms = items.find((one: { name: string }) => one.name === 'sms-preview');
    expect((await herald.api('DELETE', `/v1/rules/${String(sms.id)}`, undefined, { 'if-match': '"v1"' })).status).toBe(
      204,
    );
    await store().ensureDefaults();
    expect(await names()).toEqual([
      'email-on-completion',
      'failure-to-operator',
      'late-to-client',
      'overdue-to-operator',
    ]);
  });

  it('makes a rule with Location, ETag and every default filled in', async () => {
    const made = await make('first', { when: "speech.says('refund')" });
    expect(made.status).toBe(201);
    expect(made.headers.get('location')).toBe(`/v1/rules/${String(made.body.id)}`);
    expect(made.headers.get('etag')).toBe('"v1"');
    expect(made.body).toMatchObject({ version: 1, enabled: true, on: 'transcript.completed', stop: false, order: 100 });
    const read = await herald.get(made.headers.get('location')!);
    expect(read.headers.get('etag')).toBe('"v1"');
    expect(read.body).toEqual(made.body);
  });

  it('tells every problem of a rule at once: form, condition with its place, channel, template and recipients', async () => {
    const answer = await herald.api('POST', '/v1/rules', {
      name: 'wrong',
      enabeld: true,
      when: 'transcript.duraton > 30',
      actions: [
        { channel: 'emial', to: ['x'], template: 'transcript-ready' },
        { channel: 'email', to: ['contact:nobody', 'a@example.com,b@example.com'], template: 'transcript-redy' },
      ],
    });
    expect(answer.status).toBe(422);
    expect(answer.body.code).toBe('RULE_INVALID');
    const byPointer = Object.fromEntries(answer.body.errors.map((one: { pointer: string }) => [one.pointer, one]));
    expect(byPointer['/enabeld']).toMatchObject({ suggestion: 'enabled' });
    expect(byPointer['/when']).toMatchObject({ line: 1, column: expect.any(Number) });
    expect(byPointer['/when'].suggestion).toContain('duration');
    expect(byPointer['/actions/0/channel']).toMatchObject({ suggestion: 'email' });
    expect(byPointer['/actions/1/template']).toMatchObject({ suggestion: 'transcript-ready' });
    expect(Object.keys(byPointer)).toEqual(expect.arrayContaining(['/actions/1/to/0', '/actions/1/to/1']));
    expect(await names()).not.toContain('wrong');
  });

  it.each(['id', 'version', 'createdAt', 'updatedAt', 'author', 'problem'])('refuses %s in a body', async (field) => {
    const made = (await make(`mass-${field}`)).body;
    const body = { name: `mass-${field}`, actions: [EMAIL], [field]: 7 };
    expect((await make('mass-other', { [field]: 7 })).status).toBe(422);
    const answer = await herald.api('PUT', `/v1/rules/${String(made.id)}`, body, { 'if-match': '"v1"' });
    expect(answer.status).toBe(422);
    expect(answer.body.errors[0].pointer).toBe(`/${field}`);
    expect((await herald.get(`/v1/rules/${String(made.id)}`)).body).toEqual(made);
  });

  it.each([undefined, null, 'text', 5, [], { name: { $ne: 1 } }])('refuses %j as a rule with 4xx', async (body) => {
    const answer = await herald.api('POST', '/v1/rules', body === undefined ? undefined : JSON.stringify(body));
    expect([400, 422]).toContain(answer.status);
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
  });

  it('changes a rule only for who read its current version', async () => {
    const { id } = (await make('etag')).body;
    const path = `/v1/rules/${String(id)}`;
    const body = { name: 'etag', actions: [EMAIL], order: 5 };
    expect((await herald.api('PUT', path, body)).status).toBe(428);
    expect((await herald.api('DELETE', path)).status).toBe(428);
    expect((await herald.api('PATCH', path, { enabled: false })).status).toBe(428);
    const changed = await herald.api('PUT', path, body, { 'if-match': '"v1"' });
    expect(changed.status).toBe(200);
    expect(changed.headers.get('etag')).toBe('"v2"');
    for (const [method, content] of [
      ['PUT', body],
      ['PATCH', { enabled: false }],
      ['DELETE', undefined],
    ] as const) {
      const answer = await herald.api(method, path, content, { 'if-match': '"v1"' });
      expect(answer.status).toBe(412);
      expect(answer.body.detail).toContain('"v2"');
    }
    expect((await herald.get(path)).body).toMatchObject({ version: 2, order: 5, enabled: true });
  });

  it('lets exactly one of many win that change the same version at the same moment', async () => {
    const { id } = (await make('race')).body;
    const answers = await Promise.all(
      Array.from({ length: 6 }, (_, order) =>
        herald.api('PUT', `/v1/rules/${String(id)}`, { name: 'race', actions: [EMAIL], order }, { 'if-match': '"v1"' }),
      ),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 412, 412, 412, 412, 412]);
    expect((await herald.get(`/v1/rules/${String(id)}/versions`)).body.items).toHaveLength(2);
  });

  it('takes a name once, and says which rule has it', async () => {
    await make('taken');
    const other = (await make('not-taken')).body;
    expect((await make('taken')).status).toBe(409);
    const renamed = await herald.api(
      'PUT',
      `/v1/rules/${String(other.id)}`,
      { name: 'taken', actions: [EMAIL] },
      { 'if-match': '*' },
    );
    expect(renamed.status).toBe(409);
    expect(renamed.body.errors).toMatchObject([{ pointer: '/name' }]);
  });

  it('keeps every version with author and time, also of a deleted rule', async () => {
    const { id } = (await make('history')).body;
    const path = `/v1/rules/${String(id)}`;
    await herald.api('PATCH', path, { enabled: false }, { 'if-match': '"v1"' });
    await herald.api('DELETE', path, undefined, { 'if-match': '"v2"' });
    expect((await herald.get(path)).status).toBe(404);
    const { items } = await herald.all(`${path}/versions`, 2);
    expect(items).toMatchObject([
      { version: 3, author: 'HERALD_ADMIN_KEY' },
      { version: 2, rule: { name: 'history', enabled: false } },
      { version: 1, rule: { name: 'history', enabled: true } },
    ]);
    expect(items[0].rule).toBeUndefined();
    expect(Date.parse(items[0].createdAt)).toBeGreaterThan(Date.now() - 60_000);
    expect((await herald.get(`/v1/rules/${NOBODY}/versions`)).status).toBe(404);
  });

  it('gives the enabled rules of a trigger in order, at once after each change', async () => {
    await make('z-early', { on: 'job.overdue', order: 1 });
    const off = (await make('a-late', { on: 'job.overdue', order: 2 })).body;
    await make('b-late', { on: 'job.overdue', order: 2 });
    const overdue = async () => (await store().compiled('job.overdue')).map(({ rule }) => rule.name);
    expect(await overdue()).toEqual(['z-early', 'a-late', 'b-late', 'overdue-to-operator']);
    const patched = await herald.api(
      'PATCH',
      `/v1/rules/${String(off.id)}`,
      { enabled: false },
      { 'if-match': '"v1"' },
    );
    expect(patched.body).toMatchObject({ enabled: false, version: 2 });
    expect(await overdue()).toEqual(['z-early', 'b-late', 'overdue-to-operator']);
  });

  it('shows a stored rule that does not compile any more with its problem, logs it once, and lets it be switched off', async () => {
    const { id } = (await make('rots')).body;
    const row = await herald.database.reads.findOneByOrFail(RuleEntity, { id });
    await herald.database.uow.run((tx) =>
      tx.update(RuleEntity, { id }, { version: 2, definition: { ...row.definition, when: 'gone.fact == 1' } }),
    );
    herald.clock.aheadMs += 6_000;
    await make('makes-them-read-again');
    const broken = () => herald.lines.filter(({ event, ruleId }) => event === 'rule.broken' && ruleId === id);
    const listed = async () =>
      (await herald.get('/v1/rules?limit=200')).body.items.find((one: { name: string }) => one.name === 'rots');
    expect((await listed()).problem).toContain('gone');
    await make('and-once-more');
    await listed();
    expect(broken()).toHaveLength(1);
    const off = await herald.api('PATCH', `/v1/rules/${String(id)}`, { enabled: false }, { 'if-match': '"v2"' });
    expect(off.status).toBe(200);
  });

  it('pages through all rules in order, once each, also when the rule of the cursor is deleted meanwhile', async () => {
    const whole = (await herald.get('/v1/rules?limit=200')).body.items.map(({ id }: { id: string }) => id);
    expect((await herald.all<{ id: string }>('/v1/rules', 3)).items.map(({ id }) => id)).toEqual(whole);
    const first = await herald.get('/v1/rules?limit=2');
    const last = first.body.items[1];
    await herald.api('DELETE', `/v1/rules/${String(last.id)}`, undefined, { 'if-match': '*' });
    const next = await herald.get(`/v1/rules?limit=1&cursor=${String(first.body.nextCursor)}`);
    expect(next.body.items[0].id).toBe(whole[2]);
    for (const cursor of ['x', 'bm9uc2Vuc2U', '%00']) {
      expect((await herald.get(`/v1/rules?cursor=${cursor}`)).status).toBe(400);
    }
  });

  describe('check', () => {
    const check = (rule: object, jobId?: string) =>
      herald.api('POST', `/v1/rules/check${jobId === undefined ? '' : `?jobId=${jobId}`}`, rule);

    it('answers what would be stored, and stores nothing', async () => {
      const before = await names();
      const answer = await check({ name: 'not-stored', actions: [EMAIL] });
      expect(answer.status).toBe(200);
      expect(answer.body).toMatchObject({ valid: true, rule: { name: 'not-stored', when: 'true', order: 100 } });
      expect(await names()).toEqual(before);
    });

    it('warns of what no preset asks for, with its place, and takes the rule', async () => {
      const when = "speech.by('1').says('refund') && 'billing' in transcript.topics";
      const warning = { pointer: '/when', line: 1, column: 47, message: expect.stringContaining('asks for topics') };
      expect((await check({ name: 'warned', when, actions: [EMAIL] })).body.warnings).toEqual([warning]);
      const made = await make('warned', { when });
      expect(made.status).toBe(201);
      expect(made.body.warnings).toEqual([warning]);
      const again = { name: 'warned', when: 'true', actions: [EMAIL] };
      const changed = await herald.api('PUT', `/v1/rules/${String(made.body.id)}`, again, { 'if-match': '"v1"' });
      expect(changed.body).not.toHaveProperty('warnings');
      await herald.api('DELETE', `/v1/rules/${String(made.body.id)}`, undefined, { 'if-match': '"v2"' });
    });

    it('refuses a condition that is of the right form but never true', async () => {
      const answer = await check({ name: 'x', when: "job.tags.a == 'x' && job.tags.a == 'y'", actions: [EMAIL] });
      expect(answer.status).toBe(422);
      expect(answer.body.errors).toMatchObject([{ pointer: '/when', line: 1, column: 22, suggestion: '||' }]);
    });

    it('answers 422 with the place and a suggestion', async () => {
      const answer = await check({ name: 'x', when: "speech.sayz('a')", actions: [EMAIL] });
      expect(answer.status).toBe(422);
      expect(answer.body.errors[0]).toMatchObject({ pointer: '/when', line: 1 });
    });

    it('tries the rule on a stored job: conditions, matched words, who would get what', async () => {
      const jobId = await herald.storeTranscript(callTranscript(), { email: 'ann@example.com' });
      const when = "speech.says('refund') && transcript.duration > 5.0";
      const { body } = await check({ name: 'x', enabled: false, when, actions: [EMAIL] }, jobId);
      expect(body.trial).toMatchObject({
        matched: true,
        conditions: [
          {
            text: "speech.says('refund')",
            result: true,
            matches: [{ text: expect.stringMatching(/refund/i), speaker: '1' }],
          },
          { text: 'transcript.duration > 5.0', result: true },
        ],
        notifications: [{ channel: 'email', to: 'ann@example.com', template: 'transcript-ready', state: 'queued' }],
        skipped: [],
      });
      const no = await check({ name: 'x', when: "speech.says('lawsuit')", actions: [EMAIL] }, jobId);
      expect(no.body.trial).toMatchObject({ matched: false, notifications: [] });
      expect((await herald.get(`/v1/deliveries?jobId=${jobId}`)).body.items).toEqual([]);
    });

    it('says when the job does not fit the rule, or does not exist', async () => {
      const jobId = await herald.storeTranscript(callTranscript());
      const failed = await check(
        { name: 'x', on: 'transcript.failed', actions: [{ ...EMAIL, template: 'transcript-failed' }] },
        jobId,
      );
      expect(failed.status).toBe(422);
      expect(failed.body.errors).toMatchObject([{ pointer: 'jobId' }]);
      expect((await check({ name: 'x', actions: [EMAIL] }, NOBODY)).status).toBe(422);
      expect((await check({ name: 'x', actions: [EMAIL] }, 'nonsense')).status).toBe(400);
    });
  });

  it('writes an audit row for each change', async () => {
    const { items } = await herald.all<{ action: string }>('/v1/audit', 200);
    const actions = items.map(({ action }) => action);
    for (const action of ['rule.created', 'rule.updated', 'rule.deleted']) expect(actions).toContain(action);
  });
});
