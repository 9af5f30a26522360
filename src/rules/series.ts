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

/** Series that are kept in memory: what a simulation, which goes through calls in the order of time, has in the place of the database. */
export class SeriesMemory {
  private readonly observed = new Map<string, { jobId: string; at: number; value: string }[]>();

  /** What was known when a call came. */
  before(
    needs: readonly SeriesNeed[],
    job: { id: string; tags: Readonly<Record<string, string>> },
    at: number,
  ): SeriesSnapshot {
    const snapshot: SeriesSnapshot = { at, counts: {}, lasts: {} };
    for (const need of needs) {
      const place = placeOf(need, job.tags);
      if (place === undefined) continue;
      const all = this.observed.get(`${need.key} ${place}`) ?? [];
      const earlier = all.filter((one) => one.jobId !== job.id && one.at <= at && one.at > at - need.windowMs);
      const last = earlier.at(-1);
      if (need.kind === 'count') snapshot.counts[need.id] = earlier.length;
      else if (last) snapshot.lasts[need.id] = last.value;
    }
    return snapshot;
  }

  /** Calls are added in the order of time. */
  add(observations: readonly Observation[], jobId: string, at: number): void {
    for (const { series, place, value } of observations) {
      const key = `${series} ${place}`;
      const all = this.observed.get(key) ?? [];
      if (all.some((one) => one.jobId === jobId)) continue;
      all.push({ jobId, at, value });
      this.observed.set(key, all);
    }
  }
}
