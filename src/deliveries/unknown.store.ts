import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { AuditStore } from '../database/audit.store.js';
import { Clock } from '../clock.js';
import { Database } from '../database/database.service.js';
import { changed, rows } from '../database/unit-of-work.service.js';
import { HOUR } from '../duration.js';
import type { Died } from './deaths.service.js';
import { NEVER, type DeliveryState } from './delivery.js';
import { AttemptEntity } from './delivery.entity.js';

/** What a look-up, or a person, makes of a delivery that may have been sent. */
export interface Resolved {
  state: Extract<DeliveryState, 'sent' | 'queued' | 'dead' | 'unknown'>;
  reason: string | null;
  dueAt: number;
  sentAt?: number;
  providerMessageId?: string;
}

/** Another delivery has made the message, or may have: its send is in hand, and its answer will tell. */
export class MessageTakenError extends Error {}

/** Deliveries that may have been sent, and how they come to an end. */
@Injectable()
export class UnknownStore {
  constructor(
    private readonly database: Database,
    private readonly audit: AuditStore,
    private readonly clock: Clock,
  ) {}

  /** The vendor's ids of messages to a recipient that other attempts made, from an hour before this one began. */
  async taken(
    recipient: string,
    attempt: Pick<AttemptEntity, 'deliveryId' | 'number' | 'startedAt'>,
  ): Promise<string[]> {
    const found = await this.database.read<{ id: string }>(
      `select attempts.provider_message_id as id from deliveries join attempts on attempts.delivery_id = deliveries.id
        where deliveries.recipient = ? and attempts.provider_message_id is not null and attempts.started_at >= ?
          and not (attempts.delivery_id = ? and attempts.number = ?)`,
      [recipient, attempt.startedAt - HOUR, attempt.deliveryId, attempt.number],
    );
    return found.map(({ id }) => id);
  }

  /**
   * Settles a look-up.
   * @param died called when the delivery dies of it
   * @returns false when a report or a person was faster
   * @throws MessageTakenError
   */
  resolve(id: string, owner: string, next: Resolved, died: Died = () => Promise.resolve()): Promise<boolean> {
    return this.database.uow.run((tx) => this.change(tx, id, next, died, owner));
  }

  /**
   * A person has looked at the vendor's console.
   * @returns false when the delivery is not `unknown` (any more)
   */
  settle(id: string, actor: string, state: 'sent' | 'dead', died: Died): Promise<boolean> {
    const now = this.clock.now();
    return this.database.uow.run(async (tx) => {
      const [attempt] = await tx.find(AttemptEntity, { where: { deliveryId: id }, order: { number: 'DESC' }, take: 1 });
      const next: Resolved = {
        state,
        reason: SETTLED[state],
        dueAt: NEVER,
        ...(state === 'sent' ? { sentAt: attempt?.startedAt ?? now } : {}),
      };
      if (!(await this.change(tx, id, next, died))) return false;
      await this.audit.record(tx, actor, 'delivery.settled', id, { state });
      return true;
    });
  }

  private async change(tx: EntityManager, id: string, next: Resolved, died: Died, owner?: string): Promise<boolean> {
    const { dialect } = this.database;
    const { state, reason, dueAt, sentAt, providerMessageId } = next;
    if (providerMessageId !== undefined) await this.take(tx, id, providerMessageId);
    const count = await changed(
      tx,
      dialect.bind(
        `update deliveries set state = ?, reason = ?, due_at = ?, sent_at = coalesce(?, sent_at),
           provider_message_id = coalesce(?, provider_message_id), lease_owner = null, lease_until = null, updated_at = ?
          where id = ? and state = 'unknown' ${owner === undefined ? '' : 'and lease_owner = ?'}`,
      ),
      [
        ...[state, reason, dueAt, sentAt ?? null, providerMessageId ?? null, this.clock.now(), id],
        ...(owner === undefined ? [] : [owner]),
      ],
    );
    if (count > 0 && state === 'dead') await died(tx, reason ?? '');
    return count > 0;
  }

  /**
   * Two deliveries of the same text to the same number may look at the same list: a message is one delivery's only. While a send to
   * that number is in hand, the message may be its.
   */
  private async take(tx: EntityManager, id: string, providerMessageId: string): Promise<void> {
    const { dialect } = this.database;
    // One after the other: two that look at the same moment would not see each other's find.
    await rows(
      tx,
      dialect.bind(
        `select id from deliveries where recipient = (select recipient from deliveries where id = ?)
          order by id limit 1 ${dialect.rowLock}`,
      ),
      [id],
    );
    const others = await rows<{ delivery_id: string }>(
      tx,
      dialect.bind(
        `select attempts.delivery_id from deliveries join attempts on attempts.delivery_id = deliveries.id
          where deliveries.recipient = (select recipient from deliveries where id = ?)
            and (attempts.provider_message_id = ? or (attempts.outcome is null and deliveries.state = 'sending'))
            and attempts.delivery_id <> ?`,
      ),
      [id, providerMessageId, id],
    );
    if (others.length > 0) throw new MessageTakenError('The message belongs, or may belong, to another delivery');
    await changed(
      tx,
      dialect.bind(
        `update attempts set provider_message_id = coalesce(provider_message_id, ?)
          where delivery_id = ? and number = (select attempts_made from deliveries where id = ?)`,
      ),
      [providerMessageId, id, id],
    );
  }
}

const SETTLED = {
  sent: 'settled by a person: it was sent',
  dead: 'rejected: settled by a person, it was not sent',
} as const;
