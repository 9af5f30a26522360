import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { DAY, HOUR, MINUTE } from '../../src/duration.js';
import type { JobEntity } from '../../src/jobs/job.entity.js';
import { JobsStore } from '../../src/jobs/jobs.store.js';
import { LateJobsStore } from '../../src/jobs/late-jobs.store.js';
import { DeepgramStandIn } from '../../src/sandbox/deepgram-stand-in.service.js';
import { databases, TestApp } from '../support/app.js';
import { TestDatabase } from '../support/database.js';
import { PATIENCE_MS } from '../support/stage.js';

const WAIT = 10 * MINUTE;

describe.each(await databases())('LateJobsStore on %s', (kind) => {
  let own: TestDatabase;
  let jobs: JobsStore;
  let store: LateJobsStore;
  let serial = 0;

  beforeAll(async () => {
    own = await TestDatabase.open(kind);
    jobs = new JobsStore(own.database, own.ids, own.clock);
    store = new LateJobsStore(own.database, own.clock);
  });
  afterAll(() => own.close());
  beforeEach(async () => {
    own.clock.aheadMs = 0;
    for (const table of ['jobs', 'callbacks', 'submissions'])
      await own.database.uow.run((tx) => tx.query(`delete from ${table}`));
  });

  async function pending(): Promise<string> {
    const audio = { kind: 'url', url: 'https://example.com/a.wav' } as const;
    const job = await jobs.create({ audio, options: {}, preset: undefined, tags: {}, idempotency: undefined });
    return job?.id ?? '';
  }

  async function submitted(requestId = `request-${String(++serial)}`): Promise<string> {
    const id = await pending();
    await jobs.claimPending('submitter', MINUTE);
    expect(await jobs.submitted(id, 'submitter', requestId, WAIT)).toBe(true);
    return id;
  }

  async function row(id: string): Promise<JobEntity> {
    const job = await jobs.find(id);
    if (!job) throw new Error('no such job');
    return job;
  }

  const lateIds = async (): Promise<string[]> => (await store.late(own.clock.now(), 10)).map(({ id }) => id);
  const callback = (jobId: string, state: string): Promise<unknown> =>
    own.database.uow.run((tx) =>
      tx.query(
        own.database.dialect.bind(
          `insert into callbacks (id, job_id, dedupe_key, state, method, bytes, sha256, repeats, replay, attempts, received_at)
           values (?, ?, ?, ?, 'POST', 1, 'x', 0, false, 0, 1)`,
        ),
        [own.ids.next(), jobId, `key-${String(++serial)}`, state],
      ),
    );

  it('a job is late from its deadline on, the longest overdue first', async () => {
    const first = await submitted();
    own.clock.aheadMs = 1_000;
    const second = await submitted();
    expect(await lateIds()).toEqual([]);
    own.clock.aheadMs = WAIT + 500;
    expect(await lateIds()).toEqual([first]);
    own.clock.aheadMs = WAIT + 60_000;
    expect(await lateIds()).toEqual([first, second]);
  });

  it('a job whose callback is stored and waits for its settle is not late, whenever it came', async () => {
    const [early, between] = [await submitted(), await submitted()];
    await callback(early, 'pending');
    own.clock.aheadMs = 2 * WAIT;
    expect(await lateIds()).toEqual([between]);
    const seen = await row(between);
    await callback(between, 'pending');
    expect(await store.resubmitLate(seen)).toBe(false);
    expect(await own.database.uow.run((tx) => store.markOverdue(tx, seen, 1))).toBe(false);
    expect((await row(between)).state).toBe('submitted');
  });

  it('of many watchdogs one submits a late job again, or calls it overdue', async () => {
    for (const overdue of [true, false]) {
      const seen = await row(await submitted());
      const act = (): Promise<boolean> =>
        overdue ? own.database.uow.run((tx) => store.markOverdue(tx, seen, 7)) : store.resubmitLate(seen);
      const done = await Promise.all(Array.from({ length: 8 }, act));
      expect(done.filter(Boolean)).toHaveLength(1);
      expect(await row(seen.id)).toMatchObject(
        overdue
          ? { state: 'overdue', overdueAt: 7, resubmissions: 0 }
          : { state: 'pending', overdueAt: null, resubmissions: 1, deadlineAt: null, attempts: 0 },
      );
    }
  });

  it('what was read before the job was settled, erased or submitted again changes nothing', async () => {
    const settled = await row(await submitted());
    await own.database.uow.run((tx) => jobs.complete(tx, settled.id, 'r'));
    const again = await row(await submitted());
    await jobs.resubmit(again.id);
    await jobs.claimPending('submitter', MINUTE);
    own.clock.aheadMs = 5;
    await jobs.submitted(again.id, 'submitter', 'newer', WAIT);
    for (const seen of [settled, again]) {
      const before = await row(seen.id);
      expect(await store.resubmitLate(seen)).toBe(false);
      expect(await own.database.uow.run((tx) => store.markOverdue(tx, seen, 7))).toBe(false);
      expect(await row(seen.id)).toEqual(before);
    }
  });

  it('each of its submissions finds the job; those before the last are superseded', async () => {
    const { reads } = own.database;
    const id = await submitted('first');
    const superseded = async (requestId: string) => jobs.isSuperseded(reads, await row(id), requestId);
    expect([await superseded('first'), await superseded('unknown')]).toEqual([false, false]);
    expect(await store.resubmitLate(await row(id))).toBe(true);
    expect(await superseded('first')).toBe(true);
    await jobs.claimPending('submitter', MINUTE);
    await jobs.submitted(id, 'submitter', 'second', WAIT);
    expect([await superseded('first'), await superseded('second'), await superseded('other')]).toEqual([
      true,
      false,
      false,
    ]);
    for (const requestId of ['first', 'second']) expect((await jobs.findByRequestId(reads, requestId))?.id).toBe(id);
    expect(await jobs.findByRequestId(reads, 'other')).toBeUndefined();
  });

  it('a submission is known although its job was settled before its answer', async () => {
    const id = await pending();
    await jobs.claimPending('submitter', MINUTE);
    await own.database.uow.run((tx) => jobs.complete(tx, id, 'of the callback'));
    expect(await jobs.submitted(id, 'submitter', 'of the answer', WAIT)).toBe(false);
    expect((await jobs.findByRequestId(own.database.reads, 'of the answer'))?.id).toBe(id);
  });

  it('times move with the clock, both ways, and never beyond the longest wait (C17)', async () => {
    const [waits, due] = [await submitted(), await pending()];
    const { deadlineAt } = await row(waits);
    const { nextAttemptAt } = await row(due);
    const now = own.clock.now();
    for (const by of [5 * 365 * DAY, -5 * 365 * DAY, -DAY, DAY, 2 * HOUR, -2 * HOUR]) {
      const latest = now + 5 * 365 * DAY + HOUR;
      expect(await store.moveTimes(by, latest)).toBe(2);
    }
    expect(await row(waits)).toMatchObject({ deadlineAt, nextAttemptAt: null });
    expect(await row(due)).toMatchObject({ deadlineAt: null, nextAttemptAt });
    // Two processes that see the same jump, one after the other.
    for (let process = 0; process < 2; process++) await store.moveTimes(DAY, now + DAY + HOUR);
    expect((await row(waits)).deadlineAt).toBe(now + DAY + HOUR);
    expect((await row(due)).nextAttemptAt).toBe(now + DAY + HOUR);
  });

  it('no wait is endless when the clock went back while nobody looked (C17)', async () => {
    own.clock.aheadMs = 365 * DAY;
    const [waits, due] = [await submitted(), await pending()];
    own.clock.aheadMs = 0;
    const now = own.clock.now();
    expect(await store.boundTimes(now + WAIT, now + HOUR)).toBe(2);
    expect((await row(waits)).deadlineAt).toBe(now + WAIT);
    expect((await row(due)).nextAttemptAt).toBe(now + WAIT);
    // The next look finds nothing to bound: else it would put the end off for ever.
    expect(await store.boundTimes(now + WAIT + 30_000, now + HOUR)).toBe(0);
  });
});

