import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { DAY, HOUR, MINUTE } from '../../src/duration.js';
import type { RuleDefinition } from '../../src/rules/rule.js';
import { Simulations } from '../../src/settle/simulation.service.js';
import { databases, TestApp, type AnyBody } from '../support/app.js';
import { randomCall, randomRules, type RandomCall } from '../support/random-rules.js';
import { bodyOf, comparable, dropRules, forgetCalls, hook, plannedRows, settled } from '../support/simulated.js';
import { until } from '../support/until.js';

const EMAIL = { channel: 'email', to: ['{{job.tags.email}}'], template: 'transcript-ready' };
const NOBODY = '01900000-0000-7000-8000-000000000000';
const LINES = { accept: 'application/x-ndjson' };

describe.each(await databases())('simulating rules on %s', (kind) => {
  let herald: TestApp;

  beforeAll(async () => {
    herald = await TestApp.start(kind);
    await dropRules(herald);
    for (const name of ['ann', 'bob'])
      await herald.api('POST', '/v1/contacts', { name, email: `${name}@clinic.example`, phone: '+12125550145' });
    await herald.api('POST', '/v1/groups', { name: 'team', members: ['ann', 'bob'] });
    const stopped = { kind: 'email', address: 'stopped@clinic.example', reason: 'asked to stop' };
    expect((await herald.api('POST', '/v1/suppressions', stopped)).status).toBe(201);
    await herald.api('POST', '/v1/sending/pause', { reason: 'the test looks at what is planned' });
  });
  afterAll(() => herald.close());
  afterEach(async () => {
    await dropRules(herald);
    await forgetCalls(herald);
  });

  async function receive(...calls: Partial<RandomCall>[]): Promise<void> {
    for (const call of calls) await hook(herald, bodyOf({ turns: [['thanks']], tags: {}, ...call }));
    await settled(herald);
  }

  /** As after a change of the rules: every callback is settled by those of now. */
  async function settleAgain(): Promise<void> {
    for (const { id } of (await herald.all<{ id: string }>('/v1/callbacks', 100)).items)
      expect((await herald.api('POST', `/v1/callbacks/${id}/replay`)).status).toBe(202);
    await settled(herald);
  }

  const simulate = (body?: object, headers?: Record<string, string>) =>
    herald.api('POST', '/v1/rules/simulate', body, headers);
  const save = async (rule: object): Promise<string> => {
    const made = await herald.api('POST', '/v1/rules', rule);
    expect(made.status).toBe(201);
    return made.body.id as string;
  };
  const lines = (text: string): AnyBody[] =>
    text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
  const refund = (over: object = {}) => ({ name: 'refund', when: "speech.says('refund')", actions: [EMAIL], ...over });

  it('says of random rules and calls exactly what a settle then plans', async () => {
    await receive(...fc.sample(randomCall, { numRuns: 8, seed: 4 }));
    await fc.assert(
      fc.asyncProperty(randomRules, async (rules: RuleDefinition[]) => {
        const { status, body } = await simulate({ rules, limit: 1_000 });
        expect(status).toBe(200);
        expect(body).toMatchObject({ transcripts: 8, truncated: false, unreadable: 0 });
        expect(await plannedRows(herald)).toEqual([]);
        for (const rule of rules) await save(rule);
        await settleAgain();
        const planned = await plannedRows(herald);
        expect((body.messages as AnyBody[]).map(comparable).sort()).toEqual(planned);
        expect(body.totals).toEqual({ messages: planned.length, added: planned.length, removed: 0, changed: 0 });
        const matched = await herald.database.read<{ n: number | string }>(
          `select count(distinct job_id) as n from evaluations where matched and created_at >= ?`,
          [Date.parse(body.range.to as string)],
        );
        expect(body.matched).toBe(Number(matched[0]?.n));
        // Now that they are in force, the same rules change nothing.
        expect((await simulate({ rules, limit: 0 })).body.totals).toEqual({
          messages: planned.length,
          added: 0,
          removed: 0,
          changed: 0,
        });
        await dropRules(herald);
        await herald.database.uow.run((tx) => tx.query('delete from deliveries'));
      }),
      { numRuns: 12, endOnFailure: true },
    );
  }, 60_000);

  it('shows what a rule that is switched off would send, and stores nothing', async () => {
    await receive({ turns: [['refund']], tags: { email: 'kim@clinic.example' } }, { turns: [['parcel']] });
    const id = await save(refund({ enabled: false }));
    const tables = ['deliveries', 'evaluations', 'rules', 'rule_versions', 'audit', 'callbacks'];
    const counts = () => Promise.all(tables.map((table) => herald.database.read(`select count(*) as n from ${table}`)));
    const before = await counts();
    const { body } = await simulate({ id });
    expect(body).toMatchObject({
      transcripts: 2,
      matched: 1,
      totals: { messages: 1, added: 1, removed: 0, changed: 0 },
    });
    expect(body.messages).toEqual(body.added);
    expect(body.messages[0]).toMatchObject({
      ruleId: id,
      ruleName: 'refund',
      to: 'kim@clinic.example',
      state: 'queued',
      matches: [{ text: 'refund', speaker: '0', start: 0 }],
      preview: { subject: expect.stringMatching(/./), text: expect.stringContaining('refund') },
    });
    expect(body.rules).toEqual([{ ruleName: 'refund', matched: 1, messages: 1, added: 1, removed: 0, changed: 0 }]);
    expect(await counts()).toEqual(before);
  });

  it('counts and throttles over the calls of its range as they would have been settled', async () => {
    const tags = { email: 'kim@clinic.example', client: 'acme' };
    await receive(...Array.from({ length: 3 }, () => ({ turns: [['refund']] as RandomCall['turns'], tags })));
    const throttled = await simulate({ rule: refund({ throttle: { within: '1d', per: 'tag:client' } }) });
    expect(throttled.body.totals).toMatchObject({ messages: 1, added: 1 });
    const skipped = throttled.body.skipped as { reason: string; count: number }[];
    expect(skipped.every(({ reason }) => reason.startsWith('throttle: one call within 1d'))).toBe(true);
    expect(skipped.reduce((sum, { count }) => sum + count, 0)).toBe(2);
    const third = await simulate({ rule: refund({ when: `count(speech.says('refund'), "1d", "client") >= 3` }) });
    expect(third.body.totals).toMatchObject({ messages: 1, added: 1 });
  });

  it('sets a changed rule against the one in force: added, removed and changed', async () => {
    const tags = { email: 'kim@clinic.example' };
    await receive(
      { turns: [['refund']], tags },
      { turns: [['parcel']], tags },
      { turns: [['refund', 'parcel']], tags },
    );
    const id = await save(refund());
    const rule = refund({ when: "speech.says('parcel')", actions: [{ ...EMAIL, attach: ['vtt'] }] });
    const { body } = await simulate({ id, rule });
    expect(body.totals).toEqual({ messages: 2, added: 1, removed: 1, changed: 1 });
    expect(body.removed[0]).toMatchObject({ matches: [{ text: 'refund' }], preview: { text: expect.any(String) } });
    expect(body.added[0]).toMatchObject({ matches: [{ text: 'parcel' }], attach: ['vtt'] });
    expect(body.changed[0]).toMatchObject({ attach: ['vtt'], before: { attach: [], template: 'transcript-ready' } });
    expect((await simulate({ id })).body.totals).toEqual({ messages: 2, added: 0, removed: 0, changed: 0 });
  });

  it('counts the messages of others that a new rule with stop takes away', async () => {
    await receive({ turns: [['refund']], tags: { email: 'kim@clinic.example' } });
    await save(refund({ order: 50 }));
    const { body } = await simulate({ rule: { name: 'hush', stop: true, order: 10, actions: [] } });
    expect(body).toMatchObject({ matched: 1, totals: { messages: 0, added: 0, removed: 1, changed: 0 } });
    expect(body.removed[0]).toMatchObject({ ruleName: 'refund', to: 'kim@clinic.example' });
    const late = await simulate({ rule: refund({ name: 'late', order: 90 }) });
    expect(late.body.totals.messages).toBe(1);
    await save({ name: 'hush', stop: true, order: 10, actions: [] });
    const stopped = await simulate({ rule: refund({ name: 'late', order: 90 }) });
    expect(stopped.body).toMatchObject({ matched: 0, stopped: [{ by: 'hush', count: 1 }], totals: { messages: 0 } });
  });

  it('previews the message that is then really sent, and says why there is none', async () => {
    await receive({ turns: [['refund']], tags: { email: 'kim@clinic.example', phone: '+12125550144' } });
    const sms = { channel: 'sms', to: ['{{job.tags.phone}}'], template: 'transcript-ready', preview: { segments: 1 } };
    const stopped = { ...EMAIL, to: ['stopped@clinic.example', '{{job.tags.other}}'] };
    const rule = refund({ actions: [EMAIL, sms, stopped] });
    const { body } = await simulate({ rule });
    const [email, text, suppressed] = body.messages as AnyBody[];
    expect(suppressed).toMatchObject({ state: 'suppressed', reason: 'asked to stop' });
    expect(suppressed).not.toHaveProperty('preview');
    expect(body.skipped).toEqual([
      {
        ruleName: 'refund',
        action: 2,
        to: '{{job.tags.other}}',
        reason: 'job.tags.other is absent',
        count: 1,
        jobId: email.jobId,
      },
    ]);
    await save(rule);
    await settleAgain();
    await herald.api('POST', '/v1/sending/resume');
    try {
      for (const simulated of [email, text]) {
        const found = await herald.get(`/v1/deliveries?recipient=${encodeURIComponent(simulated.to as string)}`);
        const { message } = await until(
          async () => (await herald.get(`/v1/deliveries/${String(found.body.items[0].id)}`)).body,
          ({ state }) => state === 'sent',
        );
        const whole = (simulated.preview.text as string).replace(/…$/, '');
        expect((message.text as string).startsWith(whole)).toBe(true);
        expect(simulated.preview.subject).toBe(message.subject);
        expect(simulated.preview.segments).toBe(message.segments);
      }
    } finally {
      await herald.api('POST', '/v1/sending/pause', { reason: 'the test looks at what is planned' });
    }
  });

  it('looks at what came in the range only, the last seven days unless it is told', async () => {
    const tags = { email: 'kim@clinic.example' };
    await receive({ turns: [['refund']], tags });
    const rule = refund();
    try {
      herald.clock.aheadMs = 3 * DAY;
      await receive({ turns: [['refund', 'refund']], tags });
      expect((await simulate({ rule })).body.transcripts).toBe(2);
      const middle = herald.clock.now() - DAY;
      expect((await simulate({ rule, from: middle })).body.transcripts).toBe(1);
      const early = await simulate({ rule, to: new Date(middle).toISOString() });
      expect(early.body).toMatchObject({ transcripts: 1, messages: [{ matches: [{ start: 0 }] }] });
      const times = (await simulate({ rule })).body.messages.map(({ at }: { at: string }) => at);
      expect(times).toEqual([...times].sort());
      herald.clock.aheadMs = 8 * DAY;
      expect((await simulate({ rule })).body.transcripts).toBe(1);
    } finally {
      herald.clock.aheadMs = 0;
    }
  });

  it('goes through the calls in their order for rules that look at several, from before the range too', async () => {
    const tags = { email: 'kim@clinic.example', client: 'acme' };
    const times: number[] = [];
    try {
      for (const [minutes, said] of [
        [0, 'refund'],
        [10, 'refund'],
        [20, 'thanks'],
        [150, 'refund'],
      ] as const) {
        herald.clock.aheadMs = minutes * MINUTE;
        await receive({ turns: [[said]], tags });
        times.push(herald.clock.now());
      }
      const from = (i: number) => ({ from: times[i]! - MINUTE });
      const seldom = refund({ throttle: { times: 1, within: '1h', per: 'rule' } });
      const throttled = (await simulate({ rule: seldom })).body;
      expect(throttled).toMatchObject({ transcripts: 4, matched: 3, totals: { messages: 2, added: 2 } });
      expect(throttled.skipped).toEqual([
        expect.objectContaining({ reason: 'throttle: one call within 1h for this rule', count: 1 }),
      ]);
      // The call before the range was told of, so the first one in it is not.
      expect((await simulate({ rule: seldom, ...from(1) })).body).toMatchObject({
        transcripts: 3,
        matched: 2,
        totals: { messages: 1 },
      });
      const second = { name: 'again', when: `count(speech.says('refund'), "7d", "client") == 2`, actions: [EMAIL] };
      const whole = (await simulate({ rule: second })).body;
      expect(whole).toMatchObject({ transcripts: 4, matched: 2 });
      expect((await simulate({ rule: second, ...from(1) })).body).toMatchObject({ transcripts: 3, matched: 2 });
      const other = { ...second, when: `count(speech.says('refund'), "1h", "client") == 2` };
      // Not the last: by then the others are longer ago.
      expect((await simulate({ rules: [other] })).body).toMatchObject({ matched: 2, totals: { messages: 2 } });
    } finally {
      herald.clock.aheadMs = 0;
    }
  });

  it('tries rules on failures by the failures that came', async () => {
    const error = { err_code: 'SLOW_UPLOAD', err_msg: 'the audio came too slowly' };
    await hook(herald, JSON.stringify({ ...error, request_id: '00000000-0000-4000-9000-000000000001' }));
    await receive({});
    const rule = { name: 'slow', on: 'transcript.failed', when: "failure.code == 'SLOW_UPLOAD'" };
    const action = { channel: 'email', to: ['contact:ann'], template: 'transcript-failed' };
    const { body } = await simulate({ rule: { ...rule, actions: [action] } });
    expect(body).toMatchObject({
      transcripts: 1,
      matched: 1,
      messages: [{ on: 'transcript.failed', to: 'ann@clinic.example', preview: { text: expect.any(String) } }],
    });
  });

  it('streams progress, a line for each job that matches, and the summary at the end', async () => {
    const tags = { email: 'kim@clinic.example' };
    await receive({ turns: [['refund']], tags }, {}, { turns: [['refund']], tags });
    const answer = await simulate({ rule: refund(), limit: 1 }, LINES);
    expect(answer.headers.get('content-type')).toContain('application/x-ndjson');
    const told = lines(answer.body as string);
    expect(told[0]).toMatchObject({ type: 'progress', of: 3, transcripts: 0 });
    // On a slow machine progress is told more often.
    const [job, summary, ...more] = told.filter(({ type }) => type !== 'progress');
    expect(more).toEqual([]);
    expect(told.at(-1)).toBe(summary);
    expect(job).toMatchObject({ type: 'job', messages: [{ to: 'kim@clinic.example' }] });
    expect(summary).toMatchObject({
      type: 'summary',
      transcripts: 3,
      matched: 2,
      totals: { messages: 2, added: 2 },
      truncated: true,
    });
    const whole = (await simulate({ rule: refund(), limit: 1 })).body;
    expect(whole.messages).toEqual(job.messages);
  });

  it('ends when the client goes, and lets two run at a time', async () => {
    await receive({ turns: [['refund']], tags: { email: 'kim@clinic.example' } });
    const simulations = herald.app.get(Simulations, { strict: false });
    const body = { rule: refund(), limit: 10 };
    const first = await simulations.prepare(body, false);
    const second = await simulations.prepare(body, false);
    const third = await simulate(body);
    expect(third.status).toBe(429);
    expect(Number(third.headers.get('retry-after'))).toBeGreaterThan(0);
    first.release();
    first.release();
    const ended = () => herald.lines.filter(({ event }) => event === 'rules.simulated').length;
    const before = ended();
    const run = simulations.run(second);
    await run.next();
    await run.return();
    expect(ended()).toBe(before);
    const leaving = new AbortController();
    const headers = {
      ...LINES,
      authorization: `Bearer ${await herald.key('admin')}`,
      'content-type': 'application/json',
    };
    for (let i = 0; i < 3; i++) {
      const response = await fetch(`${herald.url}/v1/rules/simulate`, {
        method: 'POST',
        body: JSON.stringify(body),
        headers,
        signal: leaving.signal,
      });
      await response.body?.getReader().cancel();
    }
    leaving.abort();
    await until(
      async () => (await simulate(body)).status,
      (status) => status === 200,
    );
  });

  it('refuses what it cannot try, with the field and the mend', async () => {
    const id = await save(refund());
    const refused = async (body: object | string, status: number, pointer: string): Promise<AnyBody> => {
      const answer = await herald.api('POST', '/v1/rules/simulate', body);
      expect(answer.status).toBe(status);
      expect(answer.headers.get('content-type')).toContain('application/problem+json');
      expect(answer.body.errors[0].pointer).toBe(pointer);
      return answer.body;
    };
    const wrong = await refused({ rule: refund({ name: 'x', when: "speech.say('a')" }) }, 422, '/rule/when');
    expect(wrong.errors[0]).toMatchObject({ line: 1, suggestion: 'says' });
    await refused({ rules: [refund(), { ...refund(), order: 1 }] }, 422, '/rules/1/name');
    await refused({ rules: [refund({ enabeld: 1 })] }, 422, '/rules/0/enabeld');
    const taken = await refused({ rule: refund() }, 409, '/rule/name');
    expect(taken.detail).toContain(id);
    await refused({ rule: refund({ name: 'y' }), rules: [] }, 400, '/rules');
    await refused({ rul: refund() }, 400, '/rul');
    await refused({ id: 'refund' }, 400, '/id');
    await refused({ from: 10, to: 5 }, 422, '/from');
    await refused({ rule: { name: 'd', on: 'delivery.dead', actions: [EMAIL] } }, 422, '/rule/on');
    expect((await simulate({ id: NOBODY })).status).toBe(404);
    const reader = await herald.key('jobs:read');
    expect((await simulate({}, { authorization: `Bearer ${reader}` })).status).toBe(403);
    const empty = await simulate();
    expect(empty.status).toBe(200);
    expect(empty.body).toMatchObject({ transcripts: 0, matched: 0, messages: [] });
  });
});

