import { Injectable } from '@nestjs/common';
import type { SelectQueryBuilder } from 'typeorm';
import { AuditStore } from '../database/audit.store.js';
import { Clock } from '../clock.js';
import { Database } from '../database/database.service.js';
import { changed, rows } from '../database/unit-of-work.service.js';
import { AT_ONCE, NEVER, type DeliveryState } from './delivery.js';
import { DeliveryEntity } from './delivery.entity.js';

export interface DeliveryFilter {
  jobId?: string | undefined;
  bundleId?: string | undefined;
  ruleId?: string | undefined;
  state?: DeliveryState | undefined;
  channel?: string | undefined;
  kind?: string | undefined;
  recipient?: string | undefined;
  from?: number | undefined;
  to?: number | undefined;
}

/** States that a person may put back. `unknown` only with the word that a double is accepted. */
const RETRIABLE: DeliveryState[] = ['dead', 'cancelled', 'suppressed', 'held'];
const CANCELLABLE: DeliveryState[] = ['queued', 'waiting', 'held', 'unknown'];
/** Deliveries one call may put back. */
const MANY = 10_000;

/** What people do with deliveries: look, retry, cancel. */
@Injectable()
export class DeliveriesQueryStore {
  constructor(
    private readonly database: Database,
    private readonly audit: AuditStore,
    private readonly clock: Clock,
  ) {}

  /** Newest first; one row more than `limit` tells of a next page. */
  list(filter: DeliveryFilter, page: { cursor?: string | undefined; limit: number }): Promise<DeliveryEntity[]> {
    const query = this.where(filter);
    if (page.cursor !== undefined) query.andWhere('delivery.id < :cursor', { cursor: page.cursor });
    return query
      .orderBy('delivery.id', 'DESC')
      .take(page.limit + 1)
      .getMany();
  }

  count(filter: DeliveryFilter, states: DeliveryState[] = RETRIABLE): Promise<number> {
    return this.where(filter).andWhere('delivery.state in (:...states)', { states }).getCount();
  }

  /**
   * Puts a delivery back, due now, its message rendered anew: what was wrong may have been mended.
   * @returns false when its state does not allow it (any more)
   */
  retry(id: string, actor: string, mayDuplicate: boolean): Promise<boolean> {
    // What waits for hours is sent at once, against them: only when it is asked for by name.
    const states = [...RETRIABLE, 'waiting', ...(mayDuplicate ? ['unknown'] : [])];
    return this.change(id, actor, 'delivery.retried', states, { state: 'queued', dueAt: this.clock.now() });
  }

  cancel(id: string, actor: string): Promise<boolean> {
    return this.change(id, actor, 'delivery.cancelled', CANCELLABLE, { state: 'cancelled', dueAt: NEVER });
  }

  /** @returns ids that were put back, at most 10,000 a call */
  retryMany(filter: DeliveryFilter, actor: string): Promise<string[]> {
    const { dialect } = this.database;
    const now = this.clock.now();
    return this.database.uow.run(async (tx) => {
      const found = await this.where(filter, tx.createQueryBuilder(DeliveryEntity, 'delivery'))
        .andWhere('delivery.state in (:...states)', { states: RETRIABLE })
        .select('delivery.id')
        .orderBy('delivery.id')
        .take(MANY)
        .getMany();
      for (const { id } of found) {
        await changed(tx, dialect.bind(RESET), ['queued', now, now, now, id]);
      }
      await this.audit.record(tx, actor, 'delivery.retried-many', String(found.length));
      return found.map(({ id }) => id);
    });
  }

  private change(
    id: string,
    actor: string,
    action: string,
    from: string[],
    to: { state: DeliveryState; dueAt: number },
  ): Promise<boolean> {
    const { dialect } = this.database;
    const now = this.clock.now();
    return this.database.uow.run(async (tx) => {
      const found = await rows<{ id: string }>(
        tx,
        dialect.bind(
          `select id from deliveries where id = ? and state in (${from.map(() => '?').join(', ')}) ${dialect.claimLock}`,
        ),
        [id, ...from],
      );
      if (found.length === 0) return false;
      if (to.state === 'queued') await changed(tx, dialect.bind(RESET), [to.state, to.dueAt, now, now, id]);
      else await changed(tx, dialect.bind(CLOSE), [to.state, to.dueAt, now, id]);
      await this.audit.record(tx, actor, action, id);
      return true;
    });
  }

  private where(
    filter: DeliveryFilter,
    query: SelectQueryBuilder<DeliveryEntity> = this.database.reads.createQueryBuilder(DeliveryEntity, 'delivery'),
  ): SelectQueryBuilder<DeliveryEntity> {
    query.where('1 = 1');
    if (filter.ruleId !== undefined) {
      query.andWhere('(delivery.ruleId = :ruleId or delivery.alsoFor like :alsoFor)', {
        ruleId: filter.ruleId,
        alsoFor: `%"ruleId":"${filter.ruleId}"%`,
      });
    }
    for (const name of ['jobId', 'bundleId', 'state', 'channel', 'kind', 'recipient'] as const) {
      if (filter[name] !== undefined) query.andWhere(`delivery.${name} = :${name}`, { [name]: filter[name] });
    }
    if (filter.from !== undefined) query.andWhere('delivery.createdAt >= :from', { from: filter.from });
    if (filter.to !== undefined) query.andWhere('delivery.createdAt < :to', { to: filter.to });
    return query;
  }
}

const RESET = `update deliveries set urgent = case when state = 'waiting' then ${AT_ONCE} else urgent end, state = ?, due_at = ?, queued_at = ?, updated_at = ?, reason = null, message = null, template_version = null,
  masked = null, redaction_version = null,
  attempts_counted = 0, lease_owner = null, lease_until = null where id = ?`;
const CLOSE = `update deliveries set state = ?, due_at = ?, updated_at = ?, lease_owner = null, lease_until = null where id = ?`;
