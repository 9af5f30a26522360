import { isoTime } from '../iso-time.js';
import type { AttemptEntity, DeliveryEntity } from './delivery.entity.js';

/** A delivery with its message as rendered and its attempts. */
export function deliveryView(delivery: DeliveryEntity, attempts: AttemptEntity[]) {
  return {
    ...deliverySummary(delivery),
    attempts: attempts.map((attempt) => ({
      number: attempt.number,
      startedAt: isoTime(attempt.startedAt),
      endedAt: isoTime(attempt.endedAt),
      outcome: attempt.outcome,
      code: attempt.code,
      error: attempt.error,
    })),
    message: delivery.message,
    ...(delivery.masked === null ? {} : { masked: delivery.masked }),
    matches: delivery.matches,
  };
}

/** A delivery in a list; times are ISO 8601. */
export function deliverySummary(delivery: DeliveryEntity) {
  return {
    id: delivery.id,
    // A message that asks for consent comes of no job.
    jobId: delivery.jobId || null,
    on: delivery.trigger,
    ruleId: delivery.ruleId || null,
    ruleName: delivery.ruleName,
    ruleVersion: delivery.ruleVersion,
    action: delivery.action,
    step: delivery.escalationStep,
    alsoFor: delivery.alsoFor.map(({ ruleId, ruleName, ruleVersion, action }) => ({
      ruleId,
      ruleName,
      ruleVersion,
      action,
    })),
    channel: delivery.channel,
    to: delivery.recipient,
    template: delivery.template,
    state: delivery.state,
    reason: delivery.reason,
    dueAt: delivery.state === 'queued' || delivery.state === 'waiting' ? isoTime(delivery.dueAt) : null,
    createdAt: isoTime(delivery.createdAt),
    sentAt: isoTime(delivery.sentAt),
    deliveredAt: isoTime(delivery.deliveredAt),
    providerMessageId: delivery.providerMessageId,
    bundleId: delivery.bundleId,
  };
}
