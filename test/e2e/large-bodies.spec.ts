import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { basic, HOOK_PASSWORD } from '../support/server.js';
import { HealthWatch } from '../support/health.js';
import { longBody } from '../support/long-transcript.js';
import { databases, PATIENCE_MS, Stage, type JobBody } from '../support/stage.js';
import { readFixture } from '../fixtures/deepgram/index.js';

const MIB = 1024 * 1024;
/** The bound. A machine that runs other suites beside this one gets more: what is shown here is no stall of seconds. */
const HEALTH_MS = 1_000;

interface CallbackBody {
  id: string;
  jobId: string;
  state: string;
  reason: string | null;
}

describe.each(await databases())('bodies of many megabytes on %s', (kind) => {
  let stage: Stage;

  beforeAll(async () => {
    stage = await Stage.start(kind);
    stage.deepgram.holdCallbacks();
  }, PATIENCE_MS);
  afterAll(() => stage.stop());

  const post = async (body: Uint8Array, headers: Record<string, string> = {}): Promise<string> => {
    const answer = await fetch(`${stage.server.url}/hook`, {
      method: 'POST',
      body,
      headers: { authorization: basic(HOOK_PASSWORD), 'content-type': 'application/json', ...headers },
    });
    expect(answer.status).toBe(200);
    return ((await answer.json()) as { callback: string }).callback;
  };
  const settled = (id: string): Promise<CallbackBody> =>
    stage.server.until<CallbackBody, CallbackBody>(
      `/v1/callbacks/${id}`,
      (callback) => callback.state !== 'pending' && callback,
      PATIENCE_MS,
    );

  it(
    'settles 20 MB of words while small callbacks overtake them, and health answers (I2, I6)',
    async () => {
      const rule = {
        name: 'hears the last words',
        when: "speech.says('zebra crossing') && transcript.words == 200000.0 && job.tags.tier == 'gold'",
        actions: [
          { channel: 'email', to: ['{{job.tags.email}}'], template: 'transcript-ready', attach: ['srt', 'json'] },
        ],
        merge: false,
      };
      expect((await stage.server.api('POST', '/v1/rules', rule)).status).toBe(201);
      const large = longBody(200_000, 'large-1', { tier: 'gold', email: 'large@clinic.example' }, 'zebra crossing');
      const small = await stage.submitted();
      const health = new HealthWatch(stage.server.url);
      const id = await post(large);
      await stage.server.hook(small, readFixture('mono-punctuated.json'));
      await stage.settled(small);
      expect((await stage.server.get<CallbackBody>(`/v1/callbacks/${id}`)).body.state).toBe('pending');
      const { jobId, state } = await settled(id);
      expect(state).toBe('settled');
      const srt = await stage.server.get<string>(`/v1/transcripts/${jobId}.srt`);
      expect(srt.body.slice(-100)).toContain('zebra crossing');
      const page = await stage.server.get<{ words: unknown[] }>(`/v1/transcripts/${jobId}`);
      expect(page.body.words).toHaveLength(200_000);
      const job = await stage.job(jobId, ({ deliveries }) =>
        deliveries.some((delivery) => delivery.ruleName === rule.name && delivery.state === 'sent'),
      );
      expect(job.tags).toEqual({ tier: 'gold', email: 'large@clinic.example' });
      const { slowestMs, failures } = await health.end();
      process.stdout.write(`slowest health on ${kind} beside 20 MB of words: ${String(slowestMs)} ms\n`);
      expect(failures).toBe(0);
      expect(slowestMs).toBeLessThan(HEALTH_MS);
      const mail = stage.smtp.mails.find(({ attachments }) => attachments.length > 0);
      expect(mail?.attachments.map(({ filename }) => filename)).toEqual(['transcript.srt', 'transcript.json.txt']);
      expect(mail?.attachments[0]?.content.slice(-100)).toContain('zebra crossing');
    },
    PATIENCE_MS,
  );

  it(
    'finds the job of a large callback by its request id when it is replayed',
    async () => {
      const jobs = (await stage.server.get<{ items: JobBody[] }>('/v1/jobs?origin=external')).body.items;
      const { id } = jobs.find((job) => job.requestId === 'large-1') ?? { id: '' };
      const [callback] = (await stage.job(id, () => true)).callbacks;
      await stage.server.api('POST', `/v1/callbacks/${callback?.id ?? ''}/replay`);
      expect(await settled(callback?.id ?? '')).toMatchObject({ state: 'settled', jobId: id });
      const { deliveries } = await stage.job(id, () => true);
      expect(deliveries.map(({ ruleName }) => ruleName).sort()).toEqual([
        'email-on-completion',
        'hears the last words',
      ]);
    },
    PATIENCE_MS,
  );

  it(
    'quarantines what is too much or no JSON, with the reason, and keeps its bytes (I2)',
    async () => {
      const deep = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels);
      const results = (words: string): string => `{"results":{"channels":[{"alternatives":[{"words":${words}}]}]}}`;
      const bodies: [name: string, body: string, reason: RegExp][] = [
        ['5 million levels', deep(5_000_000), /nests deeper/],
        ['100,000 levels', deep(100_000), /nests deeper/],
        ['10 million numbers', `[${'0,'.repeat(9_999_999)}0]`, /not an object/],
        ['a number of 30 MB', `{"n":${'9'.repeat(30 * MIB)}}`, /neither a transcript/],
        ['a million keys', `{${Array.from({ length: 1e6 }, (_, i) => `"k${String(i)}":1`).join()}}`, /neither/],
        ['1.5 million words', results(`[${'{"word":"a"},'.repeat(1_500_000)}{}]`), /more than 1,000,000 words/],
        ['30 MB that break off', results(`[${'{"word":"a"},'.repeat(2_000_000)}`), /not JSON/],
      ];
      const health = new HealthWatch(stage.server.url);
      for (const [name, body, reason] of bodies) {
        const started = performance.now();
        const callback = await settled(await post(Buffer.from(body)));
        process.stdout.write(`${name} on ${kind}: ${String(Math.round(performance.now() - started))} ms\n`);
        expect([name, callback.state]).toEqual([name, 'quarantined']);
        expect(callback.reason).toMatch(reason);
      }
      const { slowestMs, failures } = await health.end();
      process.stdout.write(`slowest health on ${kind} beside them: ${String(slowestMs)} ms\n`);
      expect(failures).toBe(0);
      expect(slowestMs).toBeLessThan(HEALTH_MS);
    },
    PATIENCE_MS,
  );
});