describe('simulating rules with a cap', () => {
  it('says of messages over it that they would be held, as many as a settle then holds', async () => {
    const herald = await TestApp.start('SQLite', {
      env: {
        TWILIO_ACCOUNT_SID: 'AC00000000000000000000000000000001',
        TWILIO_AUTH_TOKEN: 'token',
        TWILIO_FROM: '+12125550100',
        HERALD_SMS_PER_RECIPIENT_PER_HOUR: '2',
      },
    });
    try {
      // Early in an hour, so that nothing here runs over its end.
      herald.clock.aheadMs = HOUR - (Date.now() % HOUR);
      await herald.api('POST', '/v1/sending/pause', { reason: 'the test looks at what is planned' });
      for (const said of ['refund', 'thanks', 'refund', 'refund', 'refund'] as const)
        await hook(herald, bodyOf({ turns: [[said]], tags: {} }));
      await settled(herald);
      const action = { channel: 'sms', to: ['+12125550144'], template: 'transcript-ready' };
      const rule = { name: 'refund', when: "speech.says('refund')", actions: [action] };
      const { body } = await herald.api('POST', '/v1/rules/simulate', { rule });
      const states = (body.messages as AnyBody[]).map(({ state }) => state as string);
      expect(states).toEqual(['queued', 'queued', 'held', 'held']);
      expect(body.messages[3].reason).toContain('HERALD_SMS_PER_RECIPIENT_PER_HOUR');
      await herald.api('POST', '/v1/rules', rule);
      for (const { id } of (await herald.all<{ id: string }>('/v1/callbacks', 100)).items)
        await herald.api('POST', `/v1/callbacks/${id}/replay`);
      await settled(herald);
      const { items } = await herald.all<{ state: string }>('/v1/deliveries', 100);
      expect(items.map(({ state }) => state).sort()).toEqual([...states].sort());
    } finally {
      await herald.close();
    }
  });
});
