import { Injectable } from '@nestjs/common';
import { IsNull, Not, type EntityManager } from 'typeorm';
import { Clock } from '../clock.js';
import { Database } from '../database/database.service.js';
import { isDuplicateKey } from '../database/duplicate-key.js';
import { changed, rows } from '../database/unit-of-work.service.js';
import { Ids } from '../ids.service.js';
import type { JsonObject } from '../json.js';
import type { JobFacts } from '../transcripts/facts.js';
import type { Failure } from '../transcripts/transcript.js';
import type { JobState, SubmitError } from './job.js';
import { assignments, SUBMIT_ANEW, type Columns } from './job-columns.js';
import { JobEntity } from './job.entity.js';

export interface NewJob {
  audio:
    | { kind: 'url'; url: string }
    | { kind: 'upload'; blob: string; bytes: number; contentType: string; name: string | undefined };
  options: JsonObject;
  preset: string | undefined;
  tags: Record<string, string>;
  idempotency: { key: string; hash: string } | undefined;
}

export interface JobFilter {
  state?: JobState;
  origin?: 'api' | 'external';
  from?: number;
  to?: number;
  tags: Record<string, string>;
  cursor?: string;
  limit: number;
}

@Injectable()
export class JobsStore {
  constructor(
    private readonly database: Database,
    private readonly ids: Ids,
    private readonly clock: Clock,
  ) {}

  /** Makes a job that waits to be submitted. @returns undefined when its idempotency key is taken */
  async create(job: NewJob): Promise<JobEntity | undefined> {
    try {
      return await this.insert(job);
    } catch (error) {
      // Another replica, or another connection, took the key a moment earlier.
      if (job.idempotency && isDuplicateKey(error)) return undefined;
      throw error;
    }
  }

  private insert(job: NewJob): Promise<JobEntity | undefined> {
    const now = this.clock.now();
    return this.database.uow.run(async (tx) => {
      const taken = job.idempotency && (await tx.existsBy(JobEntity, { idempotencyKey: job.idempotency.key }));
      if (taken) return undefined;
      const { audio } = job;
      const id = this.ids.next();
      await tx.insert(JobEntity, {
        id,
        state: 'pending',
        origin: 'api',
        audioKind: audio.kind,
        audioUrl: audio.kind === 'url' ? audio.url : null,
        audioBlob: audio.kind === 'upload' ? audio.blob : null,
        audioBytes: audio.kind === 'upload' ? audio.bytes : null,
        audioType: audio.kind === 'upload' ? audio.contentType : null,
        audioName: audio.kind === 'upload' ? (audio.name ?? null) : null,
        options: job.options,
        preset: job.preset ?? null,
        tags: job.tags,
        idempotencyKey: job.idempotency?.key ?? null,
        idempotencyHash: job.idempotency?.hash ?? null,
        attempts: 0,
        nextAttemptAt: now,
        createdAt: now,
      });
      return tx.findOneByOrFail(JobEntity, { id });
    });
  }

  /** Makes the job of a callback that somebody else's submission caused, already settled by the caller in the same transaction. */
  async adopt(
    tx: EntityManager,
    job: { id: string; requestId: string | undefined; tags: Record<string, string>; options: JsonObject },
  ): Promise<void> {
    const now = this.clock.now();
    await tx.insert(JobEntity, {
      id: job.id,
      state: 'submitted',
      origin: 'external',
      options: job.options,
      tags: job.tags,
      requestId: job.requestId ?? null,
      attempts: 0,
      createdAt: now,
      submittedAt: now,
    });
  }

  facts(job: JobEntity): JobFacts {
    const { id, origin, tags, createdAt } = job;
    return { id, origin, tags, options: job.options as JsonObject, createdAt };
  }

  /** A job that was not erased. */
  async find(id: string): Promise<JobEntity | undefined> {
    const job = await this.database.reads.findOneBy(JobEntity, { id });
    return job?.deletedAt === null ? job : undefined;
  }

  /** Keeps a job as it is until the end of the transaction. */
  async lock(tx: EntityManager, id: string): Promise<void> {
    const { dialect } = this.database;
    if (dialect.rowLock !== '')
      await tx.query(dialect.bind(`select id from jobs where id = ? ${dialect.rowLock}`), [id]);
  }

