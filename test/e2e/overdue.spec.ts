import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { ListenRecord } from '../../src/sandbox/deepgram-stand-in.service.js';
import { databases, PATIENCE_MS, Stage, type JobBody } from '../support/stage.js';

const OPERATOR = 'ops@clinic.example';

describe.each(await databases())('jobs whose callback does not come, on %s', (kind) => {
  let stage: Stage;
  let serial = 0;

  beforeAll(async () => {
    // Half a minute to wait: the watchdog looks every 0.3 s, and no test needs so long by itself.
    stage = await Stage.start(kind, {
      env: { HERALD_OPERATOR_EMAIL: OPERATOR, HERALD_OVERDUE_MINUTES: '0.5', HERALD_MAX_RESUBMISSIONS: '1' },
    });
  }, PATIENCE_MS);

  afterAll(async () => {
    await stage.stop();
  }, PATIENCE_MS);

  beforeEach(() => {
    delete stage.deepgram.options.callbackBeforeAnswer;
    stage.deepgram.holdCallbacks();
  });

  const mailbox = (): string => `late-${String(++serial)}@clinic.example`;
  const mailsTo = (address: string) => stage.smtp.mails.filter(({ envelope }) => envelope.to.includes(address));
  const requestsOf = (id: string): ListenRecord[] =>
    stage.deepgram.requests.filter(({ options }) => options.callback?.[0]?.endsWith(`/hook/${id}`));

  async function upload(email: string): Promise<string> {
    const { body } = await stage.server.api<JobBody>('POST', `/v1/jobs?tag.email=${email}`, undefined, {
      body: Buffer.alloc(20_000, ++serial),
      headers: { 'content-type': 'audio/wav' },
    });
    await stage.job(body.id, ({ state }) => state === 'submitted');
    return body.id;
  }

  /** The time of the wait has passed. */
  async function late(...ids: string[]): Promise<void> {
    const list = ids.map((id) => `'${id}'`).join(', ');
    await stage.sql(`update jobs set deadline_at = 1 where id in (${list}) and state = 'submitted'`);
  }

  /** Late, and submitted again. @returns the ids of both requests */
  async function twice(id: string): Promise<[first: string, second: string]> {
    await late(id);
    const { submissions } = await stage.job(id, (job) => job.state === 'submitted' && job.submissions.length === 2);
    return [submissions[0]?.requestId ?? '', submissions[1]?.requestId ?? ''];
  }

  async function completedOnce(id: string, email: string, callbacks: string[]): Promise<JobBody> {
    const job = await stage.job(
      id,
      (now) => now.callbacks.length === callbacks.length && now.callbacks.every(({ state }) => state !== 'pending'),
    );
    expect(job).toMatchObject({ state: 'completed', transcriptId: id });
    expect(job.callbacks.map(({ state }) => state).sort()).toEqual(callbacks);
    expect(job.deliveries.map(({ ruleName }) => ruleName)).toEqual(['email-on-completion']);
    await stage.delivery(job.deliveries[0]?.id ?? '', ({ state }) => state === 'sent');
    expect(mailsTo(email)).toHaveLength(1);
    return job;
  }

  it(
    'are submitted again with the same audio and callback, and a new deadline',
    async () => {
      const email = mailbox();
      const id = await upload(email);
      const before = await stage.job(id, () => true);
      expect(before).toMatchObject({ resubmissions: 0, overdueAt: null });
      const [first, second] = await twice(id);
      const job = await stage.job(id, () => true);
      expect(job).toMatchObject({ state: 'submitted', resubmissions: 1, overdueAt: null, requestId: second });
      expect(Date.parse(job.deadlineAt ?? '')).toBeGreaterThan(Date.parse(before.deadlineAt ?? ''));
      const requests = requestsOf(id);
      expect(requests.map(({ requestId }) => requestId)).toEqual([first, second]);
      expect(requests[1]?.options).toEqual(requests[0]?.options);
      expect(requests[1]?.sha256).toBe(requests[0]?.sha256);
      expect(stage.server.log).toContain('job.resubmitted');
      stage.deepgram.release(second);
      await completedOnce(id, email, ['settled']);
      stage.deepgram.release(first);
      expect((await completedOnce(id, email, ['duplicate', 'settled'])).requestId).toBe(second);
    },
    PATIENCE_MS,
  );

  it(
    'take the late first callback when it comes before the second',
    async () => {
      const email = mailbox();
      const id = await upload(email);
      const [first, second] = await twice(id);
      stage.deepgram.release(first);
      await completedOnce(id, email, ['settled']);
      stage.deepgram.release(second);
      expect((await completedOnce(id, email, ['duplicate', 'settled'])).requestId).toBe(first);
    },
    PATIENCE_MS,
  );

  it(
    'have one transcript and one message each when both callbacks come at once',
    async () => {
      const jobs: [id: string, email: string][] = [];
      for (let i = 0; i < 12; i++) {
        const email = mailbox();
        jobs.push([await stage.create({ email }), email]);
      }
      for (const [id] of jobs) await stage.job(id, ({ state }) => state === 'submitted');
      await late(...jobs.map(([id]) => id));
      for (const [id] of jobs) await stage.job(id, ({ submissions }) => submissions.length === 2);
      stage.deepgram.release();
      for (const [id, email] of jobs) await completedOnce(id, email, ['duplicate', 'settled']);
    },
    PATIENCE_MS,
  );

  it(
    'are settled by the late first callback while the second submission is under way',
    async () => {
      const email = mailbox();
      const id = await upload(email);
      stage.deepgram.options.callbackBeforeAnswer = true;
      await late(id);
      for (const until = Date.now() + PATIENCE_MS; requestsOf(id).length < 2 && Date.now() < until;)
        await new Promise((resolve) => setTimeout(resolve, 20));
      const [first, second] = requestsOf(id).map(({ requestId }) => requestId);
      stage.deepgram.release(first);
      await completedOnce(id, email, ['settled']);
      stage.deepgram.release(second);
      const job = await completedOnce(id, email, ['duplicate', 'settled']);
      expect(job).toMatchObject({ state: 'completed', requestId: first, resubmissions: 1 });
      expect(requestsOf(id)).toHaveLength(2);
    },
    PATIENCE_MS,
  );

  it(
    'are submitted at most once more when Herald is killed while it submits, with one transcript and one message',
    async () => {
      const email = mailbox();
      stage.deepgram.options.callbackBeforeAnswer = true;
      const id = await stage.create({ email });
      for (const until = Date.now() + PATIENCE_MS; requestsOf(id).length < 1 && Date.now() < until;)
        await new Promise((resolve) => setTimeout(resolve, 20));
      await stage.server.end('SIGKILL');
      // On PostgreSQL another process could still hold it: the lease of the dead one ends first.
      await stage.sql(`update jobs set lease_until = 1 where id = '${id}'`);
      delete stage.deepgram.options.callbackBeforeAnswer;
      await stage.server.restart();
      const job = await stage.job(id, ({ state }) => state === 'submitted');
      expect(requestsOf(id).map(({ requestId }) => requestId)).toEqual([expect.any(String), job.requestId]);
      stage.deepgram.release();
      await completedOnce(id, email, ['duplicate', 'settled']);
      expect(requestsOf(id)).toHaveLength(2);
    },
    PATIENCE_MS,
  );

  it(
    'do not fail by the late failure of the first submission: the second decides',
    async () => {
      const email = mailbox();
      const id = await upload(email);
      const [first, second] = await twice(id);
      await stage.server.hook(id, JSON.stringify({ err_code: 'SLOW_UPLOAD', err_msg: 'too slow', request_id: first }));
      const job = await stage.settled(id);
      expect(job).toMatchObject({ state: 'submitted', failure: null, callbacks: [{ state: 'duplicate' }] });
      expect(job.callbacks[0]?.reason).toMatch(/submitted again/);
      stage.deepgram.release(second);
      await completedOnce(id, email, ['duplicate', 'settled']);
      stage.deepgram.release(first);
    },
    PATIENCE_MS,
  );

  it(
    'are overdue once that came to nothing as well: told once, and still settled by a callback',
    async () => {
      const email = mailbox();
      const id = await upload(email);
      const [, second] = await twice(id);
      const toldBefore = mailsTo(OPERATOR).length;
      await stage.sql(`update jobs set created_at = created_at - 5700000 where id = '${id}'`);
      await late(id);
      const overdue = await stage.job(id, ({ state }) => state === 'overdue');
      expect(overdue).toMatchObject({ resubmissions: 1, deadlineAt: null });
      expect(overdue.overdueAt).not.toBeNull();
      expect(overdue.evaluations.map(({ ruleName, on, matched }) => [ruleName, on, matched])).toEqual([
        ['overdue-to-operator', 'job.overdue', true],
      ]);
      await stage.delivery(overdue.deliveries[0]?.id ?? '', ({ state }) => state === 'sent');
      const told = mailsTo(OPERATOR).slice(toldBefore);
      expect(told).toHaveLength(1);
      expect(told[0]?.text.replace(/\s+/g, ' ')).toContain(
        'We have waited 95 minutes, and handed the recording in again 1 time.',
      );
      stage.deepgram.release(second);
      const job = await stage.job(id, ({ state }) => state === 'completed');
      expect(job).toMatchObject({ overdueAt: overdue.overdueAt });
      expect(job.deliveries.map(({ ruleName }) => ruleName)).toEqual(['overdue-to-operator', 'email-on-completion']);
      await stage.delivery(job.deliveries[1]?.id ?? '', ({ state }) => state === 'sent');
      expect(mailsTo(email)).toHaveLength(1);
      expect(mailsTo(OPERATOR)).toHaveLength(toldBefore + 1);
      const { body: metrics } = await stage.server.get<string>('/metrics');
      for (const event of ['resubmitted', 'overdue'])
        expect(metrics).toMatch(new RegExp(`herald_jobs_total\\{event="${event}"\\} [1-9]`));
    },
    PATIENCE_MS,
  );

  it(
    'are overdue at once when their audio is gone, and tell the client where the rule for that is on',
    async () => {
      const rules = await stage.all<{ id: string; name: string; version: number }>('/v1/rules');
      const rule = rules.find(({ name }) => name === 'late-to-client');
      const { body, headers } = await stage.server.get(`/v1/rules/${String(rule?.id)}`);
      expect(body.enabled).toBe(false);
      const on = await stage.server.api(
        'PUT',
        `/v1/rules/${String(rule?.id)}`,
        { name: body.name, on: body.on, when: body.when, actions: body.actions, enabled: true },
        { headers: { 'if-match': headers.get('etag') ?? '' } },
      );
      expect(on.status).toBe(200);

      const email = mailbox();
      const id = await upload(email);
      const blobs = path.join(stage.server.dataDir, 'blobs');
      for (const file of await readdir(blobs)) if (file.startsWith('audio-')) await rm(path.join(blobs, file));
      await late(id);
      const job = await stage.job(id, ({ state }) => state === 'overdue');
      expect(job).toMatchObject({ resubmissions: 0 });
      expect(requestsOf(id)).toHaveLength(1);
      expect(job.deliveries.map(({ to }) => to).sort()).toEqual([email, OPERATOR].sort());
      for (const delivery of job.deliveries) await stage.delivery(delivery.id, ({ state }) => state === 'sent');
      expect(mailsTo(email)[0]?.text).toContain('You need not do anything.');
    },
    PATIENCE_MS,
  );

  it(
    'are submitted again as often as at first after a person asked for it',
    async () => {
      const id = await stage.submitted();
      await twice(id);
      await late(id);
      await stage.job(id, ({ state }) => state === 'overdue');
      expect((await stage.server.api('POST', `/v1/jobs/${id}/resubmit`)).status).toBe(202);
      const asked = await stage.job(id, ({ submissions }) => submissions.length === 3);
      expect(asked).toMatchObject({ state: 'submitted', resubmissions: 0 });
      await late(id);
      expect(await stage.job(id, ({ submissions }) => submissions.length === 4)).toMatchObject({ resubmissions: 1 });
      stage.deepgram.release(asked.submissions[2]?.requestId);
      expect((await stage.settled(id)).state).toBe('completed');
    },
    PATIENCE_MS,
  );

  it(
    'are not late while Deepgram refuses them: they wait as long as it asked for',
    async () => {
      stage.deepgram.failNext(429, undefined, { 'retry-after': '3600' });
      const id = await stage.create();
      const job = await stage.job(id, ({ lastError }) => lastError !== null);
      await stage.sql(`update jobs set created_at = created_at - 86400000 where id = '${id}'`);
      expect(Date.parse(job.nextAttemptAt ?? '')).toBeGreaterThan(Date.now() + 3_000_000);
      const other = await stage.submitted();
      await late(other);
      await stage.job(other, ({ submissions }) => submissions.length === 2);
      await stage.server.restart();
      expect(await stage.job(id, () => true)).toMatchObject({
        state: 'pending',
        nextAttemptAt: job.nextAttemptAt,
        deadlineAt: null,
        overdueAt: null,
        attempts: 1,
      });
    },
    PATIENCE_MS,
  );
});
