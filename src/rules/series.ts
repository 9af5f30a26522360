import { createHash } from 'node:crypto';
import type { Trigger } from '../transcripts/facts.js';

/**
 * What conditions over many calls remember. A series is the same question put to every call of a trigger: whether a condition holds
 * (`count`), or what an expression comes to (`changed`). Each call adds one observation, and reads those of the calls before it.
 */

/** A question about calls before this one. */
export interface SeriesNeed {
  /** Of the question and its window: what {@link SeriesSnapshot} answers by. */
  id: string;
  /** Of the series: trigger, inner expression and tag, and nothing that was said. */
  key: string;
  kind: 'count' | 'changed';
  /** Only calls with the same value of this tag. */
  tag?: string;
  /** How far back it looks, in milliseconds. */
  windowMs: number;
}

/** What is known of the calls before one call. Plain data, so that it can be handed to a thread. */
export interface SeriesSnapshot {
  /** The moment of the call, epoch milliseconds: only what came before it counts. */
  at: number;
  /** In how many of them the condition held, by {@link SeriesNeed.id}. */
  counts: Record<string, number>;
  /** The last value, as a {@link fingerprint}; absent: there was none. */
  lasts: Record<string, string>;
}

/** What one call adds to a series. */
export interface Observation {
  /** {@link SeriesNeed.key}. */
  series: string;
  /** Stands for the value of the tag; see {@link placeOf}. */
  place: string;
  /** `"1"`: the condition holds; or a {@link fingerprint}. */
  value: string;
  /** The longest that anybody looks back on it. */
  windowMs: number;
}

/** Nothing came before. */
export const NO_SERIES: SeriesSnapshot = { at: 0, counts: {}, lasts: {} };

/** @param inner the source of the inner expression, however it is spaced */
export function seriesNeed(
  kind: SeriesNeed['kind'],
  on: Trigger,
  inner: string,
  { tag, windowMs }: Pick<SeriesNeed, 'tag' | 'windowMs'>,
): SeriesNeed {
  const key = hashed(JSON.stringify([kind, on, inner, tag ?? null]));
  return { id: `${key}.${String(windowMs)}`, key, kind, windowMs, ...(tag === undefined ? {} : { tag }) };
}

/**
 * Where in a series the calls with the same tag stand; the value of the tag cannot be read from it.
 * @returns undefined for a job that has no such tag: it belongs to no other call
 */
export function placeOf({ tag }: SeriesNeed, tags: Readonly<Record<string, string>>): string | undefined {
  if (tag === undefined) return '';
  const value = Object.hasOwn(tags, tag) ? (tags[tag] ?? '') : '';
  return value === '' ? undefined : hashed(value);
}

/** What `count()` and `changed()` come to. @param value what the inner expression came to in this call */
export function answerOf(
  need: SeriesNeed,
  value: unknown,
  tags: Readonly<Record<string, string>>,
  { counts, lasts }: SeriesSnapshot,
): bigint | boolean {
  const isPlaced = placeOf(need, tags) !== undefined;
  if (need.kind === 'count') return BigInt((isPlaced ? (counts[need.id] ?? 0) : 0) + (value === true ? 1 : 0));
  const last = isPlaced ? lasts[need.id] : undefined;
  return last !== undefined && last !== fingerprint(value);
}

/** @returns undefined when this call adds nothing */
export function observationOf(
  need: SeriesNeed,
  value: unknown,
  tags: Readonly<Record<string, string>>,
): Observation | undefined {
  const place = placeOf(need, tags);
  if (place === undefined || (need.kind === 'count' && value !== true)) return undefined;
  const { key: series, windowMs, kind } = need;
  return { series, place, value: kind === 'count' ? '1' : fingerprint(value), windowMs };
}

/** Two values with the same are equal; the value, which may be what was said, cannot be read from it. */
function fingerprint(value: unknown): string {
  const plain = typeof value === 'bigint' ? Number(value) : value;
  return hashed(JSON.stringify([typeof plain, String(plain)]));
}

function hashed(text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, 22);
}

/** Each question once. */
export function distinctNeeds<N extends SeriesNeed>(needs: readonly N[]): N[] {
  return [...new Map(needs.map((need) => [need.id, need])).values()];
}

/** One series and place, in the order of time. */
interface Line {
  times: number[];
  values: string[];
  /** Where each job stands. */
  jobs: Map<string, number>;
}

/** Series that are kept in memory: what a simulation, which goes through calls in the order of time, has in the place of the database. */
export class SeriesMemory {
  private readonly lines = new Map<string, Line>();

  /** What was known when a call came. */
  before(
    needs: readonly SeriesNeed[],
    job: { id: string; tags: Readonly<Record<string, string>> },
    at: number,
  ): SeriesSnapshot {
    const snapshot: SeriesSnapshot = { at, counts: {}, lasts: {} };
    for (const need of needs) {
      const place = placeOf(need, job.tags);
      const line = place === undefined ? undefined : this.lines.get(`${need.key} ${place}`);
      if (!line) continue;
      const [from, to] = [firstAfter(line.times, at - need.windowMs), firstAfter(line.times, at)];
      const own = line.jobs.get(job.id) ?? -1;
      const last = own === to - 1 ? to - 2 : to - 1;
      if (need.kind === 'count') snapshot.counts[need.id] = to - from - (own >= from && own < to ? 1 : 0);
      else if (last >= from) snapshot.lasts[need.id] = line.values[last] ?? '';
    }
    return snapshot;
  }

  /** Calls are added in the order of time. */
  add(observations: readonly Observation[], jobId: string, at: number): void {
    for (const { series, place, value } of observations) {
      const key = `${series} ${place}`;
      const line = this.lines.get(key) ?? { times: [], values: [], jobs: new Map<string, number>() };
      if (line.jobs.has(jobId)) continue;
      line.jobs.set(jobId, line.times.push(at) - 1);
      line.values.push(value);
      this.lines.set(key, line);
    }
  }
}

/** Index of the first time that is later. */
function firstAfter(times: readonly number[], at: number): number {
  let [low, high] = [0, times.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((times[middle] ?? 0) <= at) low = middle + 1;
    else high = middle;
  }
  return low;
}