  /** With erased ones: a late callback must know them. */
  async findForCallback(manager: EntityManager, id: string): Promise<JobEntity | undefined> {
    return (await manager.findOneBy(JobEntity, { id })) ?? undefined;
  }

  /** By the id of any of its submissions. */
  async findByRequestId(manager: EntityManager, requestId: string): Promise<JobEntity | undefined> {
    const found = await manager.findOne(JobEntity, { where: { requestId }, order: { id: 'ASC' } });
    if (found) return found;
    const [earlier] = await manager.query<{ job_id: string }[]>(
      this.database.dialect.bind('select job_id from submissions where request_id = ? order by job_id limit 1'),
      [requestId],
    );
    return earlier && this.findForCallback(manager, earlier.job_id);
  }

  /** Whether the job was submitted again after the submission of this id. */
  async isSuperseded(manager: EntityManager, job: JobEntity, requestId: string): Promise<boolean> {
    if (job.state !== 'pending' && job.requestId === requestId) return false;
    const found = await manager.query<unknown[]>(
      this.database.dialect.bind('select 1 from submissions where job_id = ? and request_id = ?'),
      [job.id, requestId],
    );
    return found.length > 0;
  }

  async findByIdempotencyKey(key: string): Promise<JobEntity | undefined> {
    return (await this.database.reads.findOneBy(JobEntity, { idempotencyKey: key })) ?? undefined;
  }

  /** Newest first; one row more than `limit` tells of a next page. */
  list(filter: JobFilter): Promise<JobEntity[]> {
    const { dialect } = this.database;
    const query = this.database.reads.createQueryBuilder(JobEntity, 'job').where('job.deletedAt is null');
    if (filter.state) query.andWhere('job.state = :state', { state: filter.state });
    if (filter.origin) query.andWhere('job.origin = :origin', { origin: filter.origin });
    if (filter.from !== undefined) query.andWhere('job.createdAt >= :from', { from: filter.from });
    if (filter.to !== undefined) query.andWhere('job.createdAt < :to', { to: filter.to });
    if (filter.cursor !== undefined) query.andWhere('job.id < :cursor', { cursor: filter.cursor });
    Object.entries(filter.tags).forEach(([name, value], index) => {
      const [nameKey, valueKey] = [`tag${String(index)}`, `value${String(index)}`];
      query.andWhere(`${dialect.jsonMember('job.tags').replace('?', `:${nameKey}`)} = :${valueKey}`, {
        [nameKey]: dialect.jsonMemberParameter(name),
        [valueKey]: value,
      });
    });
    return query
      .orderBy('job.id', 'DESC')
      .take(filter.limit + 1)
      .getMany();
  }

  /** Jobs that Deepgram works on, as far as is known. */
  async outstanding(): Promise<number> {
    return this.database.reads.countBy(JobEntity, { state: 'submitted', origin: 'api', deletedAt: IsNull() });
  }

  /** Takes the next job whose time to be submitted has come. */
  async claimPending(owner: string, leaseMs: number): Promise<JobEntity | undefined> {
    const now = this.clock.now();
    const { dialect } = this.database;
    return this.database.uow.run(async (tx) => {
      const [claimed] = await rows<{ id: string }>(
        tx,
        dialect.bind(
          `with due as (
             select id from jobs where state = 'pending' and next_attempt_at <= ? and deleted_at is null
                and (lease_until is null or lease_until <= ?) order by next_attempt_at, id limit 1 ${dialect.claimLock}
           )
           update jobs set lease_owner = ?, lease_until = ?, attempts = attempts + 1 where id in (select id from due) returning id`,
        ),
        [now, now, owner, now + leaseMs],
      );
      return claimed && ((await tx.findOneBy(JobEntity, { id: claimed.id })) ?? undefined);
    });
  }

  /** When the next pending job is due. */
  async nextPending(): Promise<number | undefined> {
    const [row] = await this.database.read<{ next: number | null }>(
      `select min(case when lease_until > next_attempt_at then lease_until else next_attempt_at end) as next
         from jobs where state = 'pending' and deleted_at is null`,
    );
    return row?.next ?? undefined;
  }

  extendLease(id: string, owner: string, leaseMs: number): Promise<boolean> {
    return this.fenced(id, owner, { lease_until: this.clock.now() + leaseMs });
  }

