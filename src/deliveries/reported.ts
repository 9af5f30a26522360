import type { DeliveryReport } from '../channels/channel.js';
import { classifyReport } from '../channels/sms/twilio-errors.js';
import { decide, DELIVERY_RETRY_POLICY, toOutcome } from '../retry-policy.js';

/** What is stored of a report: `STATUS` or `STATUS:CODE`. */
export function storedStatus({ status, code }: Pick<DeliveryReport, 'status' | 'code'>): string {
  return code === undefined ? status : `${status}:${code}`;
}

/** The status in a stored report. */
export function statusOf(stored: string): DeliveryReport['status'] {
  return stored.split(':')[0] as DeliveryReport['status'];
}

/** What a report makes of its delivery. */
export type Reported =
  | { state: 'sent' | 'delivered' }
  /** The vendor failed for now: a new message, later. */
  | { state: 'queued'; dueAt: number; reason: string }
  | { state: 'dead'; reason: string };

/**
 * What the report of its newest attempt makes of a delivery that was sent.
 * @param delivery `attemptsCounted` with that attempt; `queuedAt` in epoch milliseconds
 */
export function reported(
  stored: string,
  delivery: { attemptsCounted: number; queuedAt: number },
  now: number,
  random: () => number,
): Reported {
  const status = statusOf(stored);
  if (status === 'delivered') return { state: 'delivered' };
  if (status === 'sending' || status === 'sent') return { state: 'sent' };
  const error = classifyReport(status, stored.split(':')[1], now);
  if (error === undefined) return { state: 'sent' };
  const retried = {
    attempts: delivery.attemptsCounted - 1,
    createdAt: delivery.queuedAt,
    ambiguous: 'hold',
  } as const;
  const decision = decide(toOutcome(error), retried, DELIVERY_RETRY_POLICY, now, random);
  if (decision.state === 'queued') return { state: 'queued', dueAt: decision.dueAt, reason: error.message };
  const end = decision.state === 'dead' ? decision.reason : 'rejected';
  return { state: 'dead', reason: `${end}: ${error.message}` };
}
