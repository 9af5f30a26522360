import { afterEach, describe, expect, it } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { BLOBS, type BlobStore } from '../../src/blobs/blob-store.js';
import { DAY } from '../../src/duration.js';
import { BlobSweep } from '../../src/keeping/blob-sweep.service.js';
import { Purge } from '../../src/keeping/purge.service.js';
import { databases, HOOK_PASSWORD, TestApp } from '../support/app.js';
import { basic } from '../support/server.js';
import { PATIENCE_MS } from '../support/stage.js';
import { callTranscript } from '../support/transcript.js';

const FIXTURE = fileURLToPath(new URL('../fixtures/deepgram/diarized.json', import.meta.url));
const WORD = 'quokkacanary';

describe.each(await databases())('keeping on %s', (kind) => {
  let herald: TestApp;
  const open = async (env: Record<string, string> = {}): Promise<void> => {
    herald = await TestApp.start(kind, { env });
  };
  afterEach(() => herald.close());

  /** Runs a purge, and tells what was dropped so far: a confirmed clock starts one by itself. */
  const purge = async (): Promise<{ postponed: boolean; jobs: number; contents: number; audio: number }> => {
    const { postponed } = await herald.app.get(Purge, { strict: false }).run();
    // One that was under way holds the writer; with this it has ended.
    await herald.app.get(Purge, { strict: false }).idle();
    const runs = herald.lines.filter(({ event }) => event === 'keeping.purged');
    const sum = (name: string): number => runs.reduce((total, run) => total + Number(run[name]), 0);
    return { postponed, jobs: sum('jobs'), contents: sum('contents'), audio: sum('audio') };
  };
  /** As an operator does who knows that so much time has really passed. */
  const later = async (days: number): Promise<void> => {
    herald.clock.aheadMs += days * DAY;
    expect((await herald.api('POST', '/v1/retention/clock')).status).toBe(200);
  };

  /** A call that somebody submitted elsewhere, settled and told to its tags. @returns the job's id */
  async function call(tags: Record<string, string>, deliveries = Object.keys(tags).length): Promise<string> {
    const body = JSON.parse(await readFile(FIXTURE, 'utf8'));
    body.metadata.request_id = randomUUID();
    body.metadata.extra = tags;
    const [alternative] = body.results.channels[0].alternatives;
    alternative.transcript = `${WORD} ${alternative.transcript}`;
    const answer = await fetch(`${herald.url}/hook`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { authorization: basic(HOOK_PASSWORD), 'content-type': 'application/json' },
    });
    expect(answer.status).toBe(200);
    const [job] = await until(async () => {
      const rows = await sql<{ id: string }>('select id from jobs where request_id = ?', [body.metadata.request_id]);
      return rows.length === 1 && rows;
    });
    await until(
      async () => {
        const { body: shown } = await herald.get(`/v1/jobs/${job!.id}`);
        return (
          shown.deliveries.length === deliveries &&
          shown.deliveries.every(({ state }: { state: string }) => state === 'sent')
        );
      },
      async () => JSON.stringify((await herald.get(`/v1/deliveries?jobId=${job!.id}`)).body),
    );
    return job!.id;
  }

  /** A completed job with 60,000 words, the last of which is {@link WORD}. @returns its id */
  function storeLarge(): Promise<string> {
    const text = Array.from({ length: 59_999 }, (_, i) => `w${String(i + 1)}`).join(' ');
    return herald.storeTranscript(callTranscript(`${text} ${WORD}`));
  }

  const sql = <T = Record<string, unknown>>(statement: string, parameters: unknown[] = []): Promise<T[]> =>
    herald.database.read<T>(statement, parameters);
  const write = (statement: string, parameters: unknown[] = []): Promise<unknown> =>
    herald.database.uow.run((tx) => tx.query(herald.database.dialect.bind(statement), parameters));

  it('drops the words after HERALD_CONTENT_RETENTION_DAYS and keeps what happened', async () => {
    await open({ HERALD_CONTENT_RETENTION_DAYS: '30' });
    const id = await call({ email: 'dana@clinic.example' });
    const before = (await herald.get(`/v1/jobs/${id}`)).body;
    expect(await purge()).toMatchObject({ contents: 0 });
    await later(31);
    expect(await purge()).toMatchObject({ contents: 1, jobs: 0 });

    const { body: job } = await herald.get(`/v1/jobs/${id}`);
    expect(job).toMatchObject({ state: 'completed', tags: { email: 'dana@clinic.example' }, transcriptId: null });
    expect(job.contentDroppedAt).not.toBeNull();
    expect(job.duration).toBe(before.duration);
    expect(job.duration).toBeGreaterThan(0);
    expect(job.deliveries).toMatchObject([{ to: 'dana@clinic.example', state: 'sent' }]);
    expect(job.evaluations.map(({ matched }: { matched: boolean }) => matched)).toEqual(
      before.evaluations.map(({ matched }: { matched: boolean }) => matched),
    );
    const delivery = (await herald.get(`/v1/deliveries/${job.deliveries[0].id}`)).body;
    expect(delivery).toMatchObject({ message: null, matches: [] });
    expect(delivery.attempts).toHaveLength(1);
    for (const route of [id, `${id}.txt`, `${id}.vtt`, `${id}/raw`]) {
      const answer = await herald.get(`/v1/transcripts/${route}`);
      expect([route, answer.status, answer.body.code]).toEqual([route, 410, 'GONE']);
      expect(answer.body.detail).toContain('HERALD_CONTENT_RETENTION_DAYS');
    }
    for (const answer of [
      await herald.get(`/v1/jobs/${id}/explain?rule=email-on-completion`),
      await herald.api('POST', `/v1/jobs/${id}/replay`, { rules: 'now' }),
    ])
      expect([answer.status, answer.body.code]).toEqual([410, 'GONE']);
    expect((await herald.get(`/v1/transcripts?q=${WORD}`)).body.items).toEqual([]);
    expect((await herald.get('/v1/transcripts')).body.items).toEqual([]);
    const tables = ['jobs', 'callbacks', 'transcripts', 'evaluations', 'deliveries', 'transcripts_fts'];
    for (const table of tables) expect(JSON.stringify(await sql(`select * from ${table}`))).not.toContain(WORD);
    expect(await purge()).toMatchObject({ contents: 1 });
  });

  it('drops and erases a very large transcript, which is stored packed, to the last word', async () => {
    await open({ HERALD_CONTENT_RETENTION_DAYS: '30' });
    const [dropped, erased] = [await storeLarge(), await storeLarge()];
    expect((await herald.get(`/v1/transcripts/${dropped}`)).body.words).toHaveLength(60_000);
    expect((await herald.get(`/v1/transcripts/${dropped}.txt`)).body).toContain(`w59999 ${WORD}`);
    expect((await herald.api('DELETE', `/v1/jobs/${erased}`)).status).toBe(204);
    await later(31);
    expect(await purge()).toMatchObject({ contents: 1 });
    for (const route of [dropped, `${dropped}.txt`])
      expect([route, (await herald.get(`/v1/transcripts/${route}`)).status]).toEqual([route, 410]);
    for (const route of [erased, `${erased}.txt`])
      expect([route, (await herald.get(`/v1/transcripts/${route}`)).status]).toEqual([route, 404]);
    expect(await sql('select job_id, text, data, packed from transcripts')).toEqual([
      { job_id: dropped, text: '', data: 'null', packed: null },
    ]);
    expect((await herald.get(`/v1/transcripts?q=${WORD}`)).body.items).toEqual([]);
  });

  it('answers a replay, a retry and a late callback of what was dropped without sending anything', async () => {
    await open({ HERALD_CONTENT_RETENTION_DAYS: '30' });
    const id = await call({ email: 'dana@clinic.example' });
    await later(31);
    await purge();
    const { body: job } = await herald.get(`/v1/jobs/${id}`);
    const replay = await herald.api('POST', `/v1/callbacks/${job.callbacks[0].id}/replay`);
    expect([replay.status, replay.body.code]).toEqual([410, 'GONE']);
    await write(`update deliveries set state = 'dead' where job_id = ?`, [id]);
    expect((await herald.api('POST', `/v1/deliveries/${job.deliveries[0].id}/retry`)).status).toBeLessThan(300);
    const dead = await until(async () => {
      const { body } = await herald.get(`/v1/deliveries/${job.deliveries[0].id}`);
      return body.state === 'dead' && body;
    });
    expect(dead.reason).toContain('dropped by age');
    expect(dead.message).toBeNull();
  });

  it('forgets for whom, and for which value of a tag, a rule has told of enough calls', async () => {
    await open();
    for (const per of ['recipient', 'tag:client']) {
      const made = await herald.api('POST', '/v1/rules', {
        name: `seldom-${per.slice(0, 3)}`,
        when: 'has(job.tags.client)',
        throttle: { times: 1, within: '1h', per },
        actions: [{ channel: 'email', to: ['{{job.tags.email}}'], template: 'transcript-ready' }],
      });
      expect(made.status).toBe(201);
    }
    await call({ email: 'Dana@clinic.example', client: 'acme' }, 1);
    await call({ email: 'someone@clinic.example', client: 'other' }, 1);
    const kept = (): Promise<unknown[]> => sql('select throttle from throttles', []);
    expect(await kept()).toHaveLength(4);
    await herald.api('POST', '/v1/erasures', { kind: 'email', value: 'dana@clinic.example' });
    expect(await kept()).toHaveLength(3);
    await herald.api('POST', '/v1/erasures', { kind: 'tag', tag: 'client', value: 'acme' });
    expect(await kept()).toHaveLength(2);
  });

  it('keeps the words of what is still to be sent, looked up, decided or settled', async () => {
    await open({ HERALD_CONTENT_RETENTION_DAYS: '30', HERALD_RETENTION_DAYS: '60' });
    const id = await call({ email: 'dana@clinic.example' });
    await later(61);
    for (const state of ['held', 'unknown']) {
      await write('update deliveries set state = ?, due_at = ? where job_id = ?', [state, Number.MAX_SAFE_INTEGER, id]);
      expect(await purge()).toMatchObject({ contents: 0, jobs: 0 });
      expect((await herald.get(`/v1/transcripts/${id}`)).status).toBe(200);
    }
    await write(`update deliveries set state = 'sent' where job_id = ?`, [id]);
    expect(await purge()).toMatchObject({ contents: 1, jobs: 1 });
    expect((await herald.get(`/v1/jobs/${id}`)).status).toBe(404);
  });

  it('drops kept audio of a failed job after HERALD_AUDIO_RETENTION_DAYS, and no sooner', async () => {
    await open({ HERALD_AUDIO_RETENTION_DAYS: '2' });
    const id = await call({ email: 'dana@clinic.example' });
    const blobs = herald.app.get<BlobStore>(BLOBS, { strict: false });
    const { key } = await blobs.put(Readable.from([Buffer.from(WORD)]), { maxBytes: 100, prefix: 'audio' });
    await write(`update jobs set state = 'failed', audio_blob = ?, audio_kind = 'upload' where id = ?`, [key, id]);
    await later(1);
    expect(await purge()).toMatchObject({ audio: 0 });
    await later(1.1);
    expect(await purge()).toMatchObject({ audio: 1 });
    await expect(blobs.read(key)).rejects.toBeDefined();
    expect((await herald.get(`/v1/jobs/${id}`)).body.audio.kept).toBe(false);
  });

  it('removes no file that waits for its row when the clock jumps five years ahead (C17)', async () => {
    await open();
    const blobs = herald.app.get<BlobStore>(BLOBS, { strict: false });
    const sweep = herald.app.get(BlobSweep, { strict: false });
    const { key } = await blobs.put(Readable.from([Buffer.from(WORD)]), { maxBytes: 100, prefix: 'callback' });
    for (const days of [0.99, 1.01, 5 * 365]) {
      herald.clock.aheadMs = days * DAY;
      await sweep.sweep();
      expect((await blobs.read(key)).toString()).toBe(WORD);
    }
    // Time that has really passed: nobody needs the file any more.
    await later(0);
    await sweep.sweep();
    await expect(blobs.read(key)).rejects.toBeDefined();
  });

  it('drops nothing when the clock jumps five years ahead, until an operator confirms it (C17)', async () => {
    await open({ HERALD_CONTENT_RETENTION_DAYS: '30', HERALD_RETENTION_DAYS: '60' });
    const id = await call({ email: 'dana@clinic.example' });
    await purge();
    herald.clock.aheadMs = 5 * 365 * DAY;
    expect(await purge()).toMatchObject({ postponed: true, jobs: 0, contents: 0 });
    expect((await herald.get(`/v1/transcripts/${id}`)).status).toBe(200);
    const { body: doubted } = await herald.get('/v1/retention');
    expect(doubted.clock).toMatchObject({ trusted: false, hoursLeft: 24 });
    expect(herald.lines.some(({ event }) => event === 'keeping.purge-postponed')).toBe(true);
    // Set right again by itself.
    herald.clock.aheadMs = 0;
    expect(await purge()).toMatchObject({ postponed: false });
    expect((await herald.get('/v1/retention')).body.clock.trusted).toBe(true);
    // Or really that late.
    await later(61);
    expect(await purge()).toMatchObject({ postponed: false, jobs: 1 });
    expect((await herald.get(`/v1/jobs/${id}`)).status).toBe(404);
  });
});

async function until<T>(
  done: () => Promise<T | false | undefined>,
  saw: () => Promise<string> = async () => '',
): Promise<T> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    const found = await done();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`it never came to it: ${(await saw()).slice(0, 3000)}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
