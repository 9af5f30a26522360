import type { DeliveryEntity } from '../deliveries/delivery.entity.js';
import { isoTime } from '../iso-time.js';
import type { EscalationEntity } from './escalation.entity.js';

/** An escalation as the API shows it; times are ISO 8601. */
export function escalationView(escalation: EscalationEntity, acknowledgers: ReadonlyMap<string, DeliveryEntity>) {
  return {
    id: escalation.id,
    jobId: escalation.jobId,
    on: escalation.trigger,
    aboutDeliveryId: escalation.aboutDeliveryId,
    ruleId: escalation.ruleId,
    ruleName: escalation.ruleName,
    ruleVersion: escalation.ruleVersion,
    state: escalation.state,
    reason: escalation.reason,
    step: escalation.step,
    steps: escalation.steps,
    nextAt: isoTime(escalation.nextAt),
    openedAt: isoTime(escalation.openedAt),
    acknowledged: acknowledgedView(escalation, acknowledgers),
    history: escalation.history.map((taken) => ({ ...taken, at: isoTime(taken.at) })),
  };
}

function acknowledgedView(
  { acknowledgedAt, acknowledgedBy, acknowledgedDeliveryId: deliveryId }: EscalationEntity,
  acknowledgers: ReadonlyMap<string, DeliveryEntity>,
) {
  if (acknowledgedAt === null) return null;
  const at = isoTime(acknowledgedAt);
  if (deliveryId === null) return { at, via: 'api' as const, by: acknowledgedBy, deliveryId };
  const delivery = acknowledgers.get(deliveryId);
  const by = delivery?.recipientData.name ?? delivery?.recipient ?? '';
  return { at, via: 'link' as const, by: by === '' ? null : by, deliveryId };
}
