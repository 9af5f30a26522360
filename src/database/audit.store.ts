import type { EntityManager } from 'typeorm';
import type { Clock } from '../clock.js';
import type { Ids } from '../ids.service.js';
import type { JsonObject } from '../json.js';
import { AuditEntity } from './audit.entity.js';

/** Writes audit rows, in the transaction of the change that they tell of. */
export class AuditStore {
  constructor(
    private readonly ids: Ids,
    private readonly clock: Clock,
  ) {}

  /** @param actor name of the API key, or `system`; @param detail ids, names and versions only */
  async record(
    tx: EntityManager,
    actor: string,
    action: string,
    subject: string,
    detail: JsonObject = {},
  ): Promise<void> {
    await tx.insert(AuditEntity, { id: this.ids.next(), at: this.clock.now(), actor, action, subject, detail });
  }
}
