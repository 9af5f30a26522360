import type { EntityManager } from 'typeorm';
import type { DeliveryReport } from '../channels/channel.js';
import { NEVER } from './delivery.js';
import { DeliveryEntity } from './delivery.entity.js';

/**
 * Brings the state of a delivery up to what the vendor has reported. Run after every report, and after a send is recorded: the
 * report may have been faster. A delivery that is in hand is left alone until then.
 */
export async function settleReport(tx: EntityManager, id: string, now: number): Promise<void> {
  const delivery = await tx.findOneBy(DeliveryEntity, { id });
  if (delivery?.reportStatus == null || !['sent', 'unknown'].includes(delivery.state)) return;
  const [, code] = delivery.reportStatus.split(':');
  const sent = { sentAt: delivery.sentAt ?? now, dueAt: NEVER, leaseOwner: null, leaseUntil: null, updatedAt: now };
  switch (statusOf(delivery.reportStatus)) {
    case 'sending':
    case 'sent':
      // A signed report proves that the message exists, even if the answer to the send was lost.
      await tx.update(DeliveryEntity, { id }, { ...sent, state: 'sent', reason: null });
      return;
    case 'delivered':
      await tx.update(DeliveryEntity, { id }, { ...sent, state: 'delivered', reason: null, deliveredAt: now });
      return;
    case 'undelivered':
    case 'failed':
    case 'canceled': {
      const reason = `rejected: the vendor reported ${statusOf(delivery.reportStatus)} (${code ?? 'no code'})`;
      await tx.update(DeliveryEntity, { id }, { ...sent, state: 'dead', reason });
    }
  }
}

/** The status in a stored `STATUS` or `STATUS:CODE`. */
export function statusOf(stored: string): DeliveryReport['status'] {
  return stored.split(':')[0] as DeliveryReport['status'];
}
