import { Injectable } from '@nestjs/common';
import { LessThan, type EntityManager } from 'typeorm';
import { Clock } from '../clock.js';
import { AuditStore } from '../database/audit.store.js';
import { Database } from '../database/database.service.js';
import { orConflict } from '../database/duplicate-key.js';
import { ConflictError, NotFoundError } from '../errors.js';
import { Ids } from '../ids.service.js';
import { SuppressionEntity } from './contact.entity.js';
import type { ListSuppressions, SuppressionBody } from './recipients.schema.js';
import { RecipientsStore } from './recipients.store.js';

@Injectable()
export class SuppressionsStore {
  constructor(
    private readonly database: Database,
    private readonly recipients: RecipientsStore,
    private readonly ids: Ids,
    private readonly clock: Clock,
    private readonly audit: AuditStore,
  ) {}

  /** Up to `limit + 1` rows, newest first. `address` finds an address however it is written, when `kind` is given. */
  list({ limit, cursor, kind, address, sender }: ListSuppressions): Promise<SuppressionEntity[]> {
    const wanted =
      kind === undefined || address === undefined
        ? address
        : this.recipients.parseAddress(kind, address, 'address').address;
    return this.database.reads.find(SuppressionEntity, {
      where: {
        ...(cursor === undefined ? {} : { id: LessThan(cursor) }),
        ...(kind === undefined ? {} : { kind }),
        ...(wanted === undefined ? {} : { address: wanted.toLowerCase() }),
        ...(sender === undefined ? {} : { sender }),
      },
      order: { id: 'DESC' },
      take: limit + 1,
    });
  }

  /** @throws NotFoundError */
  async get(id: string): Promise<SuppressionEntity> {
    return (await this.database.reads.findOneBy(SuppressionEntity, { id })) ?? missing();
  }

  /** @throws RecipientInvalidError; ConflictError when the address is suppressed already */
  create(actor: string, body: SuppressionBody): Promise<SuppressionEntity> {
    const { address } = this.recipients.parseAddress(body.kind, body.address, '/address');
    const row: SuppressionEntity = {
      id: this.ids.next(),
      kind: body.kind,
      // Lower case, as the directory compares: nobody means another mailbox by another case.
      address: address.toLowerCase(),
      sender: body.sender ?? '',
      source: 'operator',
      reason: body.reason,
      createdAt: this.clock.now(),
    };
    return this.write(async (tx) => {
      const { kind, sender } = row;
      if (await tx.existsBy(SuppressionEntity, { kind, address: row.address, sender })) throw suppressed();
      await tx.insert(SuppressionEntity, row);
      await this.audit.record(tx, actor, 'suppression.created', row.id, { kind: row.kind });
      return row;
    });
  }

  /** @throws NotFoundError */
  changeReason(actor: string, id: string, reason: string): Promise<SuppressionEntity> {
    return this.write(async (tx) => {
      const row = (await tx.findOneBy(SuppressionEntity, { id })) ?? missing();
      await tx.update(SuppressionEntity, { id }, { reason });
      await this.audit.record(tx, actor, 'suppression.updated', id, { kind: row.kind });
      row.reason = reason;
      return row;
    });
  }

  /** @throws NotFoundError */
  async delete(actor: string, id: string): Promise<void> {
    await this.write(async (tx) => {
      const row = (await tx.findOneBy(SuppressionEntity, { id })) ?? missing();
      await tx.delete(SuppressionEntity, { id });
      await this.audit.record(tx, actor, 'suppression.deleted', id, { kind: row.kind });
    });
  }

  private async write<T>(work: (tx: EntityManager) => Promise<T>): Promise<T> {
    const result = await orConflict(this.database.uow.run(work), suppressed);
    this.recipients.invalidate();
    return result;
  }
}

function suppressed(): ConflictError {
  return new ConflictError('The address is suppressed already: find it with GET /v1/suppressions?kind=…&address=…');
}

function missing(): never {
  throw new NotFoundError('There is no such suppression');
}
