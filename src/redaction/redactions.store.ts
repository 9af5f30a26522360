import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Clock } from '../clock.js';
import { AuditStore } from '../database/audit.store.js';
import { Database } from '../database/database.service.js';
import { orConflict } from '../database/duplicate-key.js';
import { changed, rows } from '../database/unit-of-work.service.js';
import { NotFoundError, PreconditionFailedError } from '../errors.js';
import { requireMatch } from '../http/etag.js';
import type { RedactionRule } from './policy.js';
import { RedactionEntity } from './redaction.entity.js';

/** A policy as it is stored. */
export type StoredPolicy = RedactionEntity & { rules: RedactionRule[] };

const NONE = 'There is no redaction policy for this channel';

/** Redaction policies, one a channel at most. */
@Injectable()
export class RedactionsStore {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly audit: AuditStore,
  ) {}

  /** By channel. */
  async list(): Promise<StoredPolicy[]> {
    const all = await this.database.reads.find(RedactionEntity, { order: { channel: 'ASC' } });
    return all.filter(isThere);
  }

  async find(channel: string): Promise<StoredPolicy | undefined> {
    const row = await this.database.reads.findOneBy(RedactionEntity, { channel });
    return row && isThere(row) ? row : undefined;
  }

  /** @throws NotFoundError */
  async get(channel: string): Promise<StoredPolicy> {
    const policy = await this.find(channel);
    if (!policy) throw new NotFoundError(NONE);
    return policy;
  }

  /**
   * Saves the next version. The rules must have been checked.
   * @param ifMatch needed when the channel has a policy
   * @throws PreconditionRequiredError, PreconditionFailedError
   */
  save(
    actor: string,
    channel: string,
    content: { rules: RedactionRule[]; enabled: boolean },
    ifMatch: string | undefined,
  ): Promise<StoredPolicy> {
    return this.write(async (tx) => {
      const last = await this.lock(tx, channel);
      if (last?.rules) requireMatch(ifMatch, last.version);
      else if (ifMatch !== undefined) throw new PreconditionFailedError(`${NONE} any more`);
      const version = (last?.version ?? 0) + 1;
      const row = { channel, version, ...content, author: actor, updatedAt: this.clock.now() };
      if (last) await tx.update(RedactionEntity, { channel }, row);
      else await tx.insert(RedactionEntity, row);
      await this.audit.record(tx, actor, 'redaction.saved', channel, { version, enabled: content.enabled });
      return row;
    });
  }

  /** @throws NotFoundError, PreconditionRequiredError, PreconditionFailedError */
  delete(actor: string, channel: string, ifMatch: string | undefined): Promise<void> {
    return this.write(async (tx) => {
      const last = await this.lock(tx, channel);
      if (!last?.rules) throw new NotFoundError(NONE);
      requireMatch(ifMatch, last.version);
      const version = last.version + 1;
      await changed(
        tx,
        this.database.dialect.bind(
          'update redactions set rules = null, version = ?, author = ?, updated_at = ? where channel = ?',
        ),
        [version, actor, this.clock.now(), channel],
      );
      await this.audit.record(tx, actor, 'redaction.deleted', channel, { version });
    });
  }

  /** The row as it stays until the end of the transaction. */
  private async lock(tx: EntityManager, channel: string): Promise<RedactionEntity | null> {
    const { dialect } = this.database;
    await rows(tx, dialect.bind(`select channel from redactions where channel = ? ${dialect.rowLock}`), [channel]);
    return tx.findOneBy(RedactionEntity, { channel });
  }

  private write<T>(work: (tx: EntityManager) => Promise<T>): Promise<T> {
    return orConflict(
      this.database.uow.run(work),
      () => new PreconditionFailedError('Somebody else saved the policy in this moment; read it again'),
    );
  }
}

function isThere(row: RedactionEntity): row is StoredPolicy {
  return row.rules !== null;
}
