import type { AttemptEntity, DeliveryEntity } from './delivery.entity.js';

/** A delivery as the API shows it; times are ISO 8601. */
export function deliveryView(delivery: DeliveryEntity, attempts: AttemptEntity[] = []) {
  const { message } = delivery;
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
    attempts: attempts.map((attempt) => ({
      number: attempt.number,
      startedAt: iso(attempt.startedAt),
      endedAt: iso(attempt.endedAt),
      outcome: attempt.outcome,
      code: attempt.code,
      error: attempt.error,
    })),
    message,
    matches: delivery.matches,
    providerMessageId: delivery.providerMessageId,
  };
}

function iso(time: number | null): string | null {
  return time === null ? null : new Date(time).toISOString();
}
