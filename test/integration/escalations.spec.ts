import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { HOUR, MINUTE } from '../../src/duration.js';
import { EscalationsQueryStore } from '../../src/escalations/escalations.query.store.js';
import { EscalationsStore } from '../../src/escalations/escalations.store.js';
import { JobErasureStore } from '../../src/jobs/job-erasure.store.js';
import { EscalationSteps } from '../../src/settle/escalation-steps.service.js';
import { readFixture } from '../fixtures/deepgram/index.js';
import { databases, HOOK_PASSWORD, TestApp, type AnyBody } from '../support/app.js';
import { basic } from '../support/server.js';
import { until } from '../support/until.js';

/** Less than a test may take, so that it says what never came. */
const PATIENCE_MS = 18_000;
const PUBLIC_URL = 'https://herald.example.com';
const MAYA = { name: 'maya', email: 'maya@clinic.example', phone: '+14155550123' };

const RULE = {
  name: 'urgent',
  when: "job.tags.kind == 'urgent'",
  actions: [{ channel: 'email', to: ['contact:maya'], template: 'transcript-ready' }],
  escalate: [
    { after: '15m', actions: [{ channel: 'sms', to: ['contact:maya'], template: 'transcript-ready' }] },
    { after: '1h', actions: [{ channel: 'email', to: ['group:everybody'], template: 'transcript-ready' }] },
  ],
};

