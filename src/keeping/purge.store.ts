import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.service.js';

/** Finds what has outlived its time. Everything that is still to be settled, sent, looked up or decided is left out. */
@Injectable()
export class PurgeStore {
  constructor(private readonly database: Database) {}

  /** Jobs that ended before then and are not erased, oldest first. */
  endedJobs(before: number, limit: number): Promise<string[]> {
    return this.ended('', before, limit);
  }

  /** The same of jobs that still have their words. */
  jobsWithContent(before: number, limit: number): Promise<string[]> {
    return this.ended('and content_dropped_at is null', before, limit);
  }

  /** Failed and overdue jobs whose audio was kept since before then. */
  jobsWithAudio(before: number, limit: number): Promise<string[]> {
    return this.ids(
      `select id from jobs where audio_blob is not null and state in ('failed', 'overdue') and created_at < ?
          and coalesce(settled_at, overdue_at, created_at) < ? order by created_at limit ?`,
      [before, before, limit],
    );
  }

  /** Callbacks with a body that no job answers for: quarantined ones, and those that came after their job's words were dropped. */
  strayCallbacks(before: number, limit: number): Promise<string[]> {
    return this.ids(
      `select id from callbacks where state in ('quarantined', 'duplicate') and received_at < ? and (body is not null or blob_key is not null)
          and not exists (select 1 from jobs where jobs.id = callbacks.job_id and jobs.content_dropped_at is null)
        order by id limit ?`,
      [before, limit],
    );
  }

  /** Messages that asked for consent: they come of no job that would take them along. */
  invitations(before: number, limit: number): Promise<string[]> {
    return this.ids(
      `select id from deliveries where job_id = '' and created_at < ?
          and state not in ('queued', 'waiting', 'sending', 'unknown', 'held') order by id limit ?`,
      [before, limit],
    );
  }

  /** An overdue job has no end, but nothing is awaited of it that long. Two questions, each with an index of its own. */
  private async ended(condition: string, before: number, limit: number): Promise<string[]> {
    const settled = await this.ids(
      `select id from jobs where settled_at < ? and deleted_at is null ${condition} ${NOTHING_PENDING} order by settled_at limit ?`,
      [before, limit],
    );
    if (settled.length === limit) return settled;
    const overdue = await this.ids(
      `select id from jobs where state = 'overdue' and coalesce(overdue_at, submitted_at, created_at) < ? and deleted_at is null
          ${condition} ${NOTHING_PENDING} order by created_at limit ?`,
      [before, limit - settled.length],
    );
    return [...settled, ...overdue];
  }

  private async ids(statement: string, parameters: unknown[]): Promise<string[]> {
    const found = await this.database.read<{ id: string }>(statement, parameters);
    return found.map(({ id }) => id);
  }
}

const NOTHING_PENDING = `and not exists (select 1 from deliveries where deliveries.job_id = jobs.id
    and (deliveries.state in ('queued', 'waiting', 'sending', 'unknown', 'held')
      or exists (select 1 from deliveries bundle where bundle.id = deliveries.bundle_id
        and bundle.state in ('queued', 'waiting', 'sending', 'unknown', 'held'))))
  and not exists (select 1 from callbacks where callbacks.job_id = jobs.id and callbacks.state = 'pending')
  and not exists (select 1 from escalations where escalations.job_id = jobs.id and escalations.state = 'open')`;
