import { createHash } from 'node:crypto';
import type { ChannelKind } from '../channels/channel.js';
import { durationText, parseDuration } from '../duration.js';
import type { Rule, Throttle } from './rule.js';

/** What a planned notification is throttled by. */
export interface ThrottledBy extends Throttle {
  /** Names what is counted; holds no address and no value of a tag. */
  key: string;
  /** How the rule names the recipient. */
  named: string;
}

/** A call that was told of. */
export interface ToldCall {
  jobId: string;
  /** Epoch milliseconds. */
  at: number;
}

/** What is remembered under a key. */
export interface ThrottleMemory {
  /** Oldest first; no more than the throttle counts. */
  told: ToldCall[];
  /** Epoch milliseconds: from here on it says nothing any more. */
  until: number;
}

/** A notification as far as throttling looks at it. */
interface Throttleable {
  ruleId: string;
  action: number;
  state: string;
  throttle?: ThrottledBy;
}

export interface Admitted<N> {
  admitted: N[];
  /** What is over, in the form of recipients that nothing was planned for. */
  skipped: { ruleId: string; action: number; to: string; reason: string }[];
  /** Keys whose memory changed, with what to remember now. */
  raised: Map<string, ThrottleMemory>;
}

/** @returns undefined when the rule sends for every call */
export function throttledBy(
  { id, throttle }: Pick<Rule, 'id' | 'throttle'>,
  tags: Readonly<Record<string, string>>,
  recipient: { kind: ChannelKind; to: string; named: string },
): ThrottledBy | undefined {
  if (!throttle) return undefined;
  const counted = countedBy(throttle, tags, recipient);
  return { ...throttle, key: [id, throttle.per, ...counted.map(hashed)].join(':'), named: recipient.named };
}

/**
 * Which of one call's notifications may go. A throttle counts calls, not messages: what a call plans under one key goes together or not
 * at all, and a call that was counted before is not counted again. Only what is to be sent counts.
 * @param notifications not merged
 * @param memory by key; what is not there was never told of
 * @param now epoch milliseconds
 */
export function admit<N extends Throttleable>(
  notifications: readonly N[],
  memory: ReadonlyMap<string, ThrottleMemory>,
  jobId: string,
  now: number,
): Admitted<N> {
  const result: Admitted<N> = { admitted: [], skipped: [], raised: new Map() };
  for (const notification of notifications) {
    const { throttle, ruleId, action, state } = notification;
    if (!throttle) {
      result.admitted.push(notification);
      continue;
    }
    const told = (result.raised.get(throttle.key) ?? memory.get(throttle.key))?.told ?? [];
    const wait = waitOf(throttle, told, jobId, now);
    if (wait > 0) {
      result.skipped.push({ ruleId, action, to: throttle.named, reason: reasonOf(throttle, wait) });
      continue;
    }
    result.admitted.push(notification);
    if (!isRefused(state) && !told.some((call) => call.jobId === jobId))
      result.raised.set(throttle.key, remember(throttle, told, { jobId, at: now }));
  }
  return result;
}

function isRefused(state: string): boolean {
  return state === 'dead' || state === 'suppressed';
}

/** Milliseconds until the next call may be told of; 0: this one may. */
function waitOf(throttle: ThrottledBy, told: readonly ToldCall[], jobId: string, now: number): number {
  if (told.some((call) => call.jobId === jobId)) return 0;
  const oldest = told.at(-throttle.times);
  return oldest === undefined ? 0 : Math.max(0, oldest.at + windowOf(throttle) - now);
}

function remember(throttle: ThrottledBy, told: readonly ToldCall[], call: ToldCall): ThrottleMemory {
  return { told: [...told, call].slice(-throttle.times), until: call.at + windowOf(throttle) };
}

function windowOf({ within }: Throttle): number {
  return parseDuration(within) ?? 0;
}

function reasonOf({ times, within, per }: ThrottledBy, wait: number): string {
  const what = per.startsWith('tag:') ? `this value of the tag "${per.slice(4)}"` : `this ${per}`;
  const calls = times === 1 ? 'one call' : `${String(times)} calls`;
  return `throttle: ${calls} within ${within} for ${what}; open again in ${durationText(wait)}`;
}

/** Whether a key counts what was told to an address, or of calls with a value of a tag. */
export function isThrottleOf(
  key: string,
  of: { kind: ChannelKind; to: string } | { tag: string; value: string },
): boolean {
  const end =
    'tag' in of ? `tag:${of.tag}:${hashed(of.value)}` : `recipient:${hashed(`${of.kind}:${of.to.toLowerCase()}`)}`;
  return key.endsWith(`:${end}`);
}

/** A job without the tag has the value `""`, as in conditions. */
function countedBy(
  { per }: Throttle,
  tags: Readonly<Record<string, string>>,
  { kind, to }: { kind: ChannelKind; to: string },
): string[] {
  if (per === 'rule') return [];
  if (per === 'recipient') return [`${kind}:${to.toLowerCase()}`];
  const name = per.slice(4);
  return [Object.hasOwn(tags, name) ? (tags[name] ?? '') : ''];
}

/** Neither an address nor what a tag says is kept. */
function hashed(text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, 22);
}
