import { Agent, request } from 'node:http';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import BetterSqlite3 from 'better-sqlite3';
import fc from 'fast-check';
import { HealthWatch } from '../test/support/health.js';
import { longBody } from '../test/support/long-transcript.js';
import { basic, HOOK_PASSWORD, TestServer } from '../test/support/server.js';
import { PATIENCE_MS } from '../test/support/stage.js';
import { badInputs, type BadInput, type Known } from './support/bad-input.js';
import { figure, scaled } from './support/scale.js';

const INPUTS = scaled(100_000, 2_000);
/** About 105 bytes each. */
const WORDS = scaled(480_000, 150_000);
const BATCH = 250;
const AT_ONCE = 8;
const SETTLE_MS = 600_000;
/** The same inputs every time; another seed tries others. */
const SEED = Number(process.env.CHAOS_SEED ?? 20_261_121);
const ADDRESSES = { to: 'dana@clinic.example' };

describe('bad input', () => {
  let server: TestServer;
  let health: HealthWatch | undefined;
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });

  beforeAll(async () => {
    // Nobody is there: jobs are kept and tried again.
    const deepgram = { DEEPGRAM_API_KEY: 'key-of-the-tests', DEEPGRAM_BASE_URL: 'http://127.0.0.1:9' };
    server = await TestServer.start({ HERALD_LOG_LEVEL: 'warn', ...deepgram });
  });
  afterAll(async () => {
    agent.destroy();
    await health?.end();
    await server.stop();
  });

  /** @returns the status; 0 when the server closed the connection without an answer, -1 when none came in half a minute */
  function send({ method, path: route, headers, body }: BadInput): Promise<number> {
    return new Promise((resolve, reject) => {
      const { hostname, port } = new URL(server.url);
      const length = body.length > 0 || method !== 'GET' ? { 'content-length': String(body.length) } : {};
      const sent = request(
        { hostname, port, method, path: route, agent, headers: { ...headers, ...length } },
        (answer) => {
          answer.resume();
          answer.on('error', () => {
            resolve(answer.statusCode ?? 0);
          });
          answer.on('end', () => {
            resolve(answer.statusCode ?? 0);
          });
        },
      );
      sent.setTimeout(30_000, () => {
        resolve(-1);
        sent.destroy();
      });
      sent.on('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'ECONNREFUSED') reject(error);
        else resolve(0);
      });
      sent.end(body);
    });
  }

  /** Something under every kind of id, so that not everything ends with "there is none". */
  async function known(): Promise<{ known: Known; jobIds: string[] }> {
    const make = async (method: string, route: string, body: unknown): Promise<string> => {
      const answer = await server.api<{ id: string }>(method, route, body);
      expect([route, answer.status < 300 ? {} : answer.body]).toEqual([route, {}]);
      return answer.body.id;
    };
    const jobIds: string[] = [];
    for (let i = 0; i < 5; i++)
      jobIds.push(await make('POST', '/v1/jobs', { audio: { url: 'https://files.clinic.example/a.wav' }, tags: {} }));
    const contact = await make('POST', '/v1/contacts', { name: 'dana', email: ADDRESSES.to });
    const group = await make('POST', '/v1/groups', { name: 'crew', members: ['dana'] });
    const action = { channel: 'email', to: ['contact:dana'], template: 'transcript-ready' };
    const rule = await make('POST', '/v1/rules', { name: 'hears you', when: "speech.says('you')", actions: [action] });
    const ids = [...jobIds, contact, group, rule];
    const names = ['transcript-ready', 'email', 'sms', 'brief'];
    return { known: { id: ids, jobId: jobIds, name: names, file: jobIds.map((id) => `${id}.vtt`) }, jobIds };
  }

  function ask<T>(statement: string): T[] {
    const database = new BetterSqlite3(path.join(server.dataDir, 'herald.sqlite'), { readonly: true, timeout: 5_000 });
    try {
      return database.prepare(statement).all() as T[];
    } finally {
      database.close();
    }
  }

  it(`of ${String(INPUTS)} kinds gets no answer of 5xx, breaks no settle and ends no process (I1, I3, I4, I9, I11)`, async () => {
    const { known: ids, jobIds } = await known();
    const inputs = badInputs(ids, jobIds);
    const { pid } = server;
    health = new HealthWatch(server.url);
    const statuses = new Map<number, number>();
    const faults: { status: number; input: string }[] = [];
    const started = performance.now();
    let rss = 0;
    for (let done = 0; done < INPUTS; done += BATCH) {
      const batch = fc.sample(inputs, { numRuns: BATCH, seed: SEED + done });
      const next = batch.values();
      await Promise.all(
        Array.from({ length: AT_ONCE }, async () => {
          for (const input of next) {
            const status = await send(input);
            statuses.set(status, (statuses.get(status) ?? 0) + 1);
            if ((status >= 500 || status < 0) && faults.length < 20)
              faults.push({
                status,
                input: JSON.stringify({ ...input, body: input.body.toString('latin1') }).slice(0, 3_000),
              });
          }
        }),
      );
      rss = Math.max(rss, await server.rss());
    }
    const seconds = (performance.now() - started) / 1_000;
    const deadline = Date.now() + SETTLE_MS;
    const pending = (): number =>
      ask<{ n: number }>(`select count(*) as n from callbacks where state = 'pending'`)[0]?.n ?? 0;
    while (pending() > 0 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 250));
    const { slowestMs, failures } = await health.end();
    const callbacks = ask<{ state: string; n: number }>('select state, count(*) as n from callbacks group by state');
    figure('bad inputs tried', `${String(INPUTS)} at ${(INPUTS / seconds).toFixed(0)} a second`);
    figure(
      'bad inputs: answers by status',
      JSON.stringify(Object.fromEntries([...statuses].sort(([a], [b]) => a - b))),
    );
    figure('bad inputs: callbacks', JSON.stringify(Object.fromEntries(callbacks.map(({ state, n }) => [state, n]))));
    figure('bad inputs: answers of 5xx or none', faults.length);
    figure('bad inputs: slowest health', `${String(slowestMs)} ms`);
    figure('bad inputs: RSS', `at most ${rss.toFixed(0)} MiB`);
    expect(faults).toEqual([]);
    expect(failures).toBe(0);
    expect(pending()).toBe(0);
    const broken = server.log.split('\n').filter((line) => /settle-broke|uncaught|unhandled/i.test(line));
    expect(broken.slice(0, 10)).toEqual([]);
    expect(ask(`select id, reason from callbacks where reason like 'settling it broke%' or attempts > 0`)).toEqual([]);
    expect(server.pid).toBe(pid);
    // What stands under `__proto__` in a body is in no answer.
    const answer = await server.get('/v1/health');
    expect([answer.status, JSON.stringify(answer.body)]).toEqual([200, expect.not.stringContaining('polluted')]);
  });

  it('of 50 MB of words is settled on the side: small callbacks overtake it, and health answers (I2, I6)', async () => {
    const body = longBody(WORDS, 'fifty-megabytes', {}, 'zebra crossing');
    const before = await server.rss();
    let peak = before;
    const watch = setInterval(() => void server.rss().then((rss) => (peak = Math.max(peak, rss))), 50);
    health = new HealthWatch(server.url);
    const post = async (bytes: Uint8Array): Promise<string> => {
      const headers = { authorization: basic(HOOK_PASSWORD), 'content-type': 'application/json' };
      const answer = await fetch(`${server.url}/hook`, { method: 'POST', body: bytes, headers });
      expect(answer.status).toBe(200);
      return ((await answer.json()) as { callback: string }).callback;
    };
    const settled = (id: string): Promise<{ state: string; jobId: string }> =>
      server.until<{ state: string; jobId: string }, { state: string; jobId: string }>(
        `/v1/callbacks/${id}`,
        (callback) => callback.state !== 'pending' && callback,
        PATIENCE_MS,
      );
    const started = performance.now();
    const large = await post(body);
    const small = await settled(await post(longBody(20, 'small')));
    const smallMs = Math.round(performance.now() - started);
    const { state, jobId } = await settled(large);
    const largeMs = Math.round(performance.now() - started);
    const captions = await server.get<string>(`/v1/transcripts/${jobId}.srt`);
    const { slowestMs, failures } = await health.end();
    clearInterval(watch);
    const size = `${(body.length / 1e6).toFixed(0)} MB of words`;
    figure(`${size}: settled`, `in ${String(largeMs)} ms, a small callback beside it in ${String(smallMs)} ms`);
    figure(`${size}: slowest health`, `${String(slowestMs)} ms`);
    figure(`${size}: RSS`, `${before.toFixed(0)} MiB before, at most ${peak.toFixed(0)} MiB`);
    expect([state, small.state, failures]).toEqual(['settled', 'settled', 0]);
    expect(captions.body.slice(-100)).toContain('zebra crossing');
    expect(smallMs).toBeLessThan(largeMs);
  });
});
