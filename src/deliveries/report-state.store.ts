import type { EntityManager } from 'typeorm';
import type { DeliveryReport } from '../channels/channel.js';
import { NEVER, type DeliveryState } from './delivery.js';
import { DeliveryEntity } from './delivery.entity.js';

/**
 * Brings the state of a delivery up to what the vendor has reported. Run after every report, and after a send is recorded: the
 * report may have been faster. A delivery that is in hand is left alone until then.
 * @returns the new state; undefined when nothing changed
 */
export async function settleReport(tx: EntityManager, id: string, now: number): Promise<DeliveryState | undefined> {
  const delivery = await tx.findOneBy(DeliveryEntity, { id });
  if (delivery?.reportStatus == null || !['sent', 'unknown'].includes(delivery.state)) return undefined;
  const sent = { sentAt: delivery.sentAt ?? now, dueAt: NEVER, leaseOwner: null, leaseUntil: null, updatedAt: now };
  switch (statusOf(delivery.reportStatus)) {
    case 'sending':
    case 'sent':
      // A signed report proves that the message exists, even if the answer to the send was lost.
      await tx.update(DeliveryEntity, { id }, { ...sent, state: 'sent', reason: null });
      return 'sent';
    case 'delivered':
      await tx.update(DeliveryEntity, { id }, { ...sent, state: 'delivered', reason: null, deliveredAt: now });
      return 'delivered';
    case 'undelivered':
    case 'failed':
    case 'canceled':
      await tx.update(
        DeliveryEntity,
        { id },
        { ...sent, state: 'dead', reason: reportedReason(delivery.reportStatus) },
      );
      return 'dead';
  }
}

/** Why a delivery is dead that the vendor reported as failed; for a stored `STATUS` or `STATUS:CODE`. */
export function reportedReason(stored: string): string {
  const [status = '', code = 'no code'] = stored.split(':');
  return `rejected: the vendor reported ${status} (${code})`;
}

/** The status in a stored `STATUS` or `STATUS:CODE`. */
export function statusOf(stored: string): DeliveryReport['status'] {
  return stored.split(':')[0] as DeliveryReport['status'];
}

/** What is stored of a report. */
export function storedStatus({ status, code }: DeliveryReport): string {
  return code === undefined ? status : `${status}:${code}`;
}
