import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { fixtures, readFixture } from '../fixtures/deepgram/index.js';
import { sharedBodies, sharedErrors, sharedRead, sharedStreaming } from '../support/shared-deepgram.js';
import { databases, PATIENCE_MS, Stage, type JobBody } from '../support/stage.js';

/** What a body must do to its job, said independently of the code that reads it. */
type Expected =
  | { kind: 'transcript'; words: number; speakers: number | undefined; opens: string | undefined }
  | { kind: 'failure'; code: string }
  | { kind: 'quarantined'; reason: RegExp };

interface Case {
  file: string;
  bytes: Buffer;
  expected: Expected;
}

interface ListenBody {
  results: { channels: { alternatives: { transcript: string; words?: { speaker?: number }[] }[] }[] };
}

/** Counted from the body with a plain reading of its own: enough for one channel, which all of the real ones have. */
function counted(bytes: Buffer): Expected {
  const { channels } = (JSON.parse(bytes.toString('utf8')) as ListenBody).results;
  const words = channels.flatMap(({ alternatives }) => alternatives[0]?.words ?? []);
  const speakers = new Set(words.map(({ speaker }) => speaker).filter((speaker) => speaker !== undefined));
  const opens = channels[0]?.alternatives[0]?.transcript.split(/\s+/)[0];
  return { kind: 'transcript', words: words.length, speakers: speakers.size, opens };
}

function codeOf(bytes: Buffer): string {
  const body = JSON.parse(bytes.toString('utf8')) as Record<string, string>;
  return body.err_code ?? body.error_code ?? body.category ?? 'UNKNOWN';
}

const ours: Case[] = fixtures.map((fixture): Case => {
  const bytes = readFixture(fixture.file);
  if (fixture.expect === 'failure')
    return { file: fixture.file, bytes, expected: { kind: 'failure', code: fixture.code } };
  if (fixture.expect === 'transcript') {
    const { words, speakers, opens } = fixture;
    return { file: fixture.file, bytes, expected: { kind: 'transcript', words, speakers, opens } };
  }
  const reason = new RegExp(fixture.reason.replace(/[()/]/g, '\\$&'));
  return { file: fixture.file, bytes, expected: { kind: 'quarantined', reason } };
});

const cases: Case[] = [
  ...ours,
  ...sharedBodies().map(({ file, bytes }) => ({ file, bytes, expected: counted(bytes) })),
  ...sharedErrors().map(({ file, bytes }): Case => ({
    file,
    bytes,
    expected: { kind: 'failure', code: codeOf(bytes) },
  })),
  ...sharedStreaming().map(({ file, bytes }): Case => ({
    file,
    bytes,
    expected: { kind: 'quarantined', reason: /streaming message/ },
  })),
  ...sharedRead().map(({ file, bytes }): Case => ({
    file,
    bytes,
    expected: { kind: 'quarantined', reason: /v1\/read/ },
  })),
];

const STATE = { transcript: 'completed', failure: 'failed', quarantined: 'submitted' } as const;
const TAGS = { email: 'dana@clinic.example', phone: '+14155552671', case: 'callbacks' };

interface TranscriptBody {
  text: string;
  words: unknown[];
  speakers: unknown[];
}