  /**
   * Deepgram has taken the job, and its callback may take `waitMs`.
   * @returns false when a callback was faster than the submit's answer, or the lease was lost: both harmless
   */
  submitted(id: string, owner: string, requestId: string, waitMs: number): Promise<boolean> {
    const now = this.clock.now();
    const { dialect } = this.database;
    return this.database.uow.run(async (tx) => {
      const taken = await this.fencedIn(tx, id, owner, {
        state: 'submitted',
        request_id: requestId,
        submitted_at: now,
        deadline_at: now + waitMs,
        next_attempt_at: null,
        last_error: null,
        lease_owner: null,
        lease_until: null,
      });
      // Also when it was settled meanwhile: the callback of this submission still comes.
      await tx.query(
        dialect.bind(
          `insert into submissions (job_id, request_id, submitted_at)
             select id, cast(? as ${dialect.types.text}), cast(? as ${dialect.types.bigint}) from jobs where id = ? and deleted_at is null
           on conflict do nothing`,
        ),
        [requestId, now, id],
      );
      return taken;
    });
  }

  /** The submit did not go through; it is tried again at `dueAt`. */
  postponed(id: string, owner: string, error: SubmitError, dueAt: number): Promise<boolean> {
    return this.fenced(id, owner, {
      next_attempt_at: dueAt,
      last_error: JSON.stringify(error),
      lease_owner: null,
      lease_until: null,
    });
  }

  /** Leases of a process that died are free at once when this process is the only one. */
  async releaseAll(): Promise<void> {
    await this.database.uow.run((tx) =>
      tx.update(JobEntity, { state: 'pending' }, { leaseOwner: null, leaseUntil: null }),
    );
  }

  async complete(tx: EntityManager, id: string, requestId: string): Promise<void> {
    // One adopted job for a request: a body that names that of another job does not take it over.
    const isTaken = await tx.existsBy(JobEntity, { requestId, origin: 'external', id: Not(id) });
    await tx.update(
      JobEntity,
      { id },
      {
        ...this.settledFields(),
        state: 'completed',
        ...(isTaken ? {} : { requestId }),
        failure: null,
        audioBlob: null,
        contentDroppedAt: null,
      },
    );
  }

  /** @param owner when the submit itself failed: the lease that it holds; @returns false when it is not held any more */
  async fail(tx: EntityManager, id: string, failure: Failure, owner?: string): Promise<boolean> {
    const { affected } = await tx.update(
      JobEntity,
      owner === undefined ? { id } : { id, leaseOwner: owner, state: 'pending' },
      { ...this.settledFields(), state: 'failed', failure },
    );
    return (affected ?? 0) > 0;
  }

  /**
   * Puts a job that came to nothing back to be submitted, as often by itself as a new one. Its callbacks so far no longer count as
   * the same as new ones.
   * @returns false when its state allows it no more
   */
  resubmit(id: string): Promise<boolean> {
    const now = this.clock.now();
    const { dialect } = this.database;
    const anew = { ...SUBMIT_ANEW, next_attempt_at: now, resubmissions: 0 };
    return this.database.uow.run(async (tx) => {
      const count = await changed(
        tx,
        dialect.bind(
          `update jobs set ${assignments(anew)} where id = ? and state in ('failed', 'overdue', 'submitted') and deleted_at is null`,
        ),
        [...Object.values(anew), id],
      );
      if (count === 0) return false;
      await changed(
        tx,
        dialect.bind(`update callbacks set dedupe_key = dedupe_key || ? where job_id = ? and state <> 'pending'`),
        [`:before-${String(now)}`, id],
      );
      return true;
    });
  }

  private settledFields() {
    return { settledAt: this.clock.now(), nextAttemptAt: null, leaseOwner: null, leaseUntil: null };
  }

  /** A write of the submit, fenced by its lease: a job that a callback has settled meanwhile stays settled. */
  private fenced(id: string, owner: string, set: Columns): Promise<boolean> {
    return this.database.uow.run((tx) => this.fencedIn(tx, id, owner, set));
  }

  private async fencedIn(tx: EntityManager, id: string, owner: string, set: Columns): Promise<boolean> {
    const count = await changed(
      tx,
      this.database.dialect.bind(
        `update jobs set ${assignments(set)} where id = ? and lease_owner = ? and state = 'pending'`,
      ),
      [...Object.values(set), id, owner],
    );
    return count > 0;
  }
}
