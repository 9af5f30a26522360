import { DAY, HOUR, MINUTE, SECOND } from './duration.js';
import {
  type ErrorCode,
  HeraldError,
  ProviderRejectedError,
  ProviderUnavailableError,
  RecipientInvalidError,
  RedactionError,
  SendAmbiguousError,
  SendDeferredError,
  SendRejectedError,
  TemplateRenderError,
} from './errors.js';

/** When to try again, and when to stop. All times in milliseconds. */
export interface RetryPolicy {
  /** Wait after the first, second … counted failure; after the last of them the next failure ends it. Ascending. */
  readonly backoffMs: readonly number[];
  /** Shortest and longest wait after a failure that is not held against the delivery. */
  readonly uncountedMinMs: number;
  readonly uncountedMaxMs: number;
  /** After this long, such failures end it as well. */
  readonly horizonMs: number;
  /** No wish of a vendor may defer it for longer. */
  readonly maxWaitMs: number;
}

/** 11 tries over about 28 hours. */
export const DELIVERY_RETRY_POLICY: RetryPolicy = {
  backoffMs: [
    5 * SECOND,
    30 * SECOND,
    2 * MINUTE,
    10 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    4 * HOUR,
    8 * HOUR,
    12 * HOUR,
  ],
  uncountedMinMs: 5 * SECOND,
  uncountedMaxMs: HOUR,
  horizonMs: 72 * HOUR,
  maxWaitMs: DAY,
};

/** Submitting audio: somebody waits for the transcript, and a job that never started is worth failing within half a day. */
export const SUBMIT_RETRY_POLICY: RetryPolicy = {
  backoffMs: [
    2 * SECOND,
    10 * SECOND,
    30 * SECOND,
    2 * MINUTE,
    5 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    4 * HOUR,
  ],
  uncountedMinMs: 5 * SECOND,
  uncountedMaxMs: 30 * MINUTE,
  horizonMs: DAY,
  maxWaitMs: 12 * HOUR,
};

interface Failure {
  /** The vendor's code, for the attempt. */
  code: string;
  /** For people, without addresses or secrets. */
  message: string;
  /** Class of the vendor's table (`RECIPIENT`, `CONFIG` …), empty when there is none. */
  vendorClass: string;
}

export type FailedOutcome =
  | ({ kind: 'rejected' } & Failure)
  | ({ kind: 'deferred'; retryAfterMs?: number; counts: boolean; maxAttempts?: number } & Failure)
  | ({ kind: 'ambiguous' } & Failure);

/** What one try came to. `released`: our own shutdown ended it before anything was sent. */
export type SendOutcome =
  { kind: 'sent'; receipt: { providerMessageId?: string; note?: string } } | FailedOutcome | { kind: 'released' };

export type Decision =
  | { state: 'sent' }
  /** `counted`: whether this try is held against the delivery. */
  | { state: 'queued'; dueAt: number; counted: boolean }
  | { state: 'dead'; reason: 'rejected' | 'exhausted' | 'redaction-failed'; code: string; message: string }
  | { state: 'unknown'; code: string; message: string };

/** What the decision needs to know of a delivery (or of a job being submitted). */
export interface Retried {
  /** Counted tries before this one. */
  attempts: number;
  /** Epoch milliseconds when it was made, or last put back by a person: the horizon runs from here. */
  createdAt: number;
  /** What its channel does with a send that may have happened (`Channel.ambiguous`). */
  ambiguous: 'resend' | 'hold';
}

const isSendError = (error: unknown): error is SendRejectedError | SendDeferredError | SendAmbiguousError =>
  error instanceof SendRejectedError || error instanceof SendDeferredError || error instanceof SendAmbiguousError;

function failureOf(error: unknown): Failure {
  if (isSendError(error)) {
    return { code: error.vendorCode, message: error.message, vendorClass: error.vendorClass };
  }
  if (error instanceof ProviderRejectedError || error instanceof ProviderUnavailableError) {
    return { code: error.providerCode, message: error.message, vendorClass: '' };
  }
  if (error instanceof HeraldError) return { code: error.code, message: error.message, vendorClass: '' };
  // The message of a stranger's error may hold an address or a credential.
  const name = error instanceof Error ? error.name : typeof error;
  return { code: 'UNEXPECTED', message: `The send failed unexpectedly (${name}).`, vendorClass: '' };
}

/** What a throw of a send, of rendering or of a submission means. A throw that nobody classified is tried again. */
export function toOutcome(error: unknown): FailedOutcome {
  const failure = failureOf(error);
  if (error instanceof SendAmbiguousError) return { kind: 'ambiguous', ...failure };
  const final =
    error instanceof SendRejectedError ||
    error instanceof ProviderRejectedError ||
    error instanceof RecipientInvalidError ||
    error instanceof RedactionError ||
    error instanceof TemplateRenderError;
  if (final) return { kind: 'rejected', ...failure };
  if (error instanceof SendDeferredError || error instanceof ProviderUnavailableError) {
    return {
      kind: 'deferred',
      ...failure,
      counts: error instanceof SendDeferredError ? error.counts : true,
      ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
      ...(error.maxAttempts === undefined ? {} : { maxAttempts: error.maxAttempts }),
    };
  }
  return { kind: 'deferred', ...failure, counts: true };
}