describe.each(await databases())('a rule that escalates on %s', (kind) => {
  let herald: TestApp;
  let store: EscalationsStore;
  let queries: EscalationsQueryStore;
  let steps: EscalationSteps;
  let ruleId = '';

  beforeAll(async () => {
    herald = await TestApp.start(kind, { env: { HERALD_PUBLIC_URL: PUBLIC_URL, HERALD_SMS_COUNTRIES: 'US' } });
    store = herald.app.get(EscalationsStore, { strict: false });
    queries = herald.app.get(EscalationsQueryStore, { strict: false });
    steps = herald.app.get(EscalationSteps, { strict: false });
    const ops = { name: 'ops', email: 'ops@clinic.example' };
    for (const contact of [MAYA, ops]) expect((await herald.api('POST', '/v1/contacts', contact)).status).toBe(201);
    const group = { name: 'everybody', members: ['maya', 'ops'] };
    expect((await herald.api('POST', '/v1/groups', group)).status).toBe(201);
    const made = await herald.api('POST', '/v1/rules', RULE);
    expect(made.status).toBe(201);
    ruleId = made.body.id;
  });
  afterAll(() => herald.close());
  beforeEach(() => {
    herald.clock.aheadMs += 10 * HOUR;
  });

  /** A call that somebody transcribed elsewhere. @returns its job and its callback, settled */
  async function call(tags: Record<string, string>): Promise<{ job: string; callback: string }> {
    const body = JSON.parse(readFixture('diarized.json').toString('utf8'));
    body.metadata.request_id = randomUUID();
    body.metadata.extra = tags;
    const answer = await fetch(`${herald.url}/hook`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { authorization: basic(HOOK_PASSWORD), 'content-type': 'application/json' },
    });
    const { callback } = (await answer.json()) as { callback: string };
    const settled = await until(
      async () => (await herald.get(`/v1/callbacks/${callback}`)).body,
      ({ state }: AnyBody) => state === 'settled',
      PATIENCE_MS,
    );
    return { job: settled.jobId, callback };
  }

  const deliveriesOf = async (job: string): Promise<AnyBody[]> =>
    (await herald.get(`/v1/deliveries?jobId=${job}`)).body.items.reverse();
  const stepsOf = async (job: string) =>
    (await deliveriesOf(job)).map(({ step, channel, to }) => [step, channel, to].join(' '));
  const escalationOf = async (job: string): Promise<AnyBody> =>
    (await herald.get(`/v1/escalations?jobId=${job}`)).body.items[0];
  const escalated = (job: string, met: (escalation: AnyBody) => boolean): Promise<AnyBody> =>
    until(() => escalationOf(job), met, PATIENCE_MS);
  /** Waits until every message of the job has gone out. */
  const sent = (job: string, count: number): Promise<AnyBody[]> =>
    until(
      () => deliveriesOf(job),
      (all) => all.length === count && all.every(({ state }) => state === 'sent'),
      PATIENCE_MS,
    );
  /** An urgent call whose first message is out, and the path of its link. */
  async function urgent(): Promise<{ job: string; callback: string; id: string; path: string }> {
    const made = await call({ kind: 'urgent' });
    const [first] = await sent(made.job, 1);
    const { message } = (await herald.get(`/v1/deliveries/${first.id}`)).body;
    const [, path = ''] = /https:\/\/herald\.example\.com(\/a\/[\w-]{32})/.exec(message.text) ?? [];
    expect(message.html).toContain(`href="${PUBLIC_URL}${path}"`);
    return { ...made, id: (await escalationOf(made.job)).id, path };
  }
  /** A moment in which the loop would have taken what is due. */
  const loopHasLooked = async (): Promise<void> => {
    await until(
      () =>
        herald.database.read<{ n: number }>(
          `select count(*) as n from escalations where state = 'open' and next_at <= ${String(herald.clock.now())}`,
        ),
      ([row]) => Number(row?.n) === 0,
    );
  };

  it('goes on at its times while nobody acknowledges, and every message has the link', async () => {
    const { job, id } = await urgent();
    expect(await escalationOf(job)).toMatchObject({
      id,
      state: 'open',
      step: 0,
      steps: 2,
      acknowledged: null,
      ruleName: 'urgent',
    });
    expect(await stepsOf(job)).toEqual(['0 email maya@clinic.example']);
    herald.clock.aheadMs += 16 * MINUTE;
    const between = await escalated(job, ({ step }) => step === 1);
    expect(between).toMatchObject({ state: 'open', history: [{ step: 1, deliveries: 1, skipped: [] }] });
    expect(Date.parse(between.nextAt) - Date.parse(between.history[0].at)).toBe(HOUR);
    herald.clock.aheadMs += 61 * MINUTE;
    const ended = await escalated(job, ({ state }) => state === 'exhausted');
    expect(ended).toMatchObject({ step: 2, nextAt: null, history: [{ step: 1 }, { step: 2, deliveries: 2 }] });
    const all = await sent(job, 4);
    expect(await stepsOf(job)).toEqual([
      '0 email maya@clinic.example',
      '1 sms +14155550123',
      '2 email maya@clinic.example',
      '2 email ops@clinic.example',
    ]);
    const { problems } = (await herald.get('/v1/health')).body;
    expect(problems).toContainEqual(expect.objectContaining({ kind: 'escalations.exhausted', count: 1 }));
    for (const delivery of all) {
      const { message } = (await herald.get(`/v1/deliveries/${delivery.id}`)).body;
      expect(message.text).toMatch(/https:\/\/herald\.example\.com\/a\/[\w-]{32}/);
    }
  });

  it('is not acknowledged by whoever only opens the link', async () => {
    const { job, path } = await urgent();
    for (const method of ['GET', 'HEAD', 'GET']) {
      const answer = await fetch(`${herald.url}${path}`, { method });
      expect([answer.status, answer.headers.get('cache-control')]).toEqual([200, 'no-store']);
      const page = await answer.text();
      if (method === 'GET') {
        expect(page).toContain('<form method="post"><button>');
        expect(page.split('<main>')[1]).not.toMatch(new RegExp(`premium|card|phone|${job}|/t/`, 'i'));
      }
    }
    expect(await escalationOf(job)).toMatchObject({ state: 'open', acknowledged: null });
  });

  it('stops when its recipient presses the button, once and for all', async () => {
    const { job, path, id } = await urgent();
    // As a browser sends the form: a content type, and nothing in it.
    const press = () =>
      fetch(`${herald.url}${path}`, {
        method: 'POST',
        body: '',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
      });
    const pressed = await press();
    expect(pressed.status).toBe(200);
    expect(await pressed.text()).toMatch(/acknowledged by <b dir="auto">maya<\/b>/);
    const first = await escalationOf(job);
    expect(first).toMatchObject({ id, state: 'acknowledged', nextAt: null, acknowledged: { via: 'link', by: 'maya' } });
    herald.clock.aheadMs += 3 * HOUR;
    expect(await (await press()).text()).not.toContain('<button>');
    expect(await (await fetch(`${herald.url}${path}`)).text()).toContain('It is taken care of');
    await loopHasLooked();
    expect(await escalationOf(job)).toEqual(first);
    expect(await stepsOf(job)).toEqual(['0 email maya@clinic.example']);
    const { items } = (await herald.get('/v1/audit?limit=5')).body;
    expect(items.filter(({ subject }: AnyBody) => subject === id)).toMatchObject([
      { action: 'escalation.acknowledged', actor: 'recipient' },
    ]);
  });

  it('stops when it is acknowledged over the API, and what was not sent yet is cancelled', async () => {
    const { job, id } = await urgent();
    await herald.api('POST', '/v1/sending/pause', { reason: 'a test' });
    herald.clock.aheadMs += 16 * MINUTE;
    await escalated(job, ({ step }) => step === 1);
    const reader = await herald.key('jobs:read');
    const writer = await herald.key('jobs:write');
    const as = (key: string) =>
      herald.api('POST', `/v1/escalations/${id}/acknowledge`, undefined, { authorization: `Bearer ${key}` });
    expect((await as(reader)).status).toBe(403);
    const done = await as(writer);
    expect(done).toMatchObject({
      status: 200,
      body: { state: 'acknowledged', acknowledged: { via: 'api', by: 'jobs:write' } },
    });
    expect((await as(writer)).body).toEqual(done.body);
    await herald.api('POST', '/v1/sending/resume');
    expect((await deliveriesOf(job)).map(({ step, state, reason }) => ({ step, state, reason }))).toEqual([
      { step: 0, state: 'sent', reason: null },
      { step: 1, state: 'cancelled', reason: 'acknowledged before it was sent' },
    ]);
  });

  it('can still be acknowledged when everybody was told', async () => {
    const { job, path } = await urgent();
    herald.clock.aheadMs += 16 * MINUTE;
    await escalated(job, ({ step }) => step === 1);
    herald.clock.aheadMs += 2 * HOUR;
    await escalated(job, ({ state }) => state === 'exhausted');
    await fetch(`${herald.url}${path}`, { method: 'POST' });
    expect(await escalationOf(job)).toMatchObject({ state: 'acknowledged', step: 2 });
  });

  it('does not begin again when its callback is replayed, nor at all for one that was told before it had steps', async () => {
    const { job, callback, id } = await urgent();
    await herald.api('POST', `/v1/escalations/${id}/acknowledge`);
    const plain = await herald.api('POST', '/v1/rules', {
      ...RULE,
      name: 'plain',
      when: "job.tags.kind == 'plain'",
      escalate: undefined,
    });
    const other = await call({ kind: 'plain' });
    const { name, when } = plain.body;
    const changed = await herald.api(
      'PUT',
      `/v1/rules/${plain.body.id}`,
      { ...RULE, name, when },
      { 'if-match': '"v1"' },
    );
    expect(changed.status).toBe(200);
    for (const replayed of [callback, other.callback]) {
      expect((await herald.api('POST', `/v1/callbacks/${replayed}/replay`)).status).toBeLessThan(300);
      await until(
        async () => (await herald.get(`/v1/callbacks/${replayed}`)).body,
        ({ state }: AnyBody) => state === 'settled',
      );
    }
    expect((await herald.get(`/v1/escalations?jobId=${job}`)).body.items).toMatchObject([
      { id, state: 'acknowledged' },
    ]);
    expect((await herald.get(`/v1/escalations?jobId=${other.job}`)).body.items).toEqual([]);
    expect(await stepsOf(job)).toHaveLength(1);
  });

  it('takes the steps of the version that matched, and stops when the rule is switched off or deleted', async () => {
    const rule = async (name: string): Promise<string> =>
      (await herald.api('POST', '/v1/rules', { ...RULE, name, when: `job.tags.kind == '${name}'` })).body.id;
    const [changed, off, deleted] = [await rule('changed'), await rule('off'), await rule('deleted')];
    const [first, second, third] = [
      await call({ kind: 'changed' }),
      await call({ kind: 'off' }),
      await call({ kind: 'deleted' }),
    ];
    const later = {
      ...RULE,
      name: 'changed',
      when: "job.tags.kind == 'never'",
      escalate: [{ after: '7d', actions: RULE.actions }],
    };
    const match = { 'if-match': '"v1"' };
    expect((await herald.api('PUT', `/v1/rules/${changed}`, later, match)).status).toBe(200);
    expect((await herald.api('PATCH', `/v1/rules/${off}`, { enabled: false }, match)).status).toBe(200);
    expect((await herald.api('DELETE', `/v1/rules/${deleted}`, undefined, match)).status).toBe(204);
    herald.clock.aheadMs += 16 * MINUTE;
    expect(await escalated(first.job, ({ step }) => step === 1)).toMatchObject({ ruleVersion: 1, steps: 2 });
    expect(await stepsOf(first.job)).toContain('1 sms +14155550123');
    const stopped = ({ state }: AnyBody): boolean => state === 'stopped';
    expect(await escalated(second.job, stopped)).toMatchObject({ reason: 'the rule was switched off', step: 0 });
    const gone = await escalated(third.job, stopped);
    expect(gone).toMatchObject({ reason: 'the rule was deleted', nextAt: null });
    expect((await herald.api('POST', `/v1/escalations/${gone.id}/acknowledge`)).status).toBe(409);
    expect(await stepsOf(third.job)).toEqual(['0 email maya@clinic.example']);
  });

  it('keeps its job from the purge while it is open, and goes with it when it is erased', async () => {
    const { job, path, id } = await urgent();
    const erasure = herald.app.get(JobErasureStore, { strict: false });
    const pending = (): Promise<boolean> => herald.database.uow.run((tx) => erasure.hasPending(tx, job));
    expect(await pending()).toBe(true);
    await herald.api('POST', `/v1/escalations/${id}/acknowledge`);
    expect(await pending()).toBe(false);
    expect((await herald.api('DELETE', `/v1/jobs/${job}`)).status).toBe(204);
    expect((await herald.get(`/v1/escalations/${id}`)).status).toBe(404);
    for (const method of ['GET', 'POST']) {
      const answer = await fetch(`${herald.url}${path}`, { method });
      expect([answer.status, await answer.text()]).toEqual([404, expect.stringContaining('nothing to acknowledge')]);
    }
  });

  it('waits for as long as was left of its time when the clock is set back', async () => {
    const { job } = await urgent();
    herald.clock.aheadMs += 16 * MINUTE;
    const { nextAt } = await escalated(job, ({ step }) => step === 1);
    herald.clock.aheadMs -= 5 * HOUR;
    const moved = await escalated(job, (escalation) => escalation.nextAt !== nextAt);
    const left = Date.parse(moved.nextAt) - herald.clock.now();
    expect(left).toBeGreaterThan(50 * MINUTE);
    expect(left).toBeLessThanOrEqual(HOUR);
  });

  it('takes each step once, however many ask for it at the same time', async () => {
    const { job, id } = await urgent();
    const before = await queries.find(id);
    if (!before) throw new Error('it was just there');
    const outcomes = await Promise.all(Array.from({ length: 8 }, () => steps.take(before)));
    expect(outcomes.map((outcome) => outcome.kind).sort()).toEqual([...Array<string>(7).fill('overtaken'), 'taken']);
    expect(await stepsOf(job)).toEqual(['0 email maya@clinic.example', '1 sms +14155550123']);
    expect((await escalationOf(job)).history).toHaveLength(1);
  });

  it('either takes a step or is acknowledged when both come at once, and nothing is left to be sent then', async () => {
    await herald.api('POST', '/v1/sending/pause', { reason: 'a test' });
    for (let round = 0; round < 8; round++) {
      const { job } = await call({ kind: 'urgent' });
      const { id } = await escalationOf(job);
      const before = await queries.find(id);
      if (!before) throw new Error('it was just there');
      const taken = steps.take(before);
      // Now before, now after the step's transaction.
      await sleep(4 * round);
      await Promise.all([taken, store.acknowledge(job, [id], { key: 'test' })]);
      expect(await escalationOf(job)).toMatchObject({ state: 'acknowledged', nextAt: null });
      const left = (await deliveriesOf(job)).filter(({ step, state }) => step > 0 && state !== 'cancelled');
      expect(left).toEqual([]);
    }
    await herald.api('POST', '/v1/sending/resume');
  });

  it('stores neither the step nor its messages when storing breaks (C23)', async () => {
    const { job, id } = await urgent();
    const before = await queries.find(id);
    if (!before) throw new Error('it was just there');
    const broken = store.takeStep(before, {
      next: (now) => ({ state: 'open', nextAt: now + HOUR }),
      skipped: [],
      enqueue: () => Promise.reject(new Error('the disk is full')),
    });
    await expect(broken).rejects.toThrow('the disk is full');
    expect(await escalationOf(job)).toMatchObject({ state: 'open', step: 0, history: [] });
  });

  it('refuses what is misspelt', async () => {
    for (const query of ['state=nope', 'jobId=1', 'rule=x', 'limit=0'])
      expect((await herald.get(`/v1/escalations?${query}`)).status).toBe(400);
    expect((await herald.get(`/v1/escalations/${randomUUID()}`)).status).toBe(404);
    expect((await herald.api('POST', `/v1/escalations/${randomUUID()}/acknowledge`)).status).toBe(404);
    expect((await fetch(`${herald.url}/v1/escalations`)).status).toBe(401);
    for (const token of ['x', 'A'.repeat(32), '%00'])
      expect((await fetch(`${herald.url}/a/${token}`, { method: 'POST' })).status).toBe(404);
    const json = { method: 'POST', body: '{}', headers: { 'content-type': 'text/plain' } };
    expect((await fetch(`${herald.url}/a/x`, json)).status).toBe(415);
    const wrong = await herald.api('POST', '/v1/rules', {
      ...RULE,
      name: 'wrong',
      escalate: [{ after: '15', actions: [] }],
    });
    expect(wrong).toMatchObject({
      status: 422,
      body: { errors: [{ pointer: '/escalate/0/after' }, { pointer: '/escalate/0/actions' }] },
    });
  });

  it('is warned of when it is saved with a template that shows no link', async () => {
    const parts = { sms: '{{brand}}: {{preview}}' };
    expect((await herald.api('PUT', '/v1/templates/mute', { parts })).status).toBe(201);
    const actions = [{ channel: 'sms', to: ['contact:maya'], template: 'mute' }];
    const made = await herald.api('POST', '/v1/rules', {
      ...RULE,
      name: 'mute',
      when: "job.tags.kind == 'never'",
      escalate: [{ after: '1h', actions }],
    });
    expect([made.status, made.body.warnings]).toEqual([
      201,
      [{ pointer: '/escalate/0/actions/0/template', message: expect.stringContaining('{{ack}}') }],
    ]);
    expect((await herald.api('POST', '/v1/rules/check', { ...RULE, name: 'fine' })).body).not.toHaveProperty(
      'warnings',
    );
  });

  it('shows when it is checked what each step would send', async () => {
    const { job } = await call({ kind: 'urgent' });
    const { body } = await herald.api('POST', `/v1/rules/check?jobId=${job}`, { ...RULE, name: 'tried' });
    expect(body.trial.notifications.map(({ step, channel, to }: AnyBody) => `${step} ${channel} ${to}`)).toEqual([
      '0 email maya@clinic.example',
      '1 sms +14155550123',
      '2 email maya@clinic.example',
      '2 email ops@clinic.example',
    ]);
  });

  it('keeps a contact that only a step names from being deleted', async () => {
    const only = await herald.api('POST', '/v1/contacts', { name: 'night', email: 'night@clinic.example' });
    await herald.api('POST', '/v1/rules', {
      ...RULE,
      name: 'names-night',
      when: "job.tags.kind == 'never'",
      escalate: [{ after: '1h', actions: [{ channel: 'email', to: ['contact:night'], template: 'transcript-ready' }] }],
    });
    const refused = await herald.api('DELETE', `/v1/contacts/${only.body.id}`);
    expect([refused.status, JSON.stringify(refused.body)]).toEqual([409, expect.stringContaining('names-night')]);
  });

  it('lists by state, rule and job, page by page', async () => {
    const { items } = await herald.all(`/v1/escalations?ruleId=${ruleId}`, 3);
    expect(items.length).toBeGreaterThan(6);
    expect(new Set(items.map(({ id }: AnyBody) => id)).size).toBe(items.length);
    const open = (await herald.get('/v1/escalations?state=open')).body.items as AnyBody[];
    expect(open.every(({ state }) => state === 'open')).toBe(true);
  });
});

