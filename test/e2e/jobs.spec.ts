import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { readFixture } from '../fixtures/deepgram/index.js';
import { ADMIN_KEY } from '../support/server.js';
import { databases, PATIENCE_MS, Stage, type JobBody } from '../support/stage.js';

const MIB = 1024 * 1024;
const URL_OF_AUDIO = 'https://files.clinic.example/call.wav?signature=s3cret';

interface Problem {
  status: number;
  code: string;
  detail: string;
  errors: { pointer: string; message: string; suggestion?: string }[];
}

type Submitted = JobBody & {
  warnings: string[];
  audio: { kind: string; url?: string; bytes?: number; name?: string; kept?: boolean };
};

describe.each(await databases())('jobs on %s', (kind) => {
  let stage: Stage;

  beforeAll(async () => {
    stage = await Stage.start(kind, {
      env: { HERALD_OPERATOR_EMAIL: 'ops@clinic.example', HERALD_MAX_OUTSTANDING_JOBS: '1000' },
    });
  }, PATIENCE_MS);

  afterAll(async () => {
    await stage.stop();
  }, PATIENCE_MS);

  beforeEach(() => {
    stage.deepgram.holdCallbacks();
  });

  const post = <T = Submitted>(body: unknown, headers: Record<string, string> = {}) =>
    stage.server.api<T>('POST', '/v1/jobs', body, { headers });
  const requestsOf = (id: string) =>
    stage.deepgram.requests.filter(({ options }) => options.callback?.[0]?.endsWith(`/hook/${id}`));

  describe('the three forms of a request', () => {
    it(
      'takes the URL of audio, and shows it without its query',
      async () => {
        const options = { model: 'nova-3', smart_format: true, keyterm: ['refund', 'invoice'] };
        const { status, headers, body } = await post({
          audio: { url: URL_OF_AUDIO },
          options,
          tags: { client: 'acme' },
        });
        expect(status).toBe(202);
        expect(headers.get('location')).toBe(`/v1/jobs/${body.id}`);
        expect(body).toMatchObject({
          state: 'pending',
          tags: { client: 'acme' },
          audio: { kind: 'url', url: 'https://files.clinic.example/call.wav' },
        });
        const job = await stage.job(body.id, ({ state }) => state === 'submitted');
        const [request] = requestsOf(body.id);
        expect(request).toMatchObject({
          requestId: job.requestId,
          audioUrl: URL_OF_AUDIO,
          options: { model: ['nova-3'], smart_format: ['true'], keyterm: ['refund', 'invoice'] },
        });
        expect(request?.contentLength).toBe(request?.bytes);
      },
      PATIENCE_MS,
    );

    it(
      'takes raw audio with its options in the query',
      async () => {
        const audio = Buffer.alloc(300_000, 7);
        const query = 'model=nova-3&smart_format=true&keyterm=refund&keyterm=invoice&tag.client=acme&tag.case-id=7';
        const { status, body } = await stage.server.api<Submitted>('POST', `/v1/jobs?${query}`, undefined, {
          body: audio,
          headers: { 'content-type': 'audio/wav' },
        });
        expect(status).toBe(202);
        expect(body).toMatchObject({
          tags: { client: 'acme', 'case-id': '7' },
          audio: { kind: 'upload', bytes: 300_000, kept: true },
        });
        await stage.job(body.id, ({ state }) => state === 'submitted');
        expect(requestsOf(body.id)[0]).toMatchObject({
          contentType: 'audio/wav',
          contentLength: 300_000,
          sha256: createHash('sha256').update(audio).digest('hex'),
          options: { model: ['nova-3'], smart_format: ['true'], keyterm: ['refund', 'invoice'] },
        });
      },
      PATIENCE_MS,
    );

    it(
      'takes multipart with the request before or after the audio, or without one',
      async () => {
        const audio = new Blob([Buffer.alloc(200_000, 9)], { type: 'video/mp4' });
        const request = JSON.stringify({ preset: 'meeting', tags: { room: '4' } });
        const forms: [string, string | Blob][][] = [
          [
            ['request', request],
            ['audio', audio],
          ],
          [
            ['audio', audio],
            ['request', request],
          ],
          [['audio', audio]],
        ];
        for (const parts of forms) {
          const form = new FormData();
          for (const [name, part] of parts) {
            if (typeof part === 'string') form.append(name, part);
            else form.append(name, part, 'town hall.mp4');
          }
          const { status, body } = await stage.server.api<Submitted>('POST', '/v1/jobs', undefined, { body: form });
          expect(status).toBe(202);
          expect(body.audio).toMatchObject({ kind: 'upload', bytes: 200_000, name: 'town hall.mp4' });
          expect(body.tags).toEqual(parts.length > 1 ? { room: '4' } : {});
          await stage.job(body.id, ({ state }) => state === 'submitted');
          expect(requestsOf(body.id)[0]).toMatchObject({ contentType: 'video/mp4', contentLength: 200_000 });
        }
      },
      PATIENCE_MS,
    );

    it(
      'refuses broken forms with what to do, and keeps none of their audio',
      async () => {
        const before = await audioBlobs();
        const multipart = (...parts: [string, string | Blob][]): FormData => {
          const form = new FormData();
          for (const [name, part] of parts) form.append(name, part);
          return form;
        };
        const audio = new Blob([Buffer.alloc(2000)], { type: 'audio/wav' });
        const cases: [unknown, number, RegExp][] = [
          [multipart(['request', '{}']), 400, /"audio" is missing/],
          [multipart(['audio', audio], ['audio', audio]), 400, /one audio file/],
          [multipart(['audio', audio], ['request', '{']), 400, /not valid JSON/],
          [multipart(['audio', audio], ['request', '{"optoins":{}}']), 400, /./],
          [multipart(['audio', audio], ['request', '{"options":{"modle":"nova-3"}}']), 422, /did you mean model/],
          [multipart(['sound', audio]), 400, /Name the file part "audio"/],
          [multipart(['audio', new Blob([], { type: 'audio/wav' })]), 422, /empty/],
        ];
        for (const [body, status, detail] of cases) {
          const answer = await stage.server.api<Problem>('POST', '/v1/jobs', undefined, { body: body as FormData });
          expect([answer.status, answer.body.detail]).toEqual([status, expect.stringMatching(detail)]);
        }
        expect(await audioBlobs()).toBe(before);
      },
      PATIENCE_MS,
    );
  });

  async function audioBlobs(): Promise<number> {
    const files = await readdir(path.join(stage.server.dataDir, 'blobs')).catch(() => []);
    return files.filter((name) => name.startsWith('audio')).length;
  }

  describe('what is checked before anything is submitted', () => {
    it(
      'names each wrong option with its place and the near name',
      async () => {
        const options = {
          modle: 'nova-3',
          smart_format: 'yes',
          diarise: true,
          callback: 'https://evil.example',
          utt_split: 'x',
        };
        const { status, body } = await post<Problem>({ audio: { url: URL_OF_AUDIO }, options });
        expect([status, body.code]).toEqual([422, 'OPTION_INVALID']);
        const by = Object.fromEntries(body.errors.map((error) => [error.pointer, error]));
        expect(by['/options/modle']).toMatchObject({
          suggestion: 'model',
          message: expect.stringContaining('did you mean model?'),
        });
        expect(by['/options/diarise']?.suggestion).toMatch(/^diarize/);
        expect(by['/options/smart_format']?.message).toMatch(/true or false/);
        expect(by['/options/callback']?.message).toMatch(/cannot be set/);
        expect(by['/options/utt_split']?.message).toMatch(/a number/);
        const raw = await stage.server.api<Problem>('POST', '/v1/jobs?modle=nova-3', undefined, {
          body: Buffer.alloc(10),
          headers: { 'content-type': 'audio/wav' },
        });
        expect([raw.status, raw.body.detail]).toEqual([422, expect.stringContaining('did you mean model?')]);
      },
      PATIENCE_MS,
    );

    it.each<[string, unknown, string]>([
      ['51 tags', Object.fromEntries(Array.from({ length: 51 }, (_, i) => [`t${String(i)}`, 'x'])), 'at most 50 tags'],
      ['a value of 513 characters', { a: 'x'.repeat(513) }, 'at most 512 characters'],
      ['a name of 65 characters', { ['n'.repeat(65)]: 'x' }, '1 to 64'],
      ['a name with a blank', { 'a b': 'x' }, '1 to 64'],
      ['a name that begins with two underscores', { __proto: 'x' }, '1 to 64'],
      ['a number', { a: 1 }, 'must be text'],
    ])('refuses %s', async (_what, tags, message) => {
      const { status, body } = await post<Problem>({ audio: { url: URL_OF_AUDIO }, tags });
      expect(status).toBe(400);
      expect(body.errors[0]?.pointer).toMatch(/^\/tags/);
      expect(body.errors[0]?.message).toContain(message);
    });

    it.each(['ftp://files.example/a.wav', 'file:///etc/passwd', 'call.wav', '', 7])(
      'refuses the audio URL %s',
      async (url) => {
        const { status, body } = await post<Problem>({ audio: { url } });
        expect([status, body.errors[0]?.pointer]).toEqual([400, '/audio/url']);
      },
    );

    it('takes 50 tags of the greatest length', async () => {
      const tags = Object.fromEntries(
        Array.from({ length: 50 }, (_, i) => [`${'n'.repeat(62)}${String(i).padStart(2, '0')}`, 'ü'.repeat(512)]),
      );
      const { status, body } = await post({ audio: { url: URL_OF_AUDIO }, tags });
      expect(status).toBe(202);
      expect((await stage.job(body.id, () => true)).tags).toEqual(tags);
    });

    it(
      'applies a preset under the explicit options, and suggests the near one',
      async () => {
        const { body } = await post({
          audio: { url: URL_OF_AUDIO },
          preset: 'phone-call',
          options: { utterances: false },
        });
        await stage.job(body.id, ({ state }) => state === 'submitted');
        expect(requestsOf(body.id)[0]?.options).toMatchObject({
          model: ['nova-3'],
          smart_format: ['true'],
          utterances: ['false'],
        });
        const wrong = await post<Problem>({ audio: { url: URL_OF_AUDIO }, preset: 'phonecall' });
        expect(wrong.status).toBe(422);
        expect(wrong.body.errors[0]).toMatchObject({ pointer: '/preset', suggestion: 'phone-call' });
      },
      PATIENCE_MS,
    );

    it(
      'refuses unknown fields, and query parameters with a JSON body',
      async () => {
        expect((await post<Problem>({ audio: { url: URL_OF_AUDIO, kind: 'x' } })).status).toBe(400);
        expect((await post<Problem>({ audio: { url: URL_OF_AUDIO }, state: 'completed' })).status).toBe(400);
        const query = await stage.server.api<Problem>('POST', '/v1/jobs?model=nova-3', {
          audio: { url: URL_OF_AUDIO },
        });
        expect([query.status, query.body.errors[0]?.pointer]).toEqual([400, 'model']);
        const type = await stage.server.api<Problem>('POST', '/v1/jobs', undefined, {
          body: 'x',
          headers: { 'content-type': 'text/plain' },
        });
        expect([type.status, type.body.code]).toEqual([415, 'UNSUPPORTED_MEDIA_TYPE']);
      },
      PATIENCE_MS,
    );
  });

  it(
    'says why it refuses an upload that is too large or wrong, to a sender that is still sending',
    async () => {
      const small = await Stage.start(kind, { env: { HERALD_MAX_AUDIO_BYTES: '1MiB' } });
      const before = await audioBlobs();
      try {
        const post = (route: string, headers: Record<string, string>, body: NonNullable<RequestInit['body']>) =>
          small.server.api<Problem>('POST', route, undefined, { body, headers });
        const large = Buffer.alloc(40 * MIB);
        const raw = await post('/v1/jobs', { 'content-type': 'audio/wav' }, large);
        expect([raw.status, raw.body.detail]).toEqual([413, expect.stringContaining('HERALD_MAX_AUDIO_BYTES')]);
        const option = await post('/v1/jobs?modle=x', { 'content-type': 'audio/wav' }, large);
        expect([option.status, option.body.code]).toEqual([422, 'OPTION_INVALID']);
        for (const [name, status] of [
          ['audio', 413],
          ['sound', 400],
        ] as const) {
          const form = new FormData();
          form.append(name, new Blob([large], { type: 'audio/wav' }), 'a.wav');
          const answer = await post('/v1/jobs', {}, form as NonNullable<RequestInit['body']>);
          expect([name, answer.status]).toEqual([name, status]);
        }
        expect(await readdir(path.join(small.server.dataDir, 'blobs'))).toEqual([]);
        // A refused sender that goes on sending is cut off after two seconds: that must not end the server.
        await new Promise((resolve) => setTimeout(resolve, 2_500));
        expect((await fetch(`${small.server.url}/readyz`)).status).toBe(200);
      } finally {
        await small.stop();
      }
      expect(await audioBlobs()).toBe(before);
    },
    PATIENCE_MS,
  );

  it(
    'keeps nothing of an upload that breaks off, and calls it no fault of its own',
    async () => {
      const before = await audioBlobs();
      for (const type of ['audio/wav', 'multipart/form-data; boundary=b']) {
        await new Promise<void>((resolve) => {
          const headers = { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': type, 'content-length': '9000000' };
          const request = httpRequest(`${stage.server.url}/v1/jobs`, { method: 'POST', headers, agent: false });
          request.on('error', () => undefined);
          request.on('close', resolve);
          request.write('--b\r\nContent-Disposition: form-data; name="audio"; filename="a.wav"\r\n\r\n');
          request.write(Buffer.alloc(3 * MIB), () => setTimeout(() => request.destroy(), 200));
        });
      }
      await new Promise((resolve) => setTimeout(resolve, 500));
      expect(await audioBlobs()).toBe(before);
      expect(stage.server.log).not.toContain('"level":50');
    },
    PATIENCE_MS,
  );

  describe('Idempotency-Key', () => {
    const request = { audio: { url: URL_OF_AUDIO }, tags: { a: '1' } };

    it(
      'gives the same job for the same request, and 409 for another one',
      async () => {
        const headers = { 'idempotency-key': `once-${kind}` };
        const first = await post(request, headers);
        const second = await post(request, headers);
        expect([second.status, second.body.id, second.headers.get('idempotent-replayed')]).toEqual([
          202,
          first.body.id,
          'true',
        ]);
        const other = await post<Problem>({ ...request, tags: { a: '2' } }, headers);
        expect([other.status, other.body.code]).toEqual([409, 'IDEMPOTENCY_CONFLICT']);
        expect((await post<Problem>(request, { 'idempotency-key': 'two words' })).status).toBe(400);
      },
      PATIENCE_MS,
    );

    it(
      'makes one job of twenty requests at once, and one of twenty uploads',
      async () => {
        const headers = { 'idempotency-key': `at-once-${kind}` };
        const answers = await Promise.all(Array.from({ length: 20 }, () => post(request, headers)));
        expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 202));
        expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);

        const before = await audioBlobs();
        const uploads = await Promise.all(
          Array.from({ length: 20 }, () =>
            stage.server.api<Submitted>('POST', '/v1/jobs', undefined, {
              body: Buffer.alloc(50_000, 3),
              headers: { 'content-type': 'audio/wav', 'idempotency-key': `upload-${kind}` },
            }),
          ),
        );
        expect(uploads.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 202));
        expect(new Set(uploads.map(({ body }) => body.id)).size).toBe(1);
        expect(await audioBlobs()).toBe(before + 1);
      },
      PATIENCE_MS,
    );

    it(
      'makes at most one job when different requests race for a key',
      async () => {
        const answers = await Promise.all(
          Array.from({ length: 10 }, (_, i) =>
            post({ ...request, tags: { a: String(i) } }, { 'idempotency-key': `race-${kind}` }),
          ),
        );
        expect(answers.map(({ status }) => status).sort()).toEqual([202, ...Array.from({ length: 9 }, () => 409)]);
      },
      PATIENCE_MS,
    );
  });

  describe('what Deepgram answers', () => {
    // A scripted answer goes to whichever request comes next.
    beforeEach(async () => {
      await stage.server.until<{ items: JobBody[] }, boolean>(
        '/v1/jobs?state=pending',
        ({ items }) => items.length === 0,
        PATIENCE_MS,
      );
    }, PATIENCE_MS);

    it(
      'tries again after 429, 500, a reset and 408, across a restart, with Content-Length each time',
      async () => {
        const audio = Buffer.alloc(100_000, 5);
        const others = await Promise.all(Array.from({ length: 3 }, () => stage.submitted()));
        stage.deepgram.failNext(429);
        stage.deepgram.failNext(500);
        stage.deepgram.failNext('reset');
        stage.deepgram.failNext(408);
        const { body } = await stage.server.api<Submitted>('POST', '/v1/jobs', undefined, {
          body: audio,
          headers: { 'content-type': 'audio/wav' },
        });
        for (const [attempts, code] of [
          [1, 'TOO_MANY_REQUESTS'],
          [2, 'Bad Request'],
          [3, 'ECONNRESET'],
          [4, 'SLOW_UPLOAD'],
        ] as const) {
          const job = await stage.job(body.id, (now) => now.attempts === attempts && now.lastError?.code === code);
          expect(job.state).toBe('pending');
          const across = attempts === 2;
          if (across) await stage.server.end();
          // What is waited for is in the row: making it due is all that the clock would do.
          await stage.sql(`update jobs set next_attempt_at = 0 where id = '${body.id}'`);
          // A start looks what is due, and so does the end of another job.
          if (across) await stage.server.restart();
          else expect((await stage.server.hook(others.pop() ?? '', readFixture('silence.json'))).status).toBe(200);
        }
        const job = await stage.job(body.id, ({ state }) => state === 'submitted');
        expect(job).toMatchObject({ attempts: 5, lastError: null, failure: null });
        const requests = requestsOf(body.id);
        expect(requests.map(({ status }) => status)).toEqual([429, 500, 0, 408, 200]);
        expect(requests.map(({ contentLength }) => contentLength)).toEqual([
          100_000, 100_000, 100_000, 100_000, 100_000,
        ]);
        expect(new Set(requests.map(({ sha256 }) => sha256)).size).toBe(1);
      },
      PATIENCE_MS,
    );

    it.each([
      [400, 'Bad Request', 'Bad Request: failed to process audio: corrupt or unsupported data'],
      [401, 'INVALID_AUTH', 'Invalid credentials.'],
      [402, 'ASR_PAYMENT_REQUIRED', 'Project does not have enough credits for an ASR request.'],
      [403, 'INSUFFICIENT_PERMISSIONS', 'User does not have sufficient permissions'],
    ])(
      'fails the job on %s with its code and message, and tells the operator',
      async (status, code, message) => {
        if (status === 400) stage.deepgram.failNext(status, { err_code: code, err_msg: message });
        else stage.deepgram.failNext(status);
        const job = await stage.job(await stage.create(), ({ state }) => state === 'failed');
        expect(job.failure).toMatchObject({ code, message: expect.stringContaining(message) });
        expect(job.attempts).toBe(1);
        expect(job.evaluations.map(({ ruleName, on, matched }) => [ruleName, on, matched])).toEqual([
          ['failure-to-operator', 'transcript.failed', true],
        ]);
        expect(job.deliveries.map(({ to }) => to)).toEqual(['ops@clinic.example']);
      },
      PATIENCE_MS,
    );

    it(
      'fails with the first words of an answer that is no error body',
      async () => {
        stage.deepgram.failNext(404, 'no such page');
        const job = await stage.job(await stage.create(), ({ state }) => state === 'failed');
        expect(job.failure).toMatchObject({ code: 'HTTP_404', message: expect.stringContaining('no such page') });
      },
      PATIENCE_MS,
    );
  });

  it(
    'submits a failed job again, and takes the same callback anew',
    async () => {
      const failure = readFixture('error-modern.json');
      const id = await stage.submitted();
      await stage.server.hook(id, failure);
      await stage.job(id, ({ state }) => state === 'failed');
      const again = await stage.server.api<JobBody>('POST', `/v1/jobs/${id}/resubmit`);
      expect([again.status, again.body.failure]).toEqual([202, null]);
      await stage.job(id, ({ state }) => state === 'submitted');
      expect(requestsOf(id)).toHaveLength(2);
      await stage.server.hook(id, failure);
      await stage.job(id, ({ state, callbacks }) => state === 'failed' && callbacks.length === 2);
      await stage.server.api('POST', `/v1/jobs/${id}/resubmit`);
      await stage.job(id, ({ state }) => state === 'submitted');
      await stage.server.hook(id, readFixture('silence.json'));
      await stage.job(id, ({ state }) => state === 'completed');
      const refused = await stage.server.api<Problem>('POST', `/v1/jobs/${id}/resubmit`);
      expect([refused.status, refused.body.code]).toEqual([409, 'CONFLICT']);
    },
    PATIENCE_MS,
  );

  it(
    'keeps an upload until its transcript is stored, and not after',
    async () => {
      const before = await audioBlobs();
      const { body } = await stage.server.api<Submitted>('POST', '/v1/jobs', undefined, {
        body: Buffer.alloc(5000, 1),
        headers: { 'content-type': 'audio/wav' },
      });
      await stage.job(body.id, ({ state }) => state === 'submitted');
      expect(await audioBlobs()).toBe(before + 1);
      await stage.server.hook(body.id, readFixture('error-legacy.json'));
      await stage.job(body.id, ({ state }) => state === 'failed');
      expect(await audioBlobs()).toBe(before + 1);
      await stage.server.hook(body.id, readFixture('silence.json'));
      await stage.job(body.id, ({ state }) => state === 'completed');
      for (let tries = 0; tries < 100 && (await audioBlobs()) > before; tries++)
        await new Promise((resolve) => setTimeout(resolve, 50));
      expect(await audioBlobs()).toBe(before);
    },
    PATIENCE_MS,
  );

  it(
    'erases a job that waits with its audio, and knows it no more',
    async () => {
      const before = await audioBlobs();
      stage.deepgram.failNext(503);
      const { body } = await stage.server.api<Submitted>('POST', '/v1/jobs', undefined, {
        body: Buffer.alloc(5000, 2),
        headers: { 'content-type': 'audio/wav', 'idempotency-key': `erased-${kind}` },
      });
      await stage.job(body.id, ({ lastError }) => lastError !== null);
      expect((await stage.server.api('DELETE', `/v1/jobs/${body.id}`)).status).toBe(204);
      expect((await stage.server.api('DELETE', `/v1/jobs/${body.id}`)).status).toBe(404);
      expect((await stage.server.get(`/v1/jobs/${body.id}`)).status).toBe(404);
      expect((await stage.server.api('POST', `/v1/jobs/${body.id}/resubmit`)).status).toBe(404);
      expect(await audioBlobs()).toBe(before);
      expect((await stage.all<JobBody>('/v1/jobs')).map(({ id }) => id)).not.toContain(body.id);
    },
    PATIENCE_MS,
  );

  describe('the list', () => {
    it(
      'filters by tag, state, origin and time, and pages without gaps or repetitions',
      async () => {
        const mark = `list-${kind}`;
        const ids: string[] = [];
        for (let i = 0; i < 7; i++)
          ids.push(await stage.submitted({ list: mark, parity: i % 2 === 0 ? 'even' : 'odd', 'a.b-c': 'x' }));
        await stage.server.hook(ids[0] ?? '', readFixture('silence.json'));
        await stage.job(ids[0] ?? '', ({ state }) => state === 'completed');

        const list = (query: string) =>
          stage.server.get<{ items: JobBody[]; nextCursor?: string }>(`/v1/jobs?${query}`);
        const seen: string[] = [];
        let cursor = '';
        do {
          const { body } = await list(`tag.list=${mark}&limit=3${cursor === '' ? '' : `&cursor=${cursor}`}`);
          expect(body.items.length).toBeLessThanOrEqual(3);
          seen.push(...body.items.map(({ id }) => id));
          cursor = body.nextCursor ?? '';
        } while (cursor !== '');
        expect(seen).toEqual([...ids].reverse());
        const idsOf = async (query: string): Promise<string[]> => (await list(query)).body.items.map(({ id }) => id);
        expect(await idsOf(`tag.list=${mark}&tag.parity=odd`)).toEqual([ids[5], ids[3], ids[1]]);
        expect(await idsOf(`tag.list=${mark}&tag.a.b-c=x&state=completed`)).toEqual([ids[0]]);
        expect(await idsOf(`tag.list=${mark}&tag.a.b-c=y`)).toEqual([]);
        expect(await idsOf(`tag.list=${mark}&origin=external`)).toEqual([]);
        expect(await idsOf(`tag.list=${mark}&from=${new Date(Date.now() + 3_600_000).toISOString()}`)).toEqual([]);
        expect(await idsOf(`tag.list=${mark}&to=${String(Date.now() + 3_600_000)}`)).toHaveLength(7);
      },
      PATIENCE_MS,
    );

    it.each([
      'limit=0',
      'limit=-1',
      'limit=1e9',
      'limit=x',
      'state=done',
      'cursor=%27',
      'from=yesterday',
      'tags.a=1',
      'tag.=x',
      'sort=id',
      'tag.%27=1',
    ])('refuses the query %s', async (query) => {
      const { status, body } = await stage.server.get<Problem>(`/v1/jobs?${query}`);
      expect([query, status]).toEqual([query, 400]);
      expect(body.errors.length).toBeGreaterThan(0);
    });
  });
});

