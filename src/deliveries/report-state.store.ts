import type { EntityManager } from 'typeorm';
import type { Died } from './deaths.service.js';
import { NEVER, type DeliveryState } from './delivery.js';
import { AttemptEntity, DeliveryEntity } from './delivery.entity.js';
import { reported, statusOf, type Reported } from './reported.js';

/**
 * Brings the state of a delivery up to what the vendor has reported of its attempts. Run after every report, and after a send is
 * recorded: the report may have been faster. A delivery that is in hand is left alone until then, and one that a person or a
 * report has ended stays ended.
 * @param died called when the delivery dies of it
 * @returns the new state; undefined when nothing changed
 */
export async function settleReport(
  tx: EntityManager,
  id: string,
  now: number,
  died: Died,
): Promise<DeliveryState | undefined> {
  const attempts = await tx.find(AttemptEntity, { where: { deliveryId: id }, order: { number: 'DESC' } });
  // The delivery holds its whole message, and is not read for nothing: most have no report yet.
  if (attempts.every(({ reportStatus }) => reportStatus === null)) return undefined;
  const delivery = await tx.findOneBy(DeliveryEntity, { id });
  if (!delivery || !['sent', 'unknown', 'queued'].includes(delivery.state)) return undefined;
  const next = wordOn(delivery, attempts, now);
  if (next === undefined) return undefined;
  const sent = { sentAt: delivery.sentAt ?? now, leaseOwner: null, leaseUntil: null, updatedAt: now };
  const { state } = next;
  await tx.update(
    DeliveryEntity,
    { id },
    {
      ...sent,
      state,
      reason: 'reason' in next ? next.reason : null,
      dueAt: 'dueAt' in next ? next.dueAt : NEVER,
      ...(state === 'delivered' ? { deliveredAt: now } : {}),
      ...('sid' in next && next.sid !== null ? { providerMessageId: next.sid } : {}),
    },
  );
  if (next.state === 'dead') await died(tx, next.reason);
  return state;
}

/** The newest attempt has the last word. An earlier one has it only while nobody knows whether the message exists. */
function wordOn(
  delivery: DeliveryEntity,
  attempts: AttemptEntity[],
  now: number,
): (Reported & { sid?: string | null }) | undefined {
  const [newest] = attempts;
  const inDoubt = delivery.state === 'unknown' || delivery.state === 'queued';
  if (delivery.state !== 'queued' && newest?.reportStatus != null) {
    const next = reported(newest.reportStatus, delivery, now, Math.random);
    return { ...next, sid: newest.providerMessageId };
  }
  // Signed proof that the message exists: it is not sent again, although the look-up did not find it.
  const proof = inDoubt ? attempts.find(({ reportStatus }) => provesExistence(reportStatus)) : undefined;
  if (proof?.reportStatus == null) return undefined;
  return { state: statusOf(proof.reportStatus) === 'delivered' ? 'delivered' : 'sent', sid: proof.providerMessageId };
}

function provesExistence(stored: string | null): boolean {
  return stored !== null && ['sending', 'sent', 'delivered'].includes(statusOf(stored));
}