describe.each(await databases())('the watchdog on %s', (kind) => {
  const deepgram = new DeepgramStandIn();
  let herald: TestApp;

  beforeAll(async () => {
    deepgram.holdCallbacks();
    herald = await TestApp.start(kind, {
      env: {
        DEEPGRAM_API_KEY: 'key-of-the-tests',
        DEEPGRAM_BASE_URL: await deepgram.start(),
        HERALD_PUBLIC_URL: 'http://127.0.0.1:9',
        HERALD_OVERDUE_MINUTES: '1',
        HERALD_MAX_OUTSTANDING_JOBS: '100',
      },
    });
  }, PATIENCE_MS);

  afterAll(async () => {
    await herald.close();
    await deepgram.stop();
  }, PATIENCE_MS);

  async function submitted(): Promise<string> {
    const { body } = await herald.api('POST', '/v1/jobs', { audio: { url: 'https://example.com/a.wav' } });
    await until(async () => (await job(body.id)).state === 'submitted');
    return body.id as string;
  }
  const job = async (id: string) => (await herald.get(`/v1/jobs/${id}`)).body;
  const linesOf = (event: string) => herald.lines.filter((line) => line.event === event);
  const late = (...ids: string[]): Promise<unknown> =>
    herald.database.uow.run((tx) =>
      tx.query(`update jobs set deadline_at = 1 where id in (${ids.map((id) => `'${id}'`).join(', ')})`),
    );

  async function until(done: () => Promise<boolean> | boolean): Promise<void> {
    for (const end = Date.now() + PATIENCE_MS; !(await done());) {
      if (Date.now() > end) throw new Error('it never came to it');
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }

  it(
    'makes no job overdue and submits none again because the clock was set, ahead or back (C17)',
    async () => {
      const ids: string[] = [];
      for (let i = 0; i < 15; i++) ids.push(await submitted());
      for (const [nth, aheadMs] of [5 * 365 * DAY, -DAY, 2 * HOUR].entries()) {
        herald.clock.aheadMs = aheadMs;
        await until(() => linesOf('jobs.times-moved').length === nth + 1);
        // One that is really late tells that the watchdog has looked, beyond its patience after the start.
        const control = await submitted();
        await late(control);
        await until(() => linesOf('job.resubmitted').some(({ jobId }) => jobId === control));
        const now = herald.clock.now();
        for (const id of ids) {
          const { state, deadlineAt, resubmissions } = await job(id);
          expect({ state, resubmissions }).toEqual({ state: 'submitted', resubmissions: 0 });
          expect(Date.parse(deadlineAt)).toBeGreaterThan(now - MINUTE);
          expect(Date.parse(deadlineAt)).toBeLessThanOrEqual(now + MINUTE);
        }
      }
      expect(linesOf('job.resubmitted')).toHaveLength(3);
      expect(linesOf('job.overdue')).toEqual([]);
    },
    3 * PATIENCE_MS,
  );

  it(
    'submits many late jobs again a few at a time, each once (C17)',
    async () => {
      const ids: string[] = [];
      for (let i = 0; i < 25; i++) ids.push(await submitted());
      await late(...ids);
      const again = () => linesOf('job.resubmitted').filter(({ jobId }) => ids.includes(String(jobId)));
      await until(() => again().length >= ids.length);
      const lines = again();
      expect(new Set(lines.map(({ jobId }) => jobId)).size).toBe(ids.length);
      expect(lines).toHaveLength(ids.length);
      // Ten at the most in a look; between two looks lies more than half a second.
      const times = lines.map(({ time }) => Date.parse(String(time)));
      for (let i = 10; i < times.length; i++) expect((times[i] ?? 0) - (times[i - 10] ?? 0)).toBeGreaterThan(300);
    },
    PATIENCE_MS,
  );
});