describe('the gate on jobs at Deepgram', () => {
  it(
    'holds the third of three back until a callback, a refusal or an erasure makes room',
    async () => {
      const stage = await Stage.start('SQLite', { env: { HERALD_MAX_OUTSTANDING_JOBS: '2' } });
      stage.deepgram.holdCallbacks();
      try {
        const first = await stage.submitted();
        const second = await stage.submitted();
        const third = await stage.create();
        const fourth = await stage.create();
        await new Promise((resolve) => setTimeout(resolve, 1_000));
        expect(stage.deepgram.requests).toHaveLength(2);
        expect((await stage.job(third, () => true)).state).toBe('pending');
        await stage.server.hook(first, readFixture('silence.json'));
        await stage.job(third, ({ state }) => state === 'submitted');
        expect((await stage.job(fourth, () => true)).state).toBe('pending');
        await stage.server.api('DELETE', `/v1/jobs/${second}`);
        await stage.job(fourth, ({ state }) => state === 'submitted');
        expect(stage.deepgram.requests).toHaveLength(4);
      } finally {
        await stage.stop();
      }
    },
    PATIENCE_MS,
  );
});

describe('an upload of 1 GB', () => {
  const BYTES = 1024 * MIB;
  const piece = Buffer.alloc(MIB);

  /** Sends 1 GB as it is made, never holding it. @returns the job's id */
  function upload(url: string, headers: Record<string, string>, head: Buffer, tail: Buffer): Promise<string> {
    return new Promise((resolve, reject) => {
      const length = String(BYTES + head.length + tail.length);
      const sending = { authorization: `Bearer ${ADMIN_KEY}`, 'content-length': length, ...headers };
      const request = httpRequest(`${url}/v1/jobs`, { method: 'POST', headers: sending, agent: false }, (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        response.on('end', () => {
          if (response.statusCode === 202) resolve((JSON.parse(text) as JobBody).id);
          else reject(new Error(`${String(response.statusCode)} ${text}`));
        });
      });
      request.on('error', reject);
      request.write(head);
      let left = BYTES / MIB;
      const write = (): void => {
        while (left-- > 0) {
          if (!request.write(piece)) {
            request.once('drain', write);
            return;
          }
        }
        request.end(tail);
      };
      write();
    });
  }

  it.each(['raw', 'multipart'])(
    'sent %s and on to Deepgram, costs less than 50 MB of memory',
    async (form) => {
      const stage = await Stage.start('SQLite', {});
      stage.deepgram.holdCallbacks();
      try {
        const warm = await stage.server.api<JobBody>('POST', '/v1/jobs', undefined, {
          body: Buffer.alloc(4 * MIB),
          headers: { 'content-type': 'audio/wav' },
        });
        await stage.job(warm.body.id, ({ state }) => state === 'submitted');
        const before = await stage.server.rss();
        let peak = before;
        const watch = setInterval(() => void stage.server.rss().then((rss) => (peak = Math.max(peak, rss))), 50);
        const boundary = 'herald-boundary';
        const partHead = `--${boundary}\r\nContent-Disposition: form-data; name="audio"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n`;
        const id =
          form === 'raw'
            ? await upload(stage.server.url, { 'content-type': 'audio/wav' }, Buffer.alloc(0), Buffer.alloc(0))
            : await upload(
                stage.server.url,
                { 'content-type': `multipart/form-data; boundary=${boundary}` },
                Buffer.from(partHead),
                Buffer.from(`\r\n--${boundary}--\r\n`),
              );
        const stored = await stage.server.rss();
        await stage.server.until<JobBody, boolean>(`/v1/jobs/${id}`, ({ state }) => state === 'submitted', 150_000);
        clearInterval(watch);
        const after = await stage.server.rss();
        process.stdout.write(
          `1 GB ${form}: RSS ${before.toFixed(0)} MiB before, ${stored.toFixed(0)} stored, ${after.toFixed(0)} submitted, at most ${peak.toFixed(0)}\n`,
        );
        expect(stage.deepgram.requests.at(-1)).toMatchObject({ bytes: BYTES, contentLength: BYTES });
        expect(peak - before).toBeLessThan(50);
      } finally {
        await stage.stop();
      }
    },
    200_000,
  );
});
