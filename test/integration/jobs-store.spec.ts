import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { JobEntity } from '../../src/jobs/job.entity.js';
import { JobsStore, type NewJob } from '../../src/jobs/jobs.store.js';
import { LateJobsStore } from '../../src/jobs/late-jobs.store.js';
import { databases } from '../support/app.js';
import { TestDatabase } from '../support/database.js';

const LEASE = 60_000;
const WAIT = 600_000;
const FAILURE = { code: 'BAD_AUDIO', message: 'no audio' };

describe.each(await databases())('JobsStore on %s', (kind) => {
  let own: TestDatabase;
  let store: JobsStore;
  let late: LateJobsStore;
  beforeAll(async () => {
    own = await TestDatabase.open(kind);
    store = new JobsStore(own.database, own.ids, own.clock);
    late = new LateJobsStore(own.database, own.clock);
  });
  afterAll(() => own.close());
  beforeEach(async () => {
    own.clock.aheadMs = 0;
    await own.database.uow.run((tx) => tx.query('delete from jobs'));
  });

  const newJob = (over: Partial<NewJob> = {}): NewJob => ({
    audio: { kind: 'url', url: 'https://example.com/a.wav' },
    options: {},
    preset: undefined,
    tags: {},
    idempotency: undefined,
    ...over,
  });

  async function create(over: Partial<NewJob> = {}): Promise<JobEntity> {
    const job = await store.create(newJob(over));
    if (!job) throw new Error('the key is taken');
    return job;
  }

  async function row(id: string): Promise<JobEntity> {
    const job = await store.find(id);
    if (!job) throw new Error('no such job');
    return job;
  }

  async function claim(owner: string): Promise<JobEntity> {
    const job = await store.claimPending(owner, LEASE);
    if (!job) throw new Error('nothing is due');
    return job;
  }

  const fail = (id: string, owner?: string): Promise<boolean> =>
    own.database.uow.run((tx) => store.fail(tx, id, FAILURE, owner));

  it('a callback that was faster than the answer to the submit stays: the answer changes nothing', async () => {
    const { id } = await create();
    await claim('submitter');
    await own.database.uow.run((tx) => store.complete(tx, id, 'request of the callback'));
    const settled = await row(id);
    expect(settled).toMatchObject({ state: 'completed', requestId: 'request of the callback', leaseOwner: null });
    expect(await store.submitted(id, 'submitter', 'another request', WAIT)).toBe(false);
    expect(await store.postponed(id, 'submitter', { code: 'X', message: 'x', at: 1 }, 5)).toBe(false);
    expect(await store.extendLease(id, 'submitter', LEASE)).toBe(false);
    expect(await fail(id, 'submitter')).toBe(false);
    expect(await row(id)).toEqual(settled);
  });

  it('a submitter that lost its lease changes nothing, and the one that has it does', async () => {
    const { id } = await create();
    await claim('slow');
    own.clock.aheadMs = LEASE + 1_000;
    expect((await claim('fast')).id).toBe(id);
    expect(await store.submitted(id, 'slow', 'late', WAIT)).toBe(false);
    expect(await fail(id, 'slow')).toBe(false);
    expect(await row(id)).toMatchObject({ state: 'pending', leaseOwner: 'fast', requestId: null, attempts: 2 });
    expect(await store.submitted(id, 'fast', 'request', WAIT)).toBe(true);
    expect(await row(id)).toMatchObject({ state: 'submitted', leaseOwner: null, requestId: 'request' });
  });

  it('20 creates at once with one idempotency key make one job', async () => {
    const idempotency = { key: 'one', hash: 'h' };
    const made = await Promise.all(Array.from({ length: 20 }, () => store.create(newJob({ idempotency }))));
    const jobs = made.filter((job) => job !== undefined);
    expect(jobs).toHaveLength(1);
    expect(await store.findByIdempotencyKey('one')).toMatchObject({ id: jobs[0]?.id, idempotencyHash: 'h' });
    expect(await store.list({ tags: {}, limit: 50 })).toHaveLength(1);
  });

  it('many claimers take every pending job once', async () => {
    await Promise.all(Array.from({ length: 40 }, () => create()));
    const taken: string[] = [];
    const claimer = async (owner: string): Promise<void> => {
      for (let misses = 0; misses < 3;) {
        const job = await store.claimPending(owner, LEASE);
        if (!job) {
          misses++;
          continue;
        }
        expect(job.leaseOwner).toBe(owner);
        taken.push(job.id);
      }
    };
    await Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map(claimer));
    expect(taken).toHaveLength(40);
    expect(new Set(taken).size).toBe(40);
  });

  it('a postponed job is due at its time; a claimed one when its lease ends', async () => {
    const { id } = await create();
    await claim('a');
    expect(await store.nextPending()).toBe((await row(id)).leaseUntil);
    const dueAt = own.clock.now() + 30_000;
    expect(await store.postponed(id, 'a', { code: 'HTTP_429', message: 'slow down', at: 1 }, dueAt)).toBe(true);
    expect(await store.nextPending()).toBe(dueAt);
    expect(await store.claimPending('a', LEASE)).toBeUndefined();
    own.clock.aheadMs = 31_000;
    expect((await claim('a')).lastError).toEqual({ code: 'HTTP_429', message: 'slow down', at: 1 });
  });

  it('a pending or completed job is not submitted again; a failed, overdue or submitted one is', async () => {
    const { id } = await create();
    expect(await store.resubmit(id)).toBe(false);
    await claim('a');
    expect(await store.resubmit(id)).toBe(false);
    expect(await row(id)).toMatchObject({ leaseOwner: 'a', attempts: 1 });
    await store.submitted(id, 'a', 'r1', WAIT);
    expect(await store.resubmit(id)).toBe(true);
    expect(await row(id)).toMatchObject({ state: 'pending', attempts: 0 });
    await claim('b');
    await store.submitted(id, 'b', 'r2', WAIT);
    const seen = await row(id);
    expect(await own.database.uow.run((tx) => late.markOverdue(tx, seen, 5))).toBe(true);
    expect(await own.database.uow.run((tx) => late.markOverdue(tx, seen, 6))).toBe(false);
    expect(await row(id)).toMatchObject({ state: 'overdue', overdueAt: 5 });
    expect(await store.resubmit(id)).toBe(true);
    expect(await fail(id)).toBe(true);
    expect(await store.resubmit(id)).toBe(true);
    expect(await row(id)).toMatchObject({ state: 'pending', failure: null, settledAt: null });
    await own.database.uow.run((tx) => store.complete(tx, id, 'r3'));
    expect(await store.resubmit(id)).toBe(false);
  });

  it.each([
    ['a quote', `it's`, `O'Brien`],
    ['a double quote', 'say "hi"', 'a "word"'],
    ['dots', 'a.b.c', '1.2'],
    ['a path', '$.a[0]', '$'],
    ['a backslash', 'a\\b', 'c\\"d'],
    ['a placeholder', ':name', '?'],
    ['a cast', 'x::text', '%_'],
    ['other letters', 'größe', '北京 🎧'],
    ['nothing', '', ''],
  ])('lists by a tag with %s in name and value', async (_, name, value) => {
    const { id } = await create({ tags: { [name]: value, other: 'x' } });
    await create({ tags: { [name]: `${value}!` } });
    await create({ tags: { b: value, a: value } });
    const found = await store.list({ tags: { [name]: value }, limit: 10 });
    expect(found.map((job) => job.id)).toEqual([id]);
    expect(await store.list({ tags: { [name]: value, other: 'x' }, limit: 10 })).toHaveLength(1);
    expect(await store.list({ tags: { [name]: value, other: 'y' }, limit: 10 })).toEqual([]);
  });

  it('leases of a dead process are free at once when this is the only one', async () => {
    const { id } = await create();
    await claim('dead');
    expect(await store.claimPending('new', LEASE)).toBeUndefined();
    await store.releaseAll();
    expect((await claim('new')).id).toBe(id);
  });
});
