import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Clock } from '../clock.js';
import { Database } from '../database/database.service.js';
import { changed } from '../database/unit-of-work.service.js';
import { assignments, SUBMIT_ANEW, type Columns } from './job-columns.js';
import { JobEntity } from './job.entity.js';

/** What becomes of submitted jobs whose callback does not come. */
@Injectable()
export class LateJobsStore {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /** Jobs whose callback should have come by now and is not even stored yet, the longest overdue first. */
  late(now: number, limit: number): Promise<JobEntity[]> {
    return this.database.reads
      .createQueryBuilder(JobEntity, 'job')
      .where(`job.state = 'submitted' and job.deletedAt is null and job.deadlineAt <= :now`, { now })
      .andWhere(`not exists (select 1 from callbacks where job_id = job.id and state = 'pending')`)
      .orderBy('job.deadlineAt')
      .addOrderBy('job.id')
      .take(limit)
      .getMany();
  }

  /** Gives a late job up, at `at`. @returns false when it is not as it was read: settled, erased, or submitted again by another */
  async markOverdue(tx: EntityManager, job: JobEntity, at: number): Promise<boolean> {
    return this.changeLate(tx, job, { state: 'overdue', overdue_at: at });
  }

  /** Puts a late job back to be submitted. @returns as {@link markOverdue} */
  resubmitLate(job: JobEntity): Promise<boolean> {
    const resubmissions = job.resubmissions + 1;
    return this.database.uow.run(async (tx) =>
      this.changeLate(tx, job, { ...SUBMIT_ANEW, next_attempt_at: this.clock.now(), resubmissions }),
    );
  }

  /**
   * The clock was set by `byMs` (ahead or back): what waited goes on waiting as long as it would have, until `latest` at most.
   * @returns how many jobs that were
   */
  moveTimes(byMs: number, latest: number): Promise<number> {
    const { dialect } = this.database;
    const moved = (column: string): string =>
      `${column} = case when ${column} is null then null when ${column} + ? < ? then ${column} + ? else ? end`.replaceAll(
        '?',
        `cast(? as ${dialect.types.bigint})`,
      );
    const times = [byMs, latest, byMs, latest];
    return this.database.uow.run((tx) =>
      changed(
        tx,
        dialect.bind(
          `update jobs set ${moved('deadline_at')}, ${moved('next_attempt_at')} where state in ('submitted', 'pending') and deleted_at is null`,
        ),
        [...times, ...times],
      ),
    );
  }

  /**
   * No deadline is after `latest`, and no submit later than `latestSubmit`: the clock was set back while nobody looked.
   * @returns how many jobs were
   */
  boundTimes(latest: number, latestSubmit: number): Promise<number> {
    const { dialect } = this.database;
    return this.database.uow.run(async (tx) => {
      const deadlines = dialect.bind(`update jobs set deadline_at = ? where state = 'submitted' and deadline_at > ?`);
      const submits = dialect.bind(
        `update jobs set next_attempt_at = ? where state = 'pending' and next_attempt_at > ?`,
      );
      const bounded = await changed(tx, deadlines, [latest, latest]);
      return bounded + (await changed(tx, submits, [latest, latestSubmit]));
    });
  }

  /** A write of the watchdog, fenced by what it saw: another watchdog, a settle or a person may have been faster. */
  private async changeLate(tx: EntityManager, job: JobEntity, set: Columns): Promise<boolean> {
    const count = await changed(
      tx,
      this.database.dialect.bind(
        `update jobs set ${assignments(set)}
          where id = ? and state = 'submitted' and deadline_at = ? and resubmissions = ? and deleted_at is null
            and not exists (select 1 from callbacks where job_id = jobs.id and state = 'pending')`,
      ),
      [...Object.values(set), job.id, job.deadlineAt, job.resubmissions],
    );
    return count > 0;
  }
}