/** Between half of `ms` and all of it, so that what failed together does not come back together. */
function jitter(ms: number, random: () => number): number {
  return Math.round(ms * (0.5 + 0.5 * Math.min(1, Math.max(0, random()))));
}

/**
 * The wait, at least as long as the vendor asked for. A wish gets up to a tenth on top: everything that was refused at one moment
 * was given the same wish.
 */
function waitFor(ownMs: number, askedMs: number | undefined, policy: RetryPolicy, random: () => number): number {
  const own = jitter(ownMs, random);
  const usable = askedMs !== undefined && Number.isFinite(askedMs) && askedMs > 0;
  const asked = usable ? Math.round(askedMs * (1 + 0.1 * Math.min(1, Math.max(0, random())))) : 0;
  return Math.max(1, Math.min(policy.maxWaitMs, Math.max(own, asked)));
}

/** What could not be masked is a death of its own: the mend is in the policy, not in the message. */
function deathOf({ code }: Failure): 'rejected' | 'redaction-failed' {
  return code === ('REDACTION_FAILED' satisfies ErrorCode) ? 'redaction-failed' : 'rejected';
}

type Deferral = Failure & { retryAfterMs?: number; maxAttempts?: number };

const exhausted = ({ code, message }: Failure): Decision => ({ state: 'dead', reason: 'exhausted', code, message });

function decideCounted(failure: Deferral, delivery: Retried, policy: RetryPolicy, now: number, random: () => number) {
  const step = policy.backoffMs[Math.max(0, delivery.attempts)];
  const tries = delivery.attempts + 1;
  if (step === undefined || tries >= (failure.maxAttempts ?? Infinity)) return exhausted(failure);
  const dueAt = now + waitFor(step, failure.retryAfterMs, policy, random);
  return { state: 'queued', dueAt, counted: true } satisfies Decision;
}

/** Nothing counts the tries here, so the wait grows with the age: a half of it, within the policy's bounds. */
function decideUncounted(failure: Deferral, delivery: Retried, policy: RetryPolicy, now: number, random: () => number) {
  const age = Math.max(0, now - delivery.createdAt);
  if (age >= policy.horizonMs) return exhausted(failure);
  const own = Math.min(policy.uncountedMaxMs, Math.max(policy.uncountedMinMs, age / 2));
  const dueAt = now + waitFor(own, failure.retryAfterMs, policy, random);
  return { state: 'queued', dueAt, counted: false } satisfies Decision;
}

/** After so many attempts in a row that ended with their process the next one waits. */
const INTERRUPTED_AT_ONCE = 3;
const INTERRUPTED_WAIT = 10 * SECOND;

/**
 * What becomes of an attempt that ended because Herald did: a crash of ours is not held against a delivery, however often one meets it
 * (C9). From the fourth time in a row it waits, three times as long each time, so that others in hand at the same moment get away from
 * one that kills the process; the horizon ends it, as it does every failure that is not counted.
 * @param times how often in a row, this one included
 */
export function decideInterrupted(
  interrupted: { times: number } & Failure,
  delivery: Pick<Retried, 'ambiguous' | 'createdAt'>,
  policy: RetryPolicy,
  now: number,
  random: () => number,
): Decision {
  const { times, code, message } = interrupted;
  if (delivery.ambiguous === 'hold') return { state: 'unknown', code, message };
  if (now - delivery.createdAt >= policy.horizonMs) return exhausted(interrupted);
  const grown = Math.min(policy.uncountedMaxMs, INTERRUPTED_WAIT * 3 ** (times - INTERRUPTED_AT_ONCE - 1));
  const wait = times <= INTERRUPTED_AT_ONCE ? 0 : jitter(grown, random);
  return { state: 'queued', dueAt: now + wait, counted: false };
}

/**
 * What becomes of a delivery after one try.
 * @param now epoch milliseconds
 * @param random like Math.random
 */
export function decide(
  outcome: SendOutcome,
  delivery: Retried,
  policy: RetryPolicy,
  now: number,
  random: () => number,
): Decision {
  switch (outcome.kind) {
    case 'sent':
      return { state: 'sent' };
    case 'released':
      return { state: 'queued', dueAt: now, counted: false };
    case 'rejected':
      return { state: 'dead', reason: deathOf(outcome), code: outcome.code, message: outcome.message };
    case 'ambiguous':
      if (delivery.ambiguous === 'hold') return { state: 'unknown', code: outcome.code, message: outcome.message };
      return decideCounted(outcome, delivery, policy, now, random);
    case 'deferred':
      // The fault of an account ends no message, however long it takes to mend: the gate closes the channel, and this one waits there.
      if (outcome.vendorClass === 'CONFIG') return { state: 'queued', dueAt: now, counted: false };
      return outcome.counts
        ? decideCounted(outcome, delivery, policy, now, random)
        : decideUncounted(outcome, delivery, policy, now, random);
  }
}
