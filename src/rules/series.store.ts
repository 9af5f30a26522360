import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Clock } from '../clock.js';
import { Database } from '../database/database.service.js';
import { changed, rows } from '../database/unit-of-work.service.js';
import { NO_SERIES, placeOf, type Observation, type SeriesNeed, type SeriesSnapshot } from './series.js';

/** Questions and rows of one statement. */
const CHUNK = 50;
/** Observations without meaning that one settle sweeps. */
const SWEPT = 100;

interface JobOf {
  id: string;
  tags: Readonly<Record<string, string>>;
}

/** What was asked about the calls before one, and the answers. */
export interface Looked {
  needs: readonly SeriesNeed[];
  snapshot: SeriesSnapshot;
}

/** Another call of the same series was settled between the look and the write. */
export class SeriesMovedError extends Error {}

type Read = <T>(statement: string, parameters: unknown[]) => Promise<T[]>;

/**
 * What each call was in the series that rules look at. A row without a job is the lock of its series and place: calls that are settled at
 * once write one after the other.
 */
@Injectable()
export class SeriesStore {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /**
   * What is known of the calls before a job's: before the moment at which it was completed, or now. The job itself is left out, however
   * often it is settled.
   */
  async before(needs: readonly SeriesNeed[], job: JobOf): Promise<Looked> {
    if (needs.length === 0) return { needs, snapshot: { ...NO_SERIES, at: this.clock.now() } };
    const [row] = await this.database.read<{ at: number | null }>(
      `select settled_at as "at" from jobs where id = ? and state = 'completed'`,
      [job.id],
    );
    const at = row?.at ?? this.clock.now();
    const snapshot = await this.snapshot(needs, job, at, (statement, parameters) =>
      this.database.read(statement, parameters),
    );
    return { needs, snapshot };
  }

  /**
   * Adds what a call is in its series; a call that was added before is not added again.
   * @param looked the answers that the observations were made with, for the same needs
   * @param exact fails when they are no longer what would be answered now
   * @throws SeriesMovedError
   */
  async record(
    tx: EntityManager,
    observations: readonly Observation[],
    job: JobOf,
    { needs, snapshot }: Looked,
    exact: boolean,
  ): Promise<void> {
    if (exact && needs.length > 0) await this.requireUnmoved(tx, needs, job, snapshot);
    const sorted = observations.toSorted((a, b) => compare(nameOf(a), nameOf(b)));
    await this.insert(tx, sorted, job.id, snapshot.at);
    if (observations.length > 0) await this.sweep(tx);
  }

  private async requireUnmoved(
    tx: EntityManager,
    needs: readonly SeriesNeed[],
    job: JobOf,
    snapshot: SeriesSnapshot,
  ): Promise<void> {
    const { dialect } = this.database;
    if (dialect.concurrentWriters) await this.lock(tx, needs, job);
    // As late as now: another call may have been settled a moment after the look, and before this one is written.
    const at = Math.max(snapshot.at, this.clock.now());
    const now = await this.snapshot(needs, job, at, (statement, parameters) =>
      rows(tx, dialect.bind(statement), parameters),
    );
    const moved = needs.some(
      ({ id }) => now.counts[id] !== snapshot.counts[id] || now.lasts[id] !== snapshot.lasts[id],
    );
    if (moved) throw new SeriesMovedError();
  }

  private async lock(tx: EntityManager, needs: readonly SeriesNeed[], job: JobOf): Promise<void> {
    const longest = new Map<string, Observation>();
    for (const need of needs) {
      const place = placeOf(need, job.tags);
      if (place === undefined) continue;
      const one = { series: need.key, place, value: '', windowMs: need.windowMs };
      if ((longest.get(nameOf(one))?.windowMs ?? 0) < one.windowMs) longest.set(nameOf(one), one);
    }
    // In one order everywhere, so that two transactions never wait for each other.
    const locks = [...longest].sort(([a], [b]) => compare(a, b)).map(([, one]) => one);
    await this.insert(tx, locks, '', this.clock.now());
  }

  private async insert(
    tx: EntityManager,
    observations: readonly Observation[],
    jobId: string,
    at: number,
  ): Promise<void> {
    for (const chunk of chunked(observations)) {
      await changed(
        tx,
        this.database.dialect.bind(
          `insert into series (series, place, job_id, observed_at, value, until_at)
             values ${chunk.map(() => '(?, ?, ?, ?, ?, ?)').join(', ')}
           on conflict (series, place, job_id) do update set until_at = excluded.until_at`,
        ),
        chunk.flatMap(({ series, place, value, windowMs }) => [series, place, jobId, at, value, at + windowMs]),
      );
    }
  }

  private async snapshot(needs: readonly SeriesNeed[], job: JobOf, at: number, read: Read): Promise<SeriesSnapshot> {
    const snapshot: SeriesSnapshot = { at, counts: {}, lasts: {} };
    const placed = needs.flatMap((need) => {
      const place = placeOf(need, job.tags);
      return place === undefined ? [] : [{ need, place }];
    });
    for (const chunk of chunked(placed)) {
      const questions = chunk.map(({ need }, i) => `select ${String(i)} as question, ${ANSWER[need.kind]} as answer`);
      const parameters = chunk.flatMap(({ need, place }) => [need.key, place, at - need.windowMs, at, job.id]);
      const answers = await read<{ question: number; answer: string | null }>(
        questions.join(' union all '),
        parameters,
      );
      for (const { question, answer } of answers) {
        const { id, kind } = chunk[question]?.need ?? {};
        if (id === undefined || answer === null) continue;
        if (kind === 'count') snapshot.counts[id] = Number(answer);
        else snapshot.lasts[id] = answer;
      }
    }
    return snapshot;
  }

  /** A row that another transaction holds is left to the next. */
  private async sweep(tx: EntityManager): Promise<void> {
    const { dialect } = this.database;
    await changed(
      tx,
      dialect.bind(
        `delete from series where (series, place, job_id) in (
           select series, place, job_id from series where until_at < ? order by until_at limit ? ${dialect.claimLock})`,
      ),
      [this.clock.now(), SWEPT],
    );
  }
}

const EARLIER = `from series where series = ? and place = ? and observed_at > ? and observed_at <= ? and job_id not in ('', ?)`;
/** As texts: both kinds of question stand in one statement. */
const ANSWER = {
  count: `(select cast(count(*) as text) ${EARLIER})`,
  changed: `(select value ${EARLIER} order by observed_at desc, job_id desc limit 1)`,
};

function nameOf({ series, place }: Observation): string {
  return `${series} ${place}`;
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function* chunked<T>(all: readonly T[]): Generator<T[]> {
  for (let i = 0; i < all.length; i += CHUNK) yield all.slice(i, i + CHUNK);
}
