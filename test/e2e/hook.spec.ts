import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { Agent, request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import path from 'node:path';
import { brotliCompressSync, constants, deflateSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { hookPassword } from '../../src/callbacks/hook-credential.js';
import { readFixture } from '../fixtures/deepgram/index.js';
import { ADMIN_KEY, basic, HOOK_PASSWORD, SECRET } from '../support/server.js';
import { databases, PATIENCE_MS, Stage, type JobBody } from '../support/stage.js';
import { until } from '../support/until.js';

const MIB = 1024 * 1024;
const BODY = readFixture('mono-punctuated.json');

interface Sent {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
  /** The server ended the connection. */
  closed: boolean;
}

interface Sending {
  method?: string;
  headers?: Record<string, string>;
  /** Written one after the other; without Content-Length in `headers` the body goes chunked. */
  body?: Iterable<Uint8Array>;
}

/** A request as node:http makes it, for what `fetch` does not let one say. An answer that comes before the body is through counts. */
function send(url: string, { method = 'POST', headers = {}, body = [] }: Sending): Promise<Sent> {
  return new Promise((resolve, reject) => {
    let answered = false;
    const request = httpRequest(url, { method, headers, agent: false });
    request.on('error', (error) => {
      if (!answered) reject(error);
    });
    request.on('response', (response) => {
      answered = true;
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('error', reject);
      response.on('end', () => {
        const answer = { status: response.statusCode ?? 0, headers: response.headers, text };
        const socket = response.socket;
        if (socket.destroyed) resolve({ ...answer, closed: true });
        const wait = setTimeout(() => {
          resolve({ ...answer, closed: false });
          socket.destroy();
        }, 15_000);
        socket.once('close', () => {
          clearTimeout(wait);
          resolve({ ...answer, closed: true });
        });
      });
    });
    const parts = body[Symbol.iterator]();
    const write = (): void => {
      for (;;) {
        const { done, value } = parts.next();
        if (done === true) {
          request.end();
          return;
        }
        if (request.destroyed) return;
        if (!request.write(value)) {
          request.once('drain', write);
          return;
        }
      }
    };
    write();
  });
}

/** Valid JSON of exactly so many bytes, as a transcript whose metadata carries the weight. */
function transcriptOf(bytes: number, mark = 'x'): Buffer {
  const body = JSON.parse(BODY.toString('utf8')) as { metadata: Record<string, unknown> };
  body.metadata = { ...body.metadata, padding: '' };
  const room = bytes - Buffer.byteLength(JSON.stringify(body));
  body.metadata.padding = mark.repeat(Math.ceil(room / mark.length)).slice(0, room);
  return Buffer.from(JSON.stringify(body));
}

describe.each(await databases())('the callback route on %s', (kind) => {
  let stage: Stage;

  beforeAll(async () => {
    stage = await Stage.start(kind, {
      env: { HERALD_MAX_OUTSTANDING_JOBS: '1000', HERALD_OVERDUE_MINUTES: '2', HERALD_MAX_RESUBMISSIONS: '0' },
    });
    stage.deepgram.holdCallbacks();
  }, PATIENCE_MS);

  afterAll(async () => {
    await stage.stop();
  }, PATIENCE_MS);

  const urlOf = (jobId: string): string => `${stage.server.url}/hook/${jobId}`;
  const right = (jobId: string): string => basic(hookPassword(jobId, SECRET));
  const blobs = async (): Promise<string[]> =>
    (await readdir(path.join(stage.server.dataDir, 'blobs')).catch(() => [])).filter((name) =>
      name.startsWith('callback'),
    );

  describe('credentials', () => {
    it(
      'refuses everything but the right one with 401 and a challenge, and stores nothing (P13)',
      async () => {
        const id = await stage.submitted();
        const other = await stage.submitted();
        const password = hookPassword(id, SECRET);
        const wrong: (string | undefined)[] = [
          undefined,
          '',
          'Basic',
          'Basic ',
          basic(''),
          basic('wrong'),
          basic(password, 'someone'),
          basic(password, 'Herald'),
          basic(password.toUpperCase()),
          basic(`${password} `),
          basic(password.slice(0, -1)),
          basic(hookPassword(other, SECRET)),
          basic(HOOK_PASSWORD),
          `Bearer ${password}`,
          `Token ${password}`,
          password,
        ];
        const before = await stage.count('callbacks');
        for (const authorization of wrong) {
          const headers = {
            'content-type': 'application/json',
            ...(authorization === undefined ? {} : { authorization }),
          };
          const answer = await send(urlOf(id), {
            headers: { ...headers, 'content-length': String(BODY.length) },
            body: [BODY],
          });
          expect([authorization, answer.status]).toEqual([authorization, 401]);
          expect(answer.headers['www-authenticate']).toMatch(/^Basic realm=/);
          expect(JSON.parse(answer.text)).toMatchObject({ status: 401, code: 'UNAUTHORIZED' });
        }
        const dgToken = await send(urlOf(id), {
          headers: { 'dg-token': password, 'content-length': '2' },
          body: [Buffer.from('{}')],
        });
        expect(dgToken.status).toBe(401);
        expect(await stage.count('callbacks')).toBe(before);
        expect((await stage.server.hook(id, BODY)).status).toBe(200);
      },
      PATIENCE_MS,
    );

    it(
      'answers an id that no job has like a wrong password',
      async () => {
        for (const id of ['nonsense', '0', '01900000-0000-7000-8000-000000000000', '%00', 'a'.repeat(64)]) {
          const answer = await send(urlOf(id), { headers: { authorization: basic('wrong') } });
          expect([id, answer.status]).toEqual([id, 401]);
        }
      },
      PATIENCE_MS,
    );

    it(
      'takes a callback from a client that shows its credential only when asked',
      async () => {
        const id = await stage.submitted();
        expect((await send(urlOf(id), { body: [BODY] })).status).toBe(401);
        expect((await send(urlOf(id), { headers: { authorization: right(id) }, body: [BODY] })).status).toBe(200);
        expect((await stage.settled(id)).state).toBe('completed');
      },
      PATIENCE_MS,
    );
  });

  describe('methods and bodies', () => {
    it(
      'takes POST and PUT and answers other methods with 405 and Allow',
      async () => {
        for (const method of ['POST', 'PUT']) {
          const id = await stage.submitted();
          expect((await stage.server.hook(id, BODY, { method })).status).toBe(200);
          expect((await stage.settled(id)).state).toBe('completed');
        }
        const id = await stage.submitted();
        for (const target of [urlOf(id), `${stage.server.url}/hook`]) {
          for (const method of ['GET', 'DELETE', 'PATCH']) {
            const answer = await send(target, { method, headers: { authorization: right(id) } });
            expect([method, answer.status]).toEqual([method, 405]);
            expect(String(answer.headers.allow).split(/, */).sort()).toEqual(expect.arrayContaining(['POST', 'PUT']));
            expect(JSON.parse(answer.text)).toMatchObject({ status: 405 });
          }
        }
      },
      PATIENCE_MS,
    );

    it(
      'takes any content type, or none, and a body without length',
      async () => {
        const types = [
          undefined,
          'application/json',
          'application/json; charset=utf-16',
          'text/plain',
          'application/octet-stream',
          'multipart/form-data',
          'application/x-www-form-urlencoded',
          'no type at all',
          ';;;',
        ];
        for (const type of types) {
          const id = await stage.submitted();
          const headers = { authorization: right(id), ...(type === undefined ? {} : { 'content-type': type }) };
          const chunked = await send(urlOf(id), { headers, body: [BODY.subarray(0, 7), BODY.subarray(7)] });
          expect([type, chunked.status]).toEqual([type, 200]);
          const job = await stage.settled(id);
          expect([type, job.state, job.callbacks[0]?.bytes]).toEqual([type, 'completed', BODY.length]);
        }
      },
      PATIENCE_MS,
    );

    it(
      'undoes gzip, deflate and br when it settles, and keeps the bytes as they came',
      async () => {
        const encoded = {
          gzip: gzipSync(BODY),
          deflate: deflateSync(BODY),
          br: brotliCompressSync(BODY),
          GZIP: gzipSync(BODY),
          identity: BODY,
        };
        for (const [encoding, body] of Object.entries(encoded)) {
          const id = await stage.submitted();
          expect((await stage.server.hook(id, body, { headers: { 'content-encoding': encoding } })).status).toBe(200);
          const job = await stage.settled(id);
          expect([encoding, job.state, job.callbacks[0]?.bytes]).toEqual([encoding, 'completed', body.length]);
        }
      },
      PATIENCE_MS,
    );

    it(
      'quarantines what its encoding does not fit, and a bomb without growing (I5)',
      async () => {
        const zeros = Buffer.alloc(200 * MIB);
        const fast = { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } };
        const broken: [string, Buffer][] = [
          ['gzip', BODY],
          ['br', gzipSync(BODY)],
          ['gzip', gzipSync(BODY).subarray(0, 40)],
          ['zstd', BODY],
          ['gzip, gzip', gzipSync(gzipSync(BODY))],
          ['gzip', gzipSync(zeros, { level: 9 })],
          ['deflate', deflateSync(zeros, { level: 9 })],
          ['br', brotliCompressSync(zeros, fast)],
        ];
        const before = await stage.server.rss();
        let peak = before;
        const watch = setInterval(() => void stage.server.rss().then((rss) => (peak = Math.max(peak, rss))), 20);
        try {
          for (const [encoding, body] of broken) {
            const id = await stage.submitted();
            const answer = await stage.server.hook(id, body, { headers: { 'content-encoding': encoding } });
            expect([encoding, answer.status]).toEqual([encoding, 200]);
            const job = await stage.settled(id);
            expect(job).toMatchObject({
              state: 'submitted',
              callbacks: [{ state: 'quarantined', bytes: body.length }],
            });
            expect(job.callbacks[0]?.reason).toMatch(/encoding|readable/);
          }
        } finally {
          clearInterval(watch);
        }
        process.stdout.write(`bomb on ${kind}: RSS ${before.toFixed(0)} -> at most ${peak.toFixed(0)} MiB\n`);
        expect(peak - before).toBeLessThanOrEqual(64);
      },
      PATIENCE_MS,
    );

    it(
      'quarantines an empty body',
      async () => {
        const id = await stage.submitted();
        expect((await send(urlOf(id), { headers: { authorization: right(id), 'content-length': '0' } })).status).toBe(
          200,
        );
        expect((await stage.settled(id)).callbacks).toEqual([
          expect.objectContaining({ state: 'quarantined', bytes: 0, reason: expect.stringMatching(/empty/) }),
        ]);
      },
      PATIENCE_MS,
    );

    it(
      'quarantines poison and goes on: depth, keys, numbers, prototypes, broken texts (I1, I2, I3, I4)',
      async () => {
        const deep = (n: number): string => `{"results":${'['.repeat(n)}${']'.repeat(n)}}`;
        const texts: (string | Buffer)[] = [
          ...[
            '{',
            '[]',
            'null',
            '1e400',
            '"text"',
            '{"a":1}{"b":2}',
            "{'a':1}",
            '{"a":01}',
            '// no',
            'NaN',
            '{"a":"\\x"}',
            '\ufeff{}',
          ],
          deep(100_000),
          deep(5_000_000),
          `{${Array.from({ length: 100_000 }, (_, i) => `"k${String(i)}":1`).join(',')}}`,
          '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}',
          Buffer.from([0xff, 0xfe, 0x00, 0x7b]),
          Buffer.alloc(1000),
          '{"results":{"channels":null}}',
          '{"results":{"channels":{"alternatives":1}}}',
        ];
        for (const text of texts) {
          const id = await stage.submitted();
          expect((await stage.server.hook(id, text)).status).toBe(200);
          const { callbacks } = await stage.settled(id);
          expect([String(text).slice(0, 40), callbacks[0]?.state]).toEqual([String(text).slice(0, 40), 'quarantined']);
        }
        const odd =
          '{"metadata":{"request_id":7,"duration":"x"},"results":{"channels":[null,{"alternatives":[{"words":[{"word":5,"start":-1,"end":"z"}]}]}]}}';
        const id = await stage.submitted();
        expect((await stage.server.hook(id, odd)).status).toBe(200);
        expect((await stage.settled(id)).callbacks[0]?.state).toBe('settled');
        expect((await fetch(`${stage.server.url}/readyz`)).status).toBe(200);
      },
      PATIENCE_MS,
    );

    it.each([MIB, MIB + 1, 20 * MIB])(
      'takes a body of %s bytes and gives it back unchanged',
      async (bytes) => {
        const id = await stage.submitted();
        const body = transcriptOf(bytes);
        const blobsBefore = (await blobs()).length;
        expect((await stage.server.hook(id, body)).status).toBe(200);
        expect((await stage.settled(id)).state).toBe('completed');
        expect((await blobs()).length - blobsBefore).toBe(bytes > MIB ? 1 : 0);
        const raw = await fetch(`${stage.server.url}/v1/transcripts/${id}/raw`, {
          headers: { authorization: `Bearer ${ADMIN_KEY}` },
        });
        const digest = createHash('sha256')
          .update(Buffer.from(await raw.arrayBuffer()))
          .digest('hex');
        expect(digest).toBe(createHash('sha256').update(body).digest('hex'));
        expect((await stage.server.hook(id, body)).status).toBe(200);
        const job = await stage.job(id, ({ callbacks }) => callbacks[0]?.repeats === 1);
        expect(job.callbacks).toHaveLength(1);
        expect((await blobs()).length - blobsBefore).toBe(bytes > MIB ? 1 : 0);
      },
      PATIENCE_MS,
    );

    it(
      'refuses 65 MiB, announced or not, closes the connection and stores nothing (I6)',
      async () => {
        const id = await stage.submitted();
        const before = [await stage.count('callbacks'), (await blobs()).length];
        const piece = Buffer.alloc(MIB, 0x20);
        const pieces = function* (count: number): Generator<Buffer> {
          for (let i = 0; i < count; i++) yield piece;
        };
        const announced = { authorization: right(id), 'content-length': String(65 * MIB) };
        const lying = { authorization: right(id), 'content-length': String(2 ** 40) };
        for (const sending of [
          { headers: announced, body: pieces(65) },
          { headers: { authorization: right(id) }, body: pieces(65) },
          { headers: lying, body: pieces(1) },
        ]) {
          const answer = await send(urlOf(id), sending);
          expect(answer.status).toBe(413);
          expect(JSON.parse(answer.text)).toMatchObject({
            code: 'BODY_TOO_LARGE',
            detail: expect.stringContaining('HERALD_MAX_CALLBACK_BYTES'),
          });
          expect(answer.closed).toBe(true);
        }
        expect([await stage.count('callbacks'), (await blobs()).length]).toEqual(before);
        expect(await partFiles()).toEqual([]);
      },
      PATIENCE_MS,
    );

    it(
      'lets a slow sender that reads only after its whole body see why it was refused (I6)',
      async () => {
        const id = await stage.submitted();
        const { hostname, port } = new URL(stage.server.url);
        const socket = connect(Number(port), hostname);
        socket.pause();
        const broken: string[] = [];
        socket.on('error', (error) => broken.push(error.message));
        const closed = new Promise((resolve) => socket.once('close', resolve));
        const head = [
          `POST /hook/${id} HTTP/1.1`,
          'Host: herald',
          'Connection: close',
          `Authorization: ${right(id)}`,
          `Content-Length: ${String(65 * MIB)}`,
        ];
        socket.write(`${head.join('\r\n')}\r\n\r\n`);
        for (let i = 0; i < 65; i++) {
          await new Promise((resolve) => socket.write(Buffer.alloc(MIB, 0x20), resolve));
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
        let text = '';
        socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
        socket.resume();
        await closed;
        expect(broken).toEqual([]);
        expect(text).toMatch(/^HTTP\/1\.1 413 /);
        expect(text).toContain('HERALD_MAX_CALLBACK_BYTES');
      },
      PATIENCE_MS,
    );

    it.each([2000, 3 * MIB])(
      'stores nothing of a body that breaks off after %s bytes',
      async (sent) => {
        const id = await stage.submitted();
        const before = [await stage.count('callbacks'), (await blobs()).length];
        for (const framing of ['Content-Length: 9000000', 'Transfer-Encoding: chunked']) {
          const { hostname, port } = new URL(stage.server.url);
          const socket = connect(Number(port), hostname);
          const head = [
            `POST /hook/${id} HTTP/1.1`,
            'Host: herald',
            `Authorization: ${right(id)}`,
            framing,
            '',
            '',
          ].join('\r\n');
          const body = Buffer.alloc(sent, 0x20);
          await new Promise<void>((resolve) => {
            socket.write(head);
            if (framing.startsWith('T')) socket.write(`${sent.toString(16)}\r\n`);
            socket.write(body, () => {
              resolve();
            });
          });
          await new Promise((resolve) => setTimeout(resolve, 200));
          socket.destroy();
        }
        expect((await stage.server.hook(id, BODY)).status).toBe(200);
        expect((await stage.settled(id)).callbacks).toHaveLength(1);
        // A busy server learns later that the client has gone, and only then lets its part go.
        await until(
          async () => [(await blobs()).length, (await partFiles()).length],
          ([files, parts]) => files === before[1] && parts === 0,
        );
        expect(await stage.count('callbacks')).toBe((before[0] ?? 0) + 1);
        expect((await fetch(`${stage.server.url}/healthz`)).status).toBe(200);
      },
      PATIENCE_MS,
    );

    async function partFiles(): Promise<string[]> {
      const files = await readdir(path.join(stage.server.dataDir, 'blobs')).catch(() => []);
      return files.filter((name) => name.endsWith('.part'));
    }
  });

  describe('order', () => {
    it(
      'settles a job whose callback comes late, after it was found overdue',
      async () => {
        const id = await stage.submitted();
        await stage.sql(`update jobs set deadline_at = 1 where id = '${id}'`);
        await stage.job(id, ({ state }) => state === 'overdue');
        expect((await stage.server.hook(id, BODY)).status).toBe(200);
        expect((await stage.settled(id)).state).toBe('completed');
      },
      PATIENCE_MS,
    );

    it(
      'keeps two callbacks of one request id with other bytes apart, and the first is the transcript',
      async () => {
        const second = Buffer.from(BODY.toString('utf8').replace('Good morning', 'Good evening'));
        // The first is the slower one to read, and many come at once: both of a job wait together for their settle.
        const first = Buffer.concat([
          BODY.subarray(0, 1),
          Buffer.from(`"padding":"${'x'.repeat(900_000)}",`),
          BODY.subarray(1),
        ]);
        const ids = await Promise.all(Array.from({ length: 20 }, () => stage.submitted()));
        await Promise.all(
          ids.map(async (id) => {
            await stage.server.hook(id, first);
            await stage.server.hook(id, second);
          }),
        );
        for (const id of ids) {
          const job = await stage.job(
            id,
            ({ callbacks }) => callbacks.length === 2 && callbacks.every(({ state }) => state !== 'pending'),
          );
          expect(job.callbacks.map(({ state }) => state)).toEqual(['settled', 'duplicate']);
          const { body } = await stage.server.get<{ text: string }>(`/v1/transcripts/${id}`);
          expect(body.text).toContain('Good morning');
        }
      },
      PATIENCE_MS,
    );

    it(
      'keeps nothing of a deleted job, nor of a callback that comes for it',
      async () => {
        const canary = `zanzibarquokka${kind.toLowerCase()}`;
        const late = `latewombat${kind.toLowerCase()}`;
        const email = `${canary}@clinic.example`;
        const id = await stage.submitted({ email, note: canary });
        const body = (mark: string, bytes: number): Buffer =>
          Buffer.from(transcriptOf(bytes, `${mark} `).toString('utf8').replaceAll('Good morning', mark));
        await stage.server.hook(id, body(canary, 30_000));
        await stage.server.hook(id, body(canary, 2 * MIB));
        await stage.job(id, ({ callbacks, deliveries }) => callbacks.length === 2 && deliveries[0]?.state === 'sent');
        expect(await inStorage(canary)).not.toEqual([]);

        expect((await stage.server.api('DELETE', `/v1/jobs/${id}`)).status).toBe(204);
        expect((await stage.server.get(`/v1/jobs/${id}`)).status).toBe(404);
        expect((await stage.server.hook(id, body(late, 30_000))).status).toBe(200);
        expect((await stage.server.hook(id, body(late, 2 * MIB))).status).toBe(200);
        for (let tries = 0; tries < 200 && (await stage.count('callbacks', `job_id = '${id}'`)) > 0; tries++) {
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
        expect(await stage.count('callbacks', `job_id = '${id}'`)).toBe(0);
        expect(await stage.count('deliveries', `job_id = '${id}'`)).toBe(0);
        expect((await stage.server.get(`/v1/transcripts/${id}`)).status).toBe(404);
        expect((await stage.server.get<{ items: unknown[] }>(`/v1/transcripts?q=${canary}`)).body.items).toEqual([]);
        for (const mark of [canary, late]) expect(await inStorage(mark)).toEqual([]);
      },
      PATIENCE_MS,
    );

    /** Files of the data directory that hold the text; on PostgreSQL, tables that do. */
    async function inStorage(text: string): Promise<string[]> {
      const files = await readdir(stage.server.dataDir, { recursive: true, withFileTypes: true });
      const found: string[] = [];
      for (const file of files.filter((entry) => entry.isFile())) {
        if ((await readFile(path.join(file.parentPath, file.name))).includes(text)) found.push(file.name);
      }
      if (kind === 'PostgreSQL') {
        for (const table of ['jobs', 'callbacks', 'transcripts', 'evaluations', 'deliveries', 'attempts', 'audit']) {
          const rows = await stage.sql(`select 1 from ${table} t where t::text like '%${text}%'`);
          const bytes =
            table === 'callbacks'
              ? await stage.sql(`select 1 from callbacks where position('${text}'::bytea in body) > 0`)
              : [];
          if (rows.length + bytes.length > 0) found.push(table);
        }
      }
      return found;
    }
  });

  describe('callbacks of jobs that someone else submitted', () => {
    const shared = (): string => `${stage.server.url}/hook`;
    const external = (requestId: string, extra: Record<string, unknown> = {}): Buffer => {
      const body = JSON.parse(readFixture('extra-and-tags.json').toString('utf8')) as {
        metadata: Record<string, unknown>;
      };
      body.metadata = { ...body.metadata, request_id: requestId, extra };
      return Buffer.from(JSON.stringify(body));
    };
    const adopted = async (requestId: string): Promise<JobBody> => {
      const found = await stage.server.until<{ items: JobBody[] }, JobBody>(
        '/v1/jobs?origin=external&limit=100',
        ({ items }) => items.find((job) => job.requestId === requestId),
        PATIENCE_MS,
      );
      return stage.settled(found.id);
    };

    it(
      'adopts them with the password, tags from metadata.extra, and fires their rules',
      async () => {
        const body = external('11111111-0000-4000-8000-000000000001', {
          email: 'ext@clinic.example',
          tier: 'gold',
          callback_secret: HOOK_PASSWORD,
        });
        const answer = await send(shared(), { headers: { authorization: basic(HOOK_PASSWORD) }, body: [body] });
        expect(answer.status).toBe(200);
        const job = await adopted('11111111-0000-4000-8000-000000000001');
        expect(job).toMatchObject({
          state: 'completed',
          origin: 'external',
          tags: { email: 'ext@clinic.example', tier: 'gold' },
        });
        expect(Object.keys(job.tags)).not.toContain('callback_secret');
        expect(job.deliveries.map(({ to }) => to)).toEqual(['ext@clinic.example']);
        const again = await send(shared(), { headers: { authorization: basic(HOOK_PASSWORD) }, body: [body] });
        expect(again.status).toBe(200);
        const after = await stage.job(job.id, ({ callbacks }) => callbacks[0]?.repeats === 1);
        expect(after.deliveries).toHaveLength(1);
      },
      PATIENCE_MS,
    );

    it(
      'takes the secret in the body alone, and nothing with a wrong one',
      async () => {
        const before = await stage.count('callbacks');
        const wrongOnes = [
          external('11111111-0000-4000-8000-000000000002', { callback_secret: 'wrong' }),
          external('11111111-0000-4000-8000-000000000002', { callback_secret: [HOOK_PASSWORD] }),
          external('11111111-0000-4000-8000-000000000002', { other: HOOK_PASSWORD }),
          Buffer.from('{"callback_secret"'),
          Buffer.from(`{"metadata":{"extra":"${HOOK_PASSWORD}"},"callback_secret":"${HOOK_PASSWORD}"}`),
          readFixture('error-legacy.json'),
        ];
        for (const body of wrongOnes) {
          const answer = await send(shared(), { body: [body] });
          expect(answer.status).toBe(401);
          expect(answer.headers['www-authenticate']).toMatch(/^Basic/);
        }
        expect(
          (
            await send(shared(), {
              headers: { authorization: basic('wrong') },
              body: [external('x', { callback_secret: HOOK_PASSWORD })],
            })
          ).status,
        ).toBe(401);
        expect(await stage.count('callbacks')).toBe(before);
        const right = external('11111111-0000-4000-8000-000000000003', { callback_secret: HOOK_PASSWORD, a: 'b' });
        expect((await send(shared(), { body: [right] })).status).toBe(200);
        expect(await adopted('11111111-0000-4000-8000-000000000003')).toMatchObject({
          state: 'completed',
          tags: { a: 'b' },
        });
      },
      PATIENCE_MS,
    );

    it(
      'takes a large one by the secret in its body too',
      async () => {
        const body = JSON.parse(transcriptOf(2 * MIB).toString('utf8')) as { metadata: Record<string, unknown> };
        body.metadata = {
          ...body.metadata,
          request_id: '11111111-0000-4000-8000-000000000004',
          extra: { callback_secret: HOOK_PASSWORD },
        };
        const before = (await blobs()).length;
        expect((await send(shared(), { body: [Buffer.from(JSON.stringify(body))] })).status).toBe(200);
        await adopted('11111111-0000-4000-8000-000000000004');
        expect((await blobs()).length).toBe(before + 1);
        body.metadata.extra = { callback_secret: 'wrong' };
        expect((await send(shared(), { body: [Buffer.from(JSON.stringify(body))] })).status).toBe(401);
        expect((await blobs()).length).toBe(before + 1);
      },
      PATIENCE_MS,
    );

    it(
      'takes a callback whose job is lost for the job that its request was adopted as (P9)',
      async () => {
        const request = (n: number): string => `22222222-0000-4000-8000-00000000000${String(n)}`;
        const told = JSON.parse(BODY.toString('utf8')) as { metadata: object };
        const body = JSON.stringify({ ...told, metadata: { ...told.metadata, request_id: request(1) } });
        const lost = (n: number): string => `01980000-0000-7000-8000-00000000000${String(n)}`;
        const hook = async (n: number, text: string): Promise<void> => {
          expect((await stage.server.hook(lost(n), text)).status).toBe(200);
        };
        await hook(1, body);
        await stage.job(lost(1), ({ state }) => state === 'completed');
        await hook(2, body);
        const first = await stage.job(lost(1), ({ callbacks }) => callbacks.length === 2);
        expect(first.callbacks.map(({ state }) => state).sort()).toEqual(['duplicate', 'settled']);
        expect((await stage.server.get(`/v1/jobs/${lost(2)}`)).status).toBe(404);
        // A job that failed, then completed by a body of a request that is another job's.
        await hook(3, `{"err_code":"X","err_msg":"no","request_id":"${request(3)}"}`);
        await stage.job(lost(3), ({ state }) => state === 'failed');
        await hook(3, ` ${body}`);
        const third = await stage.job(lost(3), ({ state }) => state === 'completed');
        expect(third.requestId).toBe(request(3));
      },
      PATIENCE_MS,
    );

    it(
      'adopts a failure as a failed job, and quarantines what says nothing',
      async () => {
        const failure = Buffer.from(
          '{"err_code":"Bad Request","err_msg":"No.","request_id":"11111111-0000-4000-8000-000000000005"}',
        );
        expect(
          (await send(shared(), { headers: { authorization: basic(HOOK_PASSWORD) }, body: [failure] })).status,
        ).toBe(200);
        expect((await adopted('11111111-0000-4000-8000-000000000005')).state).toBe('failed');
        const nonsense = Buffer.from('{"nothing":"at all"}');
        expect(
          (await send(shared(), { method: 'PUT', headers: { authorization: basic(HOOK_PASSWORD) }, body: [nonsense] }))
            .status,
        ).toBe(200);
        const { items } = await stage.server.until<
          { items: { jobId: null; state: string }[] },
          { items: { jobId: null; state: string }[] }
        >('/v1/callbacks?state=quarantined&limit=1', (page) => page.items[0]?.jobId === null && page, PATIENCE_MS);
        expect(items[0]?.state).toBe('quarantined');
      },
      PATIENCE_MS,
    );
  });

  it(
    'slows down who tries wrong credentials, and still takes the right one (X5, X20)',
    async () => {
      const id = await stage.submitted();
      const answers = await Promise.all(
        Array.from({ length: 150 }, () =>
          send(urlOf(id), {
            headers: { authorization: basic('wrong'), 'content-length': '2' },
            body: [Buffer.from('{}')],
          }),
        ),
      );
      const statuses = new Set(answers.map(({ status }) => status));
      expect([...statuses].sort()).toEqual([401, 429]);
      const limited = answers.find(({ status }) => status === 429);
      expect(Number(limited?.headers['retry-after'])).toBeGreaterThan(0);
      // Who sends its credential only when asked is asked all the same: the same proxy may stand in front of both.
      const asked = await send(urlOf(id), { headers: { 'content-length': '2' }, body: [Buffer.from('{}')] });
      expect([asked.status, asked.headers['www-authenticate']]).toEqual([401, 'Basic realm="herald"']);
      expect((await stage.server.hook(id, BODY)).status).toBe(200);
      expect((await stage.settled(id)).state).toBe('completed');
    },
    PATIENCE_MS,
  );

  // The last: it leaves a backlog that others would have to wait for.
  it(
    'keeps a row for every 2xx under 64 connections (C22)',
    async () => {
      const padding = transcriptOf(28_000).toString('utf8');
      const agent = new Agent({ keepAlive: true, maxSockets: 64 });
      const ids = await Promise.all(Array.from({ length: 8 }, () => stage.submitted()));
      const acknowledged = new Set<string>();
      const refused: number[] = [];
      const until = Date.now() + 2_500;
      let serial = 0;
      const post = (): Promise<void> =>
        new Promise((resolve, reject) => {
          const id = ids[serial % ids.length] ?? '';
          const body = padding.replace('xxxxxxxx', String(serial++).padStart(8, '0'));
          const headers = { authorization: right(id), 'content-length': String(Buffer.byteLength(body)) };
          const request = httpRequest(urlOf(id), { method: 'POST', headers, agent }, (response) => {
            let text = '';
            response.on('data', (chunk: Buffer) => (text += chunk.toString()));
            response.on('end', () => {
              if (response.statusCode === 200) acknowledged.add((JSON.parse(text) as { callback: string }).callback);
              else refused.push(response.statusCode ?? 0);
              resolve();
            });
          });
          request.on('error', reject);
          request.end(body);
        });
      await Promise.all(
        Array.from({ length: 64 }, async () => {
          while (Date.now() < until) await post();
        }),
      );
      agent.destroy();
      process.stdout.write(`load on ${kind}: ${String(acknowledged.size)} acknowledged in 2.5 s\n`);
      expect(refused).toEqual([]);
      expect(acknowledged.size).toBe(serial);
      const list = ids.map((id) => `'${id}'`).join(', ');
      const rows = await stage.sql<{ id: string }>(`select id from callbacks where job_id in (${list})`);
      expect(rows.filter(({ id }) => acknowledged.has(id))).toHaveLength(acknowledged.size);
      expect((await fetch(`${stage.server.url}/healthz`)).status).toBe(200);
    },
    PATIENCE_MS,
  );
});

describe('a callback before the answer to its submit', () => {
  it(
    'completes the job, and the answer changes nothing',
    async () => {
      const stage = await Stage.start('SQLite', { deepgram: { callbackBeforeAnswer: true, bodyFor: () => BODY } });
      try {
        const id = await stage.create();
        const job = await stage.job(id, ({ state }) => state === 'completed');
        await stage.deepgram.settled();
        expect(job.callbacks).toHaveLength(1);
        await new Promise((resolve) => setTimeout(resolve, 300));
        expect((await stage.server.get<JobBody>(`/v1/jobs/${id}`)).body.state).toBe('completed');
        expect(stage.deepgram.requests).toHaveLength(1);
      } finally {
        await stage.stop();
      }
    },
    PATIENCE_MS,
  );
});

describe('/hook without HERALD_HOOK_PASSWORD', () => {
  it(
    'is off and says how to turn it on',
    async () => {
      const stage = await Stage.start('SQLite', { env: { HERALD_HOOK_PASSWORD: '' } });
      try {
        for (const authorization of [basic(''), basic(HOOK_PASSWORD)]) {
          const answer = await send(`${stage.server.url}/hook`, { headers: { authorization }, body: [BODY] });
          expect(answer.status).toBe(404);
          expect(JSON.parse(answer.text)).toMatchObject({ detail: expect.stringContaining('HERALD_HOOK_PASSWORD') });
        }
        expect(await stage.count('callbacks')).toBe(0);
      } finally {
        await stage.stop();
      }
    },
    PATIENCE_MS,
  );
});
