import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { DAY } from '../../src/duration.js';
import { databases, HOOK_PASSWORD, TestApp, type AnyBody } from '../support/app.js';
import { callTranscript } from '../support/transcript.js';
import { until } from '../support/until.js';

const NOBODY = '01900000-0000-7000-8000-000000000000';
/** Ids of rows that a test makes, in order. */
const PREFIX = '01900000-0000-7000-8000-';
const EMAIL = { channel: 'email', to: ['{{job.tags.email}}'], template: 'transcript-ready' };
const LEAD = { channel: 'email', to: ['lead@clinic.example'], template: 'transcript-ready' };

describe.each(await databases())('why, on %s', (kind) => {
  let herald: TestApp;
  let call: AnyBody;
  let serial = 0;
  beforeAll(async () => {
    herald = await TestApp.start(kind);
    call = JSON.parse(await readFile('assets/call.deepgram.json', 'utf8'));
  });
  afterAll(() => herald.close());

  const save = async (name: string, more: object = {}): Promise<string> => {
    const made = await herald.api('POST', '/v1/rules', { name, actions: [LEAD], ...more });
    expect([made.status, made.body.errors]).toEqual([201, undefined]);
    return made.body.id;
  };
  const change = async (id: string, body: object): Promise<void> => {
    const answer = await herald.api('PUT', `/v1/rules/${id}`, body, { 'if-match': '*' });
    expect([answer.status, answer.body.errors]).toEqual([200, undefined]);
  };
  const explain = (jobId: string, query: string) => herald.get(`/v1/jobs/${jobId}/explain?${query}`);
  const replay = (jobId: string, body: object) => herald.api('POST', `/v1/jobs/${jobId}/replay`, body);
  const job = async (id: string) => (await herald.get(`/v1/jobs/${id}`)).body;

  /** A call of a customer who wants a refund, told by somebody else's callback. @returns the job's id, once it is settled */
  async function settle(tags: Record<string, string> = {}, body: AnyBody = call): Promise<string> {
    const requestId = randomUUID();
    const metadata = { ...body.metadata, request_id: requestId, extra: tags };
    const told = body.metadata ? { ...body, metadata } : { ...body, request_id: requestId };
    const answer = await fetch(`${herald.url}/hook`, {
      method: 'POST',
      body: JSON.stringify(told),
      headers: {
        authorization: `Basic ${Buffer.from(`herald:${HOOK_PASSWORD}`).toString('base64')}`,
        'content-type': 'application/json',
      },
    });
    expect(answer.status).toBe(200);
    const [row] = await until(
      () => herald.database.read<{ id: string }>('select id from jobs where request_id = ?', [requestId]),
      (rows) => rows.length === 1,
    );
    return row!.id;
  }

  /** As if rules had been evaluated. */
  async function evaluated(rows: { jobId?: string; ruleId: string; outcome: string; at?: number }[]): Promise<void> {
    const { dialect } = herald.database;
    await herald.database.uow.run(async (tx) => {
      for (const { jobId = 'a-job', ruleId, outcome, at = 0 } of rows) {
        const matched = outcome === 'matched';
        await tx.query(
          dialect.bind(
            `insert into evaluations (id, job_id, trigger_name, rule_id, rule_name, rule_version, matched, outcome, data, skipped, created_at)
             values (?, ?, 'transcript.completed', ?, ?, 1, ?, ?, ?, '[]', ?)`,
          ),
          [
            `${PREFIX}${String(serial++).padStart(12, '0')}`,
            jobId,
            ruleId,
            ruleId,
            kind === 'SQLite' ? Number(matched) : matched,
            outcome,
            JSON.stringify({ ruleName: ruleId, matched }),
            at,
          ],
        );
      }
    });
  }

  describe('explain', () => {
    it('shows the condition as a tree with the words, speakers and seconds, and the first reason against it', async () => {
      await save('refund-long', { when: "speech.by('1').says('refund') && transcript.duration > 90" });
      const jobId = await settle();
      const { status, body } = await explain(jobId, 'rule=refund-long');
      expect(status).toBe(200);
      expect(body).toMatchObject({
        jobId,
        rule: { name: 'refund-long', version: 1, on: 'transcript.completed', enabled: true },
        evaluated: { version: 1, matched: false, skipped: [] },
        matched: false,
        reason: expect.stringMatching(/^“transcript.duration > 90” is not true: transcript.duration is 62\.0/),
        tree: {
          kind: 'and',
          result: false,
          parts: [
            {
              text: "speech.by('1').says('refund')",
              result: true,
              matches: expect.arrayContaining([
                expect.objectContaining({ speaker: '1', label: 'Speaker 2', start: expect.any(Number) }),
              ]),
            },
            { result: false, parts: [{ text: 'transcript.duration' }] },
          ],
        },
      });
      expect(body.note).toBeUndefined();
    });

    it('takes the version that was evaluated, another one that is asked for, and a rule that is deleted or has another name today', async () => {
      const id = await save('before', { when: "speech.says('refund')" });
      const jobId = await settle();
      await change(id, { name: 'after', when: "speech.says('lawyer')", actions: [LEAD] });
      for (const rule of ['before', 'after', id])
        expect((await explain(jobId, `rule=${rule}`)).body).toMatchObject({ matched: true, rule: { id, version: 1 } });
      const second = (await explain(jobId, `rule=${id}&version=2`)).body;
      expect(second).toMatchObject({
        matched: false,
        reason: '“lawyer” is not said',
        evaluated: { version: 1, matched: true },
      });
      await herald.api('DELETE', `/v1/rules/${id}`, undefined, { 'if-match': '*' });
      expect((await explain(jobId, 'rule=before')).body).toMatchObject({ matched: true, rule: { version: 1 } });
      const deletion = await explain(jobId, `rule=${id}&version=3`);
      expect([deletion.status, deletion.body.detail]).toEqual([404, expect.stringContaining('deletion')]);
    });

    it('says of a rule that was not looked at what kept it from it', async () => {
      const stopId = await save('stops', { when: "job.tags.stop == 'yes'", stop: true, order: -5, actions: [] });
      await save('stopped', { when: 'true' });
      const off = await save('off', { when: 'true', enabled: false });
      const jobId = await settle({ stop: 'yes' });
      expect((await explain(jobId, 'rule=stopped')).body).toMatchObject({
        matched: false,
        reason: 'the rule “stops” matched before it, and stops',
        tree: { result: true },
      });
      expect((await explain(jobId, `rule=${off}`)).body).toMatchObject({
        matched: false,
        reason: 'version 1 of the rule is switched off',
        evaluated: null,
      });
      expect((await explain(jobId, 'rule=failure-to-operator')).body).toMatchObject({
        matched: false,
        reason: 'the rule looks at transcriptions that failed, and this one did not',
        tree: null,
      });
      await save('later', { when: 'true' });
      expect((await explain(jobId, 'rule=later')).body).toMatchObject({
        matched: true,
        evaluated: null,
        note: expect.stringContaining('no version of the rule was looked at'),
      });
      await herald.api('DELETE', `/v1/rules/${stopId}`, undefined, { 'if-match': '*' });
    });

    it('keeps with each evaluation what came of the rule, in one word', async () => {
      const ids = {
        matched: await save('o-matched', { when: "job.tags.o == 'x'", order: -9 }),
        failed: await save('o-failed', { when: 'transcript.speakers[9].talk > 1.0', order: -9 }),
        unmatched: await save('o-unmatched', { when: "speech.says('lawyer')", order: -9 }),
      };
      const stop = await save('o-stop', { when: "job.tags.o == 'x'", stop: true, order: -8, actions: [] });
      const skipped = await save('o-skipped', { when: 'true' });
      const jobId = await settle({ o: 'x' });
      const outcomes = new Map((await job(jobId)).evaluations.map(({ ruleId, outcome }: AnyBody) => [ruleId, outcome]));
      for (const [outcome, id] of Object.entries({ ...ids, skipped }))
        expect([id, outcomes.get(id)]).toEqual([id, outcome]);
      expect((await explain(jobId, 'rule=o-failed')).body).toMatchObject({
        evaluated: { matched: false, error: 'there is no such item in transcript.speakers[9]' },
        reason: 'there is no such item in transcript.speakers[9]',
      });
      await herald.api('DELETE', `/v1/rules/${stop}`, undefined, { 'if-match': '*' });
    });

    it('looks at the whole of a very large transcript, to its last word, and so does a replay', async () => {
      const said = Array.from({ length: 60_000 }, (_, i) => `w${String(i)}`).join(' ');
      const jobId = await herald.storeTranscript(callTranscript(`${said} wombat`));
      const id = await save('large', { when: "speech.last(60).says('wombat') && transcript.words > 60000" });
      expect((await explain(jobId, 'rule=large')).body).toMatchObject({
        matched: true,
        evaluated: null,
        tree: { parts: [{ matches: [{ text: 'wombat', label: 'Speaker 2' }] }, { parts: [{ value: 60_001 }] }] },
      });
      const { body } = await replay(jobId, { rules: 'now' });
      expect(body.new.filter(({ ruleId }: AnyBody) => ruleId === id)).toMatchObject([{ to: 'lead@clinic.example' }]);
    });

    it('explains a rule on failures', async () => {
      const actions = [{ ...LEAD, template: 'transcript-failed' }];
      await save('unreadable', { on: 'transcript.failed', when: "failure.code == 'OTHER'", actions });
      const failure = JSON.parse(await readFile('test/fixtures/deepgram/error-modern.json', 'utf8'));
      const jobId = await settle({}, failure);
      expect((await explain(jobId, 'rule=unreadable')).body).toMatchObject({
        matched: false,
        evaluated: { matched: false },
        reason: expect.stringContaining('failure.code is “'),
      });
      expect((await explain(jobId, 'rule=sms-preview')).body).toMatchObject({
        reason: 'the rule looks at transcripts, and this job has none',
      });
      expect((await replay(jobId, { rules: 'now' })).body).toMatchObject({ on: 'transcript.failed', newCount: 0 });
    });

    it('refuses what is not there, with a suggestion', async () => {
      const jobId = await herald.storeTranscript(callTranscript());
      const unknown = await explain(jobId, 'rule=sms-previw');
      expect([unknown.status, unknown.body.errors]).toEqual([
        404,
        [expect.objectContaining({ pointer: 'rule', suggestion: 'sms-preview' })],
      ]);
      expect((await explain(NOBODY, 'rule=sms-preview')).status).toBe(404);
      expect((await explain(jobId, 'rule=sms-preview&version=9')).status).toBe(404);
      for (const query of ['', 'rule=', 'rule=sms-preview&version=0', 'rule=sms-preview&versoin=1'])
        expect([query, (await explain(jobId, query)).status]).toEqual([query, 400]);
      expect((await explain('nonsense', 'rule=sms-preview')).status).toBe(400);
    });
  });

  describe('versions', () => {
    it('have a comment, differ field by field, and can be rolled back to', async () => {
      const id = await save('versioned', { comment: 'first try', when: "speech.says('refund')" });
      const path = `/v1/rules/${id}`;
      const wider = {
        name: 'versioned',
        when: "speech.says('refund*')",
        actions: [LEAD, EMAIL],
        comment: 'too narrow',
      };
      await change(id, wider);
      const saves = (await herald.get(`${path}/versions`)).body.items;
      expect(saves.map(({ version, comment }: AnyBody) => [version, comment])).toEqual([
        [2, 'too narrow'],
        [1, 'first try'],
      ]);
      expect(JSON.stringify(saves[0].rule)).not.toContain('too narrow');

      const { body: diff } = await herald.get(`${path}/versions/1/diff/2`);
      expect(diff.from).toMatchObject({ version: 1, comment: 'first try', author: 'HERALD_ADMIN_KEY' });
      expect(diff.changes).toEqual(
        expect.arrayContaining([
          { path: '/when', before: "speech.says('refund')", after: "speech.says('refund*')" },
          { path: '/actions/1', before: null, after: EMAIL },
        ]),
      );
      expect(diff.changes).toHaveLength(2);
      expect((await herald.get(`${path}/versions/1/diff/9`)).status).toBe(404);
      expect((await herald.get(`${path}/versions/0/diff/1`)).status).toBe(400);

      const rollback = (body: object, etag?: string) =>
        herald.api('POST', `${path}/rollback`, body, etag === undefined ? {} : { 'if-match': etag });
      expect((await rollback({ version: 1 })).status).toBe(428);
      expect((await rollback({ version: 1 }, '"v1"')).status).toBe(412);
      expect((await rollback({ version: 7 }, '"v2"')).status).toBe(404);
      const back = await rollback({ version: 1 }, '"v2"');
      expect([back.status, back.headers.get('etag')]).toEqual([200, '"v3"']);
      expect(back.body).toMatchObject({ version: 3, when: "speech.says('refund')" });
      expect((await herald.get(`${path}/versions/1/diff/3`)).body.changes).toEqual([]);
      expect((await herald.get(`${path}/versions?limit=1`)).body.items).toMatchObject([
        { comment: 'back to version 1' },
      ]);
    });

    it('that are not valid any more are not rolled back to: every problem is told', async () => {
      const contact = await herald.api('POST', '/v1/contacts', { name: 'gone-soon', email: 'gone@clinic.example' });
      const id = await save('names-somebody', { actions: [{ ...LEAD, to: ['contact:gone-soon'] }] });
      await change(id, { name: 'names-somebody', actions: [LEAD] });
      const removed = await herald.api('DELETE', `/v1/contacts/${String(contact.body.id)}`, undefined, {
        'if-match': '*',
      });
      expect(removed.status).toBe(204);
      const answer = await herald.api('POST', `/v1/rules/${id}/rollback`, { version: 1 }, { 'if-match': '"v2"' });
      expect([answer.status, answer.body.code]).toEqual([422, 'RULE_INVALID']);
      expect(answer.body.errors).toMatchObject([{ pointer: '/actions/0/to/0' }]);
      expect((await herald.get(`/v1/rules/${id}`)).body.version).toBe(2);
    });

    it('refuse a comment that is none', async () => {
      for (const comment of ['', 5, 'x'.repeat(501)]) {
        const answer = await herald.api('POST', '/v1/rules', { name: 'commented', actions: [LEAD], comment });
        expect([answer.status, answer.body.errors[0].pointer]).toEqual([422, '/comment']);
      }
    });
  });

  describe('replay', () => {
    it('by the rules of that day finds nothing new; by those of today only what is new, and sends that once', async () => {
      // Written to by no other rule: one message tells of all rules that mean the same person.
      const desk = { ...LEAD, to: ['desk@clinic.example'] };
      const id = await save('told', { when: "speech.says('refund')", actions: [desk] });
      const jobId = await settle({ manager: 'boss@clinic.example' });
      const mine = ({ ruleId }: AnyBody): boolean => ruleId === id;
      expect((await job(jobId)).deliveries.filter(mine)).toMatchObject([{ to: 'desk@clinic.example', ruleVersion: 1 }]);
      // Another order of its actions, one that is new, and a condition that still holds.
      const boss = { ...LEAD, to: ['{{job.tags.manager}}'] };
      await change(id, {
        name: 'told',
        when: "speech.says('refund') && job.origin == 'external'",
        actions: [boss, desk],
      });

      const then = (await replay(jobId, { rules: 'then' })).body;
      expect(then).toMatchObject({ on: 'transcript.completed', rules: 'then', dryRun: true, newCount: 0, planned: 0 });
      expect(then.matched).toContainEqual({ ruleId: id, ruleName: 'told', ruleVersion: 1 });
      expect(Date.parse(then.rulesAt)).toBeLessThanOrEqual(Date.now());

      const now = (await replay(jobId, { rules: 'now' })).body;
      expect(now).toMatchObject({ rulesAt: null, planned: 0 });
      expect(now.new.filter(mine)).toMatchObject([{ to: 'boss@clinic.example', ruleVersion: 2, state: 'queued' }]);
      expect((await job(jobId)).deliveries.filter(mine)).toHaveLength(1);

      const twice = await Promise.all([
        replay(jobId, { rules: 'now', dryRun: false }),
        replay(jobId, { rules: 'now', dryRun: false }),
      ]);
      expect(twice.map(({ body }) => body.planned).sort()).toEqual([0, now.newCount]);
      const after = (await job(jobId)).deliveries.filter(mine);
      expect(after.map(({ to, ruleVersion }: AnyBody) => [to, ruleVersion])).toEqual([
        ['desk@clinic.example', 1],
        ['boss@clinic.example', 2],
      ]);
      await until(
        async () => (await job(jobId)).deliveries.filter(mine),
        (all) => all.every(({ state }: AnyBody) => state === 'sent'),
      );
      expect((await replay(jobId, { rules: 'now' })).body).toMatchObject({ newCount: 0 });
      expect((await explain(jobId, 'rule=told')).body).toMatchObject({ evaluated: { version: 2, matched: true } });
      const { items } = (await herald.get('/v1/audit?limit=200')).body;
      expect(items).toContainEqual(expect.objectContaining({ action: 'job.replayed', subject: jobId }));
    });

    it('evaluates a rule of that day that is deleted today, and none that came later', async () => {
      const id = await save('of-that-day', { when: "job.tags.of == 'that-day'" });
      const jobId = await settle({ of: 'that-day' });
      await herald.api('DELETE', `/v1/rules/${id}`, undefined, { 'if-match': '*' });
      const later = await save('of-today', { when: "job.tags.of == 'that-day'" });
      const ids = ({ matched }: AnyBody) => matched.map(({ ruleId }: AnyBody) => ruleId);
      const then = ids((await replay(jobId, { rules: 'then' })).body);
      const now = ids((await replay(jobId, { rules: 'now' })).body);
      expect([then.includes(id), then.includes(later), now.includes(id), now.includes(later)]).toEqual([
        true,
        false,
        false,
        true,
      ]);
    });

    it('refuses what is not there, has not come yet, or is asked wrongly', async () => {
      expect((await replay(NOBODY, { rules: 'now' })).status).toBe(404);
      const jobId = await settle();
      for (const body of [{}, { rules: 'yesterday' }, { rules: 'now', dryrun: false }])
        expect((await replay(jobId, body)).status).toBe(400);
      const key = await herald.key('jobs:write', 'jobs:read');
      const answer = await herald.api(
        'POST',
        `/v1/jobs/${jobId}/replay`,
        { rules: 'now' },
        { authorization: `Bearer ${key}` },
      );
      expect(answer.status).toBe(403);
    });
  });

  describe('the health of rules', () => {
    const health = async (ruleId: string, query = '') => {
      const { items } = await herald.all(`/v1/rules/health?days=7${query}`, 5);
      return items.find((one) => one.ruleId === ruleId);
    };

    it('counts the window since the last change, and says what to do', async () => {
      const [never, most, fails] = [
        await save('h-never', { when: "speech.says('a')" }),
        await save('h-most', { when: "speech.says('b')" }),
        await save('h-fails', { when: "speech.says('c')" }),
      ];
      expect(await health(never)).toMatchObject({ evaluated: 0, lastMatchedAt: null, findings: ['changed-lately'] });
      const before = herald.clock.aheadMs;
      herald.clock.aheadMs += 20 * DAY;
      try {
        const now = herald.clock.now();
        const some = (ruleId: string, outcome: string, count: number, at: number) =>
          Array.from({ length: count }, () => ({ ruleId, outcome, at }));
        await evaluated([
          ...some(never, 'unmatched', 30, now - DAY),
          ...some(never, 'skipped', 5, now - DAY),
          ...some(most, 'matched', 25, now - 2 * DAY),
          ...some(most, 'unmatched', 5, now - 2 * DAY),
          ...some(most, 'unmatched', 100, now - 9 * DAY),
          ...some(fails, 'failed', 2, now),
          ...some(fails, 'unmatched', 1, now),
        ]);
        expect(await health(never)).toMatchObject({ evaluated: 30, matched: 0, failed: 0, findings: ['never-fires'] });
        expect(await health(most)).toMatchObject({
          evaluated: 30,
          matched: 25,
          findings: ['fires-on-most'],
          lastMatchedAt: new Date(now - 2 * DAY).toISOString(),
          advice: expect.stringContaining('25 of 30'),
        });
        expect(await health(fails)).toMatchObject({ evaluated: 3, failed: 2, findings: ['fails'] });
        await herald.api('PATCH', `/v1/rules/${never}`, { enabled: false }, { 'if-match': '*' });
        herald.clock.aheadMs += 60_000;
        expect(await health(never)).toMatchObject({ evaluated: 0, enabled: false, findings: ['changed-lately'] });
      } finally {
        herald.clock.aheadMs = before;
      }
      for (const query of ['days=0', 'days=91', 'dais=3'])
        expect((await herald.get(`/v1/rules/health?${query}`)).status).toBe(400);
    });
  });

  describe('a job with many evaluations', () => {
    it('shows the first 200, matches and failures first, and every one page by page', async () => {
      const jobId = await herald.storeTranscript(callTranscript());
      const outcomeOf = (i: number): string => (i % 100 === 7 ? 'matched' : i % 100 === 8 ? 'failed' : 'unmatched');
      await evaluated(
        Array.from({ length: 450 }, (_, i) => ({ jobId, ruleId: `r${String(i)}`, outcome: outcomeOf(i) })),
      );
      const shown = await job(jobId);
      expect(shown.evaluations).toHaveLength(200);
      expect(shown.evaluationsOmitted).toBe(250);
      expect(shown.evaluations.slice(0, 11).map(({ ruleName, outcome }: AnyBody) => [ruleName, outcome])).toEqual([
        ...['r7', 'r107', 'r207', 'r307', 'r407'].map((name) => [name, 'matched']),
        ...['r8', 'r108', 'r208', 'r308', 'r408'].map((name) => [name, 'failed']),
        ['r0', 'unmatched'],
      ]);
      const route = `/v1/jobs/${jobId}/evaluations`;
      const { items, pages } = await herald.all(route, 200);
      expect(pages).toBe(3);
      expect(items.map(({ ruleName }) => ruleName)).toEqual(Array.from({ length: 450 }, (_, i) => `r${String(i)}`));
      expect((await herald.all(`${route}?outcome=failed`, 2)).items.map(({ ruleName }) => ruleName)).toEqual([
        'r8',
        'r108',
        'r208',
        'r308',
        'r408',
      ]);
      expect((await herald.get(`/v1/jobs/${NOBODY}/evaluations`)).status).toBe(404);
      expect((await herald.get(`${route}?outcome=won`)).status).toBe(400);
    });
  });
});
