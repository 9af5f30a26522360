import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.service.js';
import type { JsonObject } from '../json.js';
import type { Trigger } from '../transcripts/facts.js';
import type { StoredOccasion } from '../transcripts/occasion.js';
import type { Failure } from '../transcripts/transcript.js';
import { overdueFacts } from './deadline.js';

/** Epoch milliseconds: from, and until just before. */
export interface TimeRange {
  from: number;
  to: number;
}

/** An occasion without its words. */
interface Head {
  jobId: string;
  at: number;
  /** What reading it costs. */
  bytes: number;
}

interface Row {
  jobId: string;
  origin: 'api' | 'external';
  tags: string;
  options: string;
  createdAt: number;
  resubmissions: number;
  overdueAt: number | null;
  failure: string | null;
  json: string | null;
  packed: Uint8Array | null;
}

/** A reading holds up the event loop: about 3 ms for so much. */
const PAGE_BYTES = 1_000_000;
const PAGE_ROWS = 100;
const HEADS = 500;

/** Where the occasions of each trigger are; what was erased, or dropped by age, is none. A dead delivery cannot be told again. */
const SOURCES: Record<Exclude<Trigger, 'delivery.dead'>, { table: string; id: string; at: string; where: string }> = {
  'transcript.completed': { table: 'transcripts', id: 'job_id', at: 'created_at', where: `callback_id <> ''` },
  'transcript.failed': {
    table: 'jobs',
    id: 'id',
    at: 'settled_at',
    where: `state = 'failed' and failure is not null and deleted_at is null`,
  },
  'job.overdue': { table: 'jobs', id: 'id', at: 'overdue_at', where: `state = 'overdue' and deleted_at is null` },
};

/** What has fired rules, read again in the order in which it happened. */
@Injectable()
export class OccasionsStore {
  constructor(private readonly database: Database) {}

  async count(range: TimeRange, triggers: readonly Trigger[]): Promise<number> {
    let count = 0;
    for (const trigger of triggers) {
      if (trigger === 'delivery.dead') continue;
      const { table, at, where } = SOURCES[trigger];
      const [row] = await this.database.read<{ n: number | string }>(
        `select count(*) as n from ${table} where ${where} and ${at} >= ? and ${at} < ?`,
        [range.from, range.to],
      );
      count += Number(row?.n ?? 0);
    }
    return count;
  }

  /** Pages that are small enough to be read in one go, oldest first. */
  async *pages(range: TimeRange, triggers: readonly Trigger[]): AsyncGenerator<StoredOccasion[], void> {
    const lanes = triggers.flatMap((trigger) =>
      trigger === 'delivery.dead' ? [] : [new Lane(trigger, (after) => this.heads(trigger, range, after))],
    );
    for (;;) {
      const lane = await earliest(lanes);
      if (!lane) return;
      // What stands before the first of any other lane is one page of this one.
      const others = await Promise.all(lanes.filter((one) => one !== lane).map((one) => one.first()));
      const until = others.reduce<Head | undefined>((least, head) => (isBefore(head, least) ? head : least), undefined);
      yield await this.read(lane.trigger, lane.take(until));
    }
  }

  private heads(trigger: keyof typeof SOURCES, { from, to }: TimeRange, after: Head | undefined): Promise<Head[]> {
    const { table, id, at, where } = SOURCES[trigger];
    const bytes = table === 'transcripts' ? 'coalesce(octet_length(packed) * 8, octet_length(data))' : '1000';
    const next = after === undefined ? '' : `and (${at} > ? or (${at} = ? and ${id} > ?))`;
    return this.database.read<Head>(
      `select ${id} as "jobId", ${at} as at, ${bytes} as bytes from ${table}
        where ${where} and ${at} >= ? and ${at} < ? ${next} order by ${at}, ${id} limit ${String(HEADS)}`,
      [after?.at ?? from, to, ...(after === undefined ? [] : [after.at, after.at, after.jobId])],
    );
  }

  private async read(trigger: Trigger, heads: readonly Head[]): Promise<StoredOccasion[]> {
    const isTranscript = trigger === 'transcript.completed';
    const words = isTranscript
      ? 'case when transcripts.packed is null then transcripts.data end as json, transcripts.packed as packed'
      : 'null as json, null as packed';
    const rows = await this.database.read<Row>(
      `select jobs.id as "jobId", origin, tags, options, jobs.created_at as "createdAt", resubmissions,
              overdue_at as "overdueAt", failure, ${words}
         from jobs ${isTranscript ? 'join transcripts on transcripts.job_id = jobs.id' : ''}
        where jobs.id in (${heads.map(() => '?').join(', ')}) and deleted_at is null`,
      heads.map(({ jobId }) => jobId),
    );
    const byId = new Map(rows.map((row) => [row.jobId, row]));
    // One that was erased in between is left out.
    return heads.flatMap(({ jobId, at }) => {
      const row = byId.get(jobId);
      return row ? [toOccasion(trigger, at, row)] : [];
    });
  }
}

/** Occasions of one trigger, read ahead. */
class Lane {
  private heads: Head[] = [];
  private last: Head | undefined;
  private isEnd = false;

  constructor(
    readonly trigger: Trigger,
    private readonly more: (after: Head | undefined) => Promise<Head[]>,
  ) {}

  async first(): Promise<Head | undefined> {
    if (this.heads.length === 0 && !this.isEnd) {
      this.heads = await this.more(this.last);
      this.last = this.heads.at(-1) ?? this.last;
      this.isEnd = this.heads.length < HEADS;
    }
    return this.heads[0];
  }

  /** The next page, of what is before `until`. */
  take(until: Head | undefined): Head[] {
    let bytes = 0;
    const end = this.heads.findIndex((head, i) => {
      bytes += head.bytes;
      return i > 0 && (i >= PAGE_ROWS || bytes > PAGE_BYTES || isBefore(until, head));
    });
    return this.heads.splice(0, end < 0 ? this.heads.length : end);
  }
}

async function earliest(lanes: readonly Lane[]): Promise<Lane | undefined> {
  let least: { lane: Lane; head: Head } | undefined;
  for (const lane of lanes) {
    const head = await lane.first();
    if (head && isBefore(head, least?.head)) least = { lane, head };
  }
  return least?.lane;
}

function isBefore(a: Head | undefined, b: Head | undefined): boolean {
  if (!a) return false;
  return !b || a.at < b.at || (a.at === b.at && a.jobId < b.jobId);
}

function toOccasion(trigger: Trigger, at: number, row: Row): StoredOccasion {
  const { jobId: id, origin, createdAt } = row;
  const tags = JSON.parse(row.tags) as Record<string, string>;
  const job = { id, origin, tags, options: JSON.parse(row.options) as JsonObject, createdAt };
  return {
    trigger,
    job,
    at,
    ...(row.json !== null && { json: row.json }),
    ...(row.packed !== null && { packed: row.packed }),
    ...(trigger === 'transcript.failed' && row.failure !== null && { failure: JSON.parse(row.failure) as Failure }),
    ...(trigger === 'job.overdue' && row.overdueAt !== null && { overdue: overdueFacts(row, row.overdueAt) }),
  };
}
