import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Database } from '../database/database.service.js';
import type { Planned } from './new-notifications.js';

/** What a replay has to know of a job, over other stores' tables. */
@Injectable()
export class ReplayStore {
  constructor(private readonly database: Database) {}

  /** When the callback of its transcript came, in epoch milliseconds; the time of its storing when the callback is gone. */
  async transcriptCameAt(jobId: string): Promise<number | undefined> {
    const [row] = await this.database.read<{ at: number }>(
      `select coalesce(callbacks.received_at, transcripts.created_at) as at
         from transcripts left join callbacks on callbacks.id = transcripts.callback_id where transcripts.job_id = ?`,
      [jobId],
    );
    return row?.at;
  }

  /** Everything that was ever planned for the job. @param manager the transaction that goes on to plan, or the reads */
  async planned(manager: EntityManager, jobId: string): Promise<Planned[]> {
    const found = await manager.query<(Planned & { alsoFor: string })[]>(
      this.database.dialect.bind(
        `select rule_id as "ruleId", kind, recipient as "to", template, also_for as "alsoFor"
           from deliveries where job_id = ? and coalesce(escalation_step, 0) = 0`,
      ),
      [jobId],
    );
    return found.flatMap(({ alsoFor, ...lead }) => {
      const others = JSON.parse(alsoFor) as Pick<Planned, 'ruleId'>[];
      return [lead, ...others.map(({ ruleId }) => ({ ...lead, ruleId }))];
    });
  }
}
