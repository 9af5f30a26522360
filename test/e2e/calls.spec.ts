import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFixture } from '../fixtures/deepgram/index.js';
import { databases, PATIENCE_MS, Stage, type JobBody } from '../support/stage.js';

interface Told extends JobBody {
  deliveries: (JobBody['deliveries'][number] & { alsoFor: string[] })[];
  evaluations: (JobBody['evaluations'][number] & { skipped: { to: string; reason: string }[] })[];
}

describe.each(await databases())('rules over many calls on %s', (kind) => {
  let stage: Stage;
  let serial = 0;

  beforeAll(async () => {
    stage = await Stage.start(kind);
    stage.deepgram.holdCallbacks();
  }, PATIENCE_MS);
  afterAll(() => stage.stop(), PATIENCE_MS);

  const ready = (to: string, more: object = {}): object => ({
    channel: 'email',
    to: [to],
    template: 'transcript-ready',
    ...more,
  });

  async function save(rule: object): Promise<string> {
    const { status, body } = await stage.server.api<{ id: string }>('POST', '/v1/rules', rule);
    expect([status, body]).toMatchObject([201, {}]);
    return body.id;
  }

  /** A call about a refund, settled. */
  async function call(tags: Record<string, string>): Promise<Told> {
    const id = await stage.submitted(tags);
    // Each is a request of its own.
    const body = readFixture('diarized.json')
      .toString('utf8')
      .replace(/"request_id": *"[^"]*"/, `"request_id": "${randomUUID()}"`);
    await stage.server.hook(id, Buffer.from(body));
    return (await stage.settled(id)) as Told;
  }

  const outcome = ({ evaluations, deliveries }: Told, rule: string): [matched: boolean | undefined, sent: number] => [
    evaluations.find(({ ruleName }) => ruleName === rule)?.matched,
    deliveries.filter(({ ruleName }) => ruleName === rule).length,
  ];

  it(
    'send a person one message for two rules, which names both and carries what both want to attach',
    async () => {
      const to = `both-${String(++serial)}@clinic.example`;
      const when = 'has(job.tags.both)';
      await save({ name: 'first', order: 1, when, actions: [ready(to, { attach: ['vtt'] })] });
      const second = await save({ name: 'second', order: 2, when, actions: [ready(to, { attach: ['txt'] })] });
      const job = await call({ both: 'yes' });
      expect(job.deliveries).toMatchObject([{ ruleName: 'first', alsoFor: ['second'], to }]);
      await stage.delivery(job.deliveries[0]?.id ?? '', ({ state }) => state === 'sent');
      const mails = stage.smtp.mails.filter(({ envelope }) => envelope.to.includes(to));
      expect(mails).toHaveLength(1);
      expect(mails[0]?.text).toContain('the rules "first", "second" in');
      expect(mails[0]?.attachments.map(({ filename }) => filename).sort()).toEqual([
        'transcript.txt',
        'transcript.vtt',
      ]);
      expect(await stage.all(`/v1/deliveries?ruleId=${second}`)).toMatchObject([{ alsoFor: [{ ruleName: 'second' }] }]);
    },
    PATIENCE_MS,
  );

  it(
    'tell of one call in an hour for each client, and say of the others why they were not told of',
    async () => {
      await save({
        name: 'now and then',
        when: 'has(job.tags.throttled)',
        throttle: { times: 1, within: '1h', per: 'tag:throttled' },
        actions: [ready('desk@clinic.example')],
      });
      const [acme, again, birch] = [
        await call({ throttled: 'acme' }),
        await call({ throttled: 'acme' }),
        await call({ throttled: 'birch' }),
      ];
      expect([acme, again, birch].map((job) => outcome(job, 'now and then'))).toEqual([
        [true, 1],
        [true, 0],
        [true, 1],
      ]);
      const skipped = again.evaluations.find(({ ruleName }) => ruleName === 'now and then')?.skipped;
      expect(skipped).toMatchObject([
        {
          to: 'desk@clinic.example',
          reason: expect.stringMatching(/^throttle: one call within 1h .*; open again in (?:1h|59m)/),
        },
      ]);
    },
    PATIENCE_MS,
  );

  it(
    'match at the third call of a client that was about it, and count none twice when it is replayed',
    async () => {
      const when = `count(speech.says('refund'), "7d", "counted") == 3`;
      await save({ name: 'third time', when, actions: [ready('lead@clinic.example')] });
      const jobs: Told[] = [];
      for (const client of ['acme', 'birch', 'acme']) jobs.push(await call({ counted: client }));
      const callback = jobs[0]?.callbacks[0]?.id ?? '';
      expect((await stage.server.api('POST', `/v1/callbacks/${callback}/replay`)).status).toBe(202);
      await stage.job(jobs[0]?.id ?? '', ({ evaluations }) => evaluations.length > (jobs[0]?.evaluations.length ?? 0));
      jobs.push(await call({ counted: 'acme' }), await call({ counted: 'acme' }));
      expect(jobs.map((job) => outcome(job, 'third time'))).toEqual([
        [false, 0],
        [false, 0],
        [false, 0],
        [true, 1],
        [false, 0],
      ]);
      expect(await stage.count('series', `job_id = '${jobs[0]?.id ?? ''}'`)).toBe(1);
      expect((await stage.server.api('DELETE', `/v1/jobs/${jobs[0]?.id ?? ''}`)).status).toBe(204);
      expect(await stage.count('series', `job_id = '${jobs[0]?.id ?? ''}'`)).toBe(0);
    },
    PATIENCE_MS,
  );

  it(
    'count every call once when they are settled in the same moment',
    async () => {
      const when = `count(true, "7d", "rush") == 8`;
      await save({ name: 'the eighth', when, actions: [ready('lead@clinic.example')] });
      const jobs = await Promise.all(Array.from({ length: 8 }, () => call({ rush: 'acme' })));
      expect(jobs.filter((job) => outcome(job, 'the eighth')[0])).toHaveLength(1);
    },
    PATIENCE_MS,
  );
});
