import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.service.js';
import { isoTime } from '../iso-time.js';

/** In the order in which a job shows them: what sent something, what went wrong, the rest. */
export const OUTCOMES = ['matched', 'failed', 'unmatched', 'skipped'] as const;
type Outcome = (typeof OUTCOMES)[number];

/** Of one job: with ten thousand rules all of them would be some megabytes. */
const SHOWN_MAX = 200;

interface Row {
  id: string;
  trigger_name: string;
  outcome: Outcome;
  data: string;
  skipped: string;
  created_at: number;
}

/** One evaluation as the API shows it. */
export interface ShownEvaluation {
  id: string;
  on: string;
  outcome: Outcome;
  [field: string]: unknown;
}

const COLUMNS = 'id, trigger_name, outcome, data, skipped, created_at';

/** What the rules made of one job: a read over another store's table. */
@Injectable()
export class JobEvaluationsStore {
  constructor(private readonly database: Database) {}

  /** Matches first, then failures; at most {@link SHOWN_MAX}, and how many more there are. */
  async first(jobId: string): Promise<{ evaluations: ShownEvaluation[]; evaluationsOmitted: number }> {
    const counts = await this.database.read<{ outcome: Outcome; count: number | string }>(
      'select outcome, count(*) as count from evaluations where job_id = ? group by outcome',
      [jobId],
    );
    const total = counts.reduce((sum, { count }) => sum + Number(count), 0);
    const rows: Row[] = [];
    for (const outcome of OUTCOMES) {
      if (rows.length >= SHOWN_MAX || !counts.some((one) => one.outcome === outcome)) continue;
      rows.push(...(await this.some(jobId, outcome, SHOWN_MAX - rows.length)));
    }
    return { evaluations: rows.map(show), evaluationsOmitted: Math.max(0, total - rows.length) };
  }

  /** Up to `limit + 1`, in the order in which the rules were evaluated. */
  async page(
    jobId: string,
    { limit, cursor, outcome }: { limit: number; cursor?: string | undefined; outcome?: Outcome | undefined },
  ): Promise<ShownEvaluation[]> {
    const conditions = ['job_id = ?'];
    const parameters: unknown[] = [jobId];
    if (outcome !== undefined) {
      conditions.push('outcome = ?');
      parameters.push(outcome);
    }
    if (cursor !== undefined) {
      conditions.push('id > ?');
      parameters.push(cursor);
    }
    // The ids come out of the index alone; only the rows of the page are read.
    const rows = await this.database.read<Row>(
      `select ${COLUMNS} from evaluations
        where id in (select id from evaluations where ${conditions.join(' and ')} order by id limit ?) order by id`,
      [...parameters, limit + 1],
    );
    return rows.map(show);
  }

  private some(jobId: string, outcome: Outcome, limit: number): Promise<Row[]> {
    return this.database.read<Row>(
      `select ${COLUMNS} from evaluations where job_id = ? and outcome = ? order by id limit ?`,
      [jobId, outcome, limit],
    );
  }
}

function show(row: Row): ShownEvaluation {
  return {
    id: row.id,
    on: row.trigger_name,
    outcome: row.outcome,
    ...(JSON.parse(row.data) as Record<string, unknown>),
    skipped: JSON.parse(row.skipped) as unknown,
    at: isoTime(row.created_at),
  };
}
