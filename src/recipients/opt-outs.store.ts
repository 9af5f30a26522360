import { Injectable } from '@nestjs/common';
import { In, type EntityManager } from 'typeorm';
import type { Channel, ChannelKind } from '../channels/channel.js';
import { Clock } from '../clock.js';
import { AuditStore } from '../database/audit.store.js';
import { Database } from '../database/database.service.js';
import { changed } from '../database/unit-of-work.service.js';
import { Ids } from '../ids.service.js';
import { SuppressionEntity } from './contact.entity.js';
import { RecipientsStore } from './recipients.store.js';

/** A recipient's word to one sender. */
export interface OptOut {
  kind: ChannelKind;
  /** Normalised address. */
  address: string;
  sender: string;
}

/**
 * Suppressions that recipients make themselves, as we heard from them or from the vendor. They never touch what an operator made.
 * Everything runs in the caller's transaction; after its commit {@link committed} makes it known.
 */
@Injectable()
export class OptOutsStore {
  constructor(
    private readonly database: Database,
    private readonly recipients: RecipientsStore,
    private readonly ids: Ids,
    private readonly clock: Clock,
    private readonly audit: AuditStore,
  ) {}

  /** @returns how many were new: 0 when the address is suppressed for this sender already */
  async add(tx: EntityManager, optOut: OptOut & { source: 'inbound' | 'vendor'; reason: string }): Promise<number> {
    const { kind, address, sender, source, reason } = optOut;
    const id = this.ids.next();
    const added = await changed(
      tx,
      this.database.dialect.bind(
        `insert into suppressions (id, kind, address, sender, source, reason, created_at) values (?, ?, ?, ?, ?, ?, ?)
         on conflict (kind, address, sender) do nothing`,
      ),
      [id, kind, address.toLowerCase(), sender, source, reason, this.clock.now()],
    );
    if (added > 0) await this.audit.record(tx, 'system', 'suppression.created', id, { kind, source });
    return added;
  }

  /** The vendor has told, with its code, that a recipient does not want messages of this channel's sender. */
  async told(
    tx: EntityManager,
    to: { kind: ChannelKind; recipient: string },
    channel: Pick<Channel, 'sender'> | undefined,
    code: string,
  ): Promise<void> {
    const optOut = { kind: to.kind, address: to.recipient, sender: channel?.sender ?? '' };
    await this.add(tx, { ...optOut, source: 'vendor', reason: `the recipient has unsubscribed (${code})` });
  }

  /** @returns how many were lifted */
  async lift(tx: EntityManager, { kind, address, sender }: OptOut): Promise<number> {
    const where = { kind, address: address.toLowerCase(), sender, source: In(['inbound', 'vendor']) };
    const found = await tx.find(SuppressionEntity, { where });
    for (const { id, source } of found) {
      await tx.delete(SuppressionEntity, { id });
      await this.audit.record(tx, 'system', 'suppression.deleted', id, { kind, source });
    }
    return found.length;
  }

  /** To be called after the commit. */
  committed(): void {
    this.recipients.invalidate();
  }
}