describe.each(await databases())('callbacks on %s', (kind) => {
  let stage: Stage;
  const repeated = new Map<string, { id: string; before: JobBody }>();

  beforeAll(async () => {
    stage = await Stage.start(kind, {
      env: { HERALD_OPERATOR_EMAIL: 'ops@clinic.example', HERALD_MAX_OUTSTANDING_JOBS: '1000' },
    });
    stage.deepgram.holdCallbacks();
  }, PATIENCE_MS);

  afterAll(async () => {
    await stage.stop();
  }, PATIENCE_MS);

  it.each(cases)(
    '$file settles its job once, however often it comes',
    async ({ file, bytes, expected }) => {
      const id = await stage.submitted(TAGS);
      expect((await stage.server.hook(id, bytes)).status).toBe(200);
      const before = await stage.settled(id);
      expect(before.state).toBe(STATE[expected.kind]);
      expect(before.callbacks).toHaveLength(1);
      await expectOutcome(id, before, expected);
      for (let time = 0; time < 3; time++) expect((await stage.server.hook(id, bytes)).status).toBe(200);
      repeated.set(file, { id, before });
    },
    PATIENCE_MS,
  );

  async function expectOutcome(id: string, job: JobBody, expected: Expected): Promise<void> {
    const { status, body } = await stage.server.get<TranscriptBody>(`/v1/transcripts/${id}`);
    expect(status).toBe(expected.kind === 'transcript' ? 200 : 404);
    if (expected.kind === 'transcript') {
      expect(body.words).toHaveLength(expected.words);
      if (expected.speakers !== undefined) expect(body.speakers).toHaveLength(expected.speakers);
      expect(body.text).toContain(expected.opens ?? '');
      expect(job.transcriptId).toBe(id);
      expect(job.failure).toBeNull();
      expect(job.deliveries.map(({ channel }) => channel).sort()).toEqual(['email', 'sms']);
    } else if (expected.kind === 'failure') {
      expect(job.failure?.code).toBe(expected.code);
      expect(job.failure?.message).not.toBe('');
      expect(job.deliveries.map(({ to }) => to)).toEqual(['ops@clinic.example']);
    } else {
      expect(job.callbacks[0]).toMatchObject({ state: 'quarantined', reason: expect.stringMatching(expected.reason) });
      expect(job.evaluations).toEqual([]);
      expect(job.deliveries).toEqual([]);
    }
  }

  it(
    'has one row, one set of evaluations and one set of deliveries for each after all repetitions',
    async () => {
      expect(repeated.size).toBe(cases.length);
      for (const { id, before } of repeated.values()) {
        const { body: after } = await stage.server.get<JobBody>(`/v1/jobs/${id}`);
        expect(after.state).toBe(before.state);
        expect(after.callbacks).toEqual([{ ...before.callbacks[0], repeats: 3 }]);
        expect(after.evaluations.map(({ ruleName }) => ruleName)).toEqual(
          before.evaluations.map(({ ruleName }) => ruleName),
        );
        expect(after.deliveries.map((delivery) => delivery.id)).toEqual(
          before.deliveries.map((delivery) => delivery.id),
        );
      }
    },
    PATIENCE_MS,
  );

  it(
    'takes the same callback twenty times at once as one (P8)',
    async () => {
      const id = await stage.submitted(TAGS);
      const bytes = readFixture('diarized.json');
      const answers = await Promise.all(Array.from({ length: 20 }, () => stage.server.hook(id, bytes)));
      expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200));
      expect(new Set(answers.map(({ text }) => text)).size).toBe(1);
      const job = await stage.settled(id);
      expect(job.callbacks).toEqual([expect.objectContaining({ state: 'settled', repeats: 19 })]);
      expect(job.deliveries).toHaveLength(2);
      expect(job.evaluations).toHaveLength(2);
    },
    PATIENCE_MS,
  );

  it(
    'keeps other bytes of the same request as a duplicate with its own row, and tells nobody again (P9)',
    async () => {
      const id = await stage.submitted(TAGS);
      const bytes = readFixture('diarized.json');
      await stage.server.hook(id, bytes);
      const first = await stage.settled(id);
      expect((await stage.server.hook(id, Buffer.concat([bytes, Buffer.from('\n')]))).status).toBe(200);
      const job = await stage.job(id, ({ callbacks }) => callbacks.length === 2 && callbacks[1]?.state !== 'pending');
      expect(job.callbacks.map(({ state }) => state)).toEqual(['settled', 'duplicate']);
      expect(job.callbacks[1]?.reason).toMatch(/has its transcript/);
      expect(job.deliveries.map((delivery) => delivery.id)).toEqual(first.deliveries.map((delivery) => delivery.id));
      expect(job.evaluations).toHaveLength(first.evaluations.length);
    },
    PATIENCE_MS,
  );

  it(
    'completes a failed job when a transcript follows, and never fails a completed one',
    async () => {
      const id = await stage.submitted(TAGS);
      await stage.server.hook(id, readFixture('error-legacy.json'));
      expect((await stage.settled(id)).state).toBe('failed');
      await stage.server.hook(id, readFixture('mono-punctuated.json'));
      const completed = await stage.job(id, ({ state }) => state === 'completed');
      expect(completed.failure).toBeNull();
      await stage.server.hook(id, readFixture('error-modern.json'));
      const job = await stage.job(
        id,
        ({ callbacks }) => callbacks.length === 3 && callbacks.every(({ state }) => state !== 'pending'),
      );
      expect(job.state).toBe('completed');
      expect(job.callbacks.map(({ state }) => state)).toEqual(['settled', 'settled', 'duplicate']);
      expect(job.deliveries.map(({ ruleName }) => ruleName).sort()).toEqual([
        'email-on-completion',
        'failure-to-operator',
        'sms-preview',
      ]);
    },
    PATIENCE_MS,
  );

  it(
    'lists what is quarantined with its reason, and settles it again on replay',
    async () => {
      const id = await stage.submitted(TAGS);
      await stage.server.hook(id, readFixture('streaming-message.json'));
      const [callback] = (await stage.settled(id)).callbacks;
      const listed = await stage.all<{ id: string; state: string; reason: string }>('/v1/callbacks?state=quarantined');
      expect(listed.every(({ state, reason }) => state === 'quarantined' && reason !== '')).toBe(true);
      expect(listed.map((item) => item.id)).toContain(callback?.id);

      const replayed = await stage.server.api('POST', `/v1/callbacks/${callback?.id ?? ''}/replay`);
      expect(replayed.status).toBe(202);
      const again = await stage.settled(id);
      expect(again.callbacks).toEqual([expect.objectContaining({ state: 'quarantined', reason: callback?.reason })]);
    },
    PATIENCE_MS,
  );

  it(
    'replays a settled callback by the rules of today, and tells nobody twice',
    async () => {
      const id = await stage.submitted({ ...TAGS, late: 'lead@clinic.example' });
      await stage.server.hook(id, readFixture('diarized.json'));
      const first = await stage.settled(id);
      const rule = {
        name: `afterthought-${kind.toLowerCase()}`,
        when: 'has(job.tags.late)',
        actions: [{ channel: 'email', to: ['{{job.tags.late}}'], template: 'transcript-ready' }],
      };
      expect((await stage.server.api('POST', '/v1/rules', rule)).status).toBe(201);
      expect((await stage.server.api('POST', `/v1/callbacks/${first.callbacks[0]?.id ?? ''}/replay`)).status).toBe(202);
      const job = await stage.job(id, ({ deliveries }) => deliveries.length === 3);
      expect(job.state).toBe('completed');
      expect(job.deliveries.at(-1)).toMatchObject({ to: 'lead@clinic.example', ruleName: rule.name });
      expect(job.evaluations.length).toBeGreaterThan(first.evaluations.length);
    },
    PATIENCE_MS,
  );

  it('has lost none: every acknowledged callback is settled, a duplicate, or quarantined with a reason', async () => {
    expect(await stage.count('callbacks', `state = 'pending'`)).toBe(0);
    expect(await stage.count('callbacks', `state in ('quarantined', 'duplicate') and reason is null`)).toBe(0);
    // An alert is said at error level when it has no path of its own; quarantined callbacks are one.
    const errors = stage.server.log.split('\n').filter((line) => line.includes('"level":50'));
    expect(errors.filter((line) => !line.includes('"event":"operator.alert"'))).toEqual([]);
  });
});