describe.each((await databases()).filter((kind) => kind === 'PostgreSQL'))('replicas on %s', (kind) => {
  it('take each step of each escalation once between them', async () => {
    const CALLS = 12;
    const first = await TestApp.start(kind, { env: { HERALD_PUBLIC_URL: PUBLIC_URL } });
    const second = await TestApp.start(kind, { sharing: first, env: { HERALD_PUBLIC_URL: PUBLIC_URL } });
    try {
      const email = (to: string) => [{ channel: 'email', to: [to], template: 'transcript-ready' }];
      const made = await first.api('POST', '/v1/rules', {
        name: 'urgent',
        actions: email('a@clinic.example'),
        escalate: [
          { after: '1h', actions: email('b@clinic.example') },
          { after: '1h', actions: email('c@clinic.example') },
        ],
      });
      expect(made.status).toBe(201);
      for (let i = 0; i < CALLS; i++) {
        const body = JSON.parse(readFixture('mono-punctuated.json').toString('utf8'));
        body.metadata.request_id = randomUUID();
        await fetch(`${first.url}/hook`, {
          method: 'POST',
          body: JSON.stringify(body),
          headers: { authorization: basic(HOOK_PASSWORD), 'content-type': 'application/json' },
        });
      }
      const all = async (): Promise<AnyBody[]> => (await first.get('/v1/escalations?limit=200')).body.items;
      await until(all, (items) => items.length === CALLS);
      for (const hours of [2, 4]) {
        first.clock.aheadMs = second.clock.aheadMs = hours * HOUR;
        await until(all, (items) => items.every(({ step }) => step === hours / 2));
      }
      expect((await all()).every(({ state, history }) => state === 'exhausted' && history.length === 2)).toBe(true);
      const rows = await first.database.read<{ job_id: string; escalation_step: number; n: number }>(
        `select job_id, escalation_step, count(*) as n from deliveries where rule_name = 'urgent' group by job_id, escalation_step`,
      );
      expect(rows).toHaveLength(3 * CALLS);
      expect(rows.every(({ n }) => n === 1)).toBe(true);
    } finally {
      await second.close();
      await first.close();
    }
  });
});
