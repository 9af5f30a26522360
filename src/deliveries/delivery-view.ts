import type { AttemptEntity, DeliveryEntity } from './delivery.entity.js';

/** A delivery with its message as rendered and its attempts. */
export function deliveryView(delivery: DeliveryEntity, attempts: AttemptEntity[]) {
  return {
    ...deliverySummary(delivery),
    attempts: attempts.map((attempt) => ({
      number: attempt.number,
      startedAt: iso(attempt.startedAt),
      endedAt: iso(attempt.endedAt),
      outcome: attempt.outcome,
      code: attempt.code,
      error: attempt.error,
    })),
    message: delivery.message,
    matches: delivery.matches,
  };
}

/** A delivery in a list; times are ISO 8601. */
export function deliverySummary(delivery: DeliveryEntity) {
  return {
    id: delivery.id,
    jobId: delivery.jobId,
    on: delivery.trigger,
    ruleId: delivery.ruleId,
    ruleName: delivery.ruleName,
    ruleVersion: delivery.ruleVersion,
    action: delivery.action,
    channel: delivery.channel,
    to: delivery.recipient,
    template: delivery.template,
    state: delivery.state,
    reason: delivery.reason,
    dueAt: delivery.state === 'queued' ? iso(delivery.dueAt) : null,
    createdAt: iso(delivery.createdAt),
    sentAt: iso(delivery.sentAt),
    deliveredAt: iso(delivery.deliveredAt),
    providerMessageId: delivery.providerMessageId,
  };
}

function iso(time: number | null): string | null {
  return time === null ? null : new Date(time).toISOString();
}
