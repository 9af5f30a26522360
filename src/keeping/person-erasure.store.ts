import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { BLOBS, type BlobStore } from '../blobs/blob-store.js';
import { Clock } from '../clock.js';
import { Database } from '../database/database.service.js';
import { changed, rows } from '../database/unit-of-work.service.js';

/** A due time that never comes. */
const NEVER = Number.MAX_SAFE_INTEGER;

/** Erases what concerns a person outside of their own jobs: one row a transaction, or a few that belong together. */
@Injectable()
export class PersonErasureStore {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    @Inject(BLOBS) private readonly blobs: BlobStore,
  ) {}

  /**
   * A delivery to the person that came of somebody else's job: it stays as a row without recipient and message. One that was still to
   * be sent is cancelled; one in hand is taken from whoever sends it.
   */
  async delivery(id: string): Promise<void> {
    const now = this.clock.now();
    await this.run(async (change) => {
      await change(
        `update deliveries set recipient = '', recipient_data = '{}', message = null, matches = '[]', provider_message_id = null,
           dedupe_key = 'erased:' || id, also_for = '[]', reason = 'erased on request', lease_owner = null, lease_until = null, due_at = ?,
           state = case when state in ('queued', 'waiting', 'sending', 'unknown', 'held') then 'cancelled' else state end, updated_at = ?
          where id = ?`,
        [NEVER, now, id],
      );
      // A vendor's words may repeat the address.
      await change('update attempts set error = null where delivery_id = ?', [id]);
    });
  }

  /** A contact, its place in groups, and its name in the audit. @returns in how many groups it was */
  async contact({ id, name }: { id: string; name: string }): Promise<number> {
    return this.run(async (change, tx) => {
      const groups = await rows<{ id: string; members: string }>(tx, 'select id, members from contact_groups', []);
      let memberships = 0;
      for (const group of groups) {
        const members = JSON.parse(group.members) as string[];
        const others = members.filter((member) => member.toLowerCase() !== name.toLowerCase());
        if (others.length === members.length) continue;
        memberships++;
        await change('update contact_groups set members = ?, updated_at = ? where id = ?', [
          JSON.stringify(others),
          this.clock.now(),
          group.id,
        ]);
        await change(`update audit set detail = '{}' where subject = ?`, [group.id]);
      }
      await change('delete from contacts where id = ?', [id]);
      await change(`update audit set detail = '{}' where subject = ?`, [id]);
      return memberships;
    });
  }

  /** A callback in quarantine, with its body. */
  async callback(id: string): Promise<void> {
    const { dialect } = this.database;
    const key = await this.run(async (change, tx) => {
      const [found] = await rows<{ key: string | null }>(
        tx,
        dialect.bind('select blob_key as "key" from callbacks where id = ?'),
        [id],
      );
      await change(`delete from callbacks where id = ? and state = 'quarantined'`, [id]);
      return found?.key ?? null;
    });
    if (key !== null) await this.blobs.delete(key);
  }

  async consent(id: string): Promise<void> {
    await this.run((change) => change('delete from consents where id = ?', [id]));
  }

  /** @param name of a cap, or key of a throttle: no text is both */
  async counter(name: string): Promise<void> {
    await this.run(async (change) => {
      await change('delete from cap_counters where cap = ?', [name]);
      await change('delete from throttles where throttle = ?', [name]);
    });
  }

  private run<T>(
    work: (change: (statement: string, parameters: unknown[]) => Promise<number>, tx: EntityManager) => Promise<T>,
  ): Promise<T> {
    const { uow, dialect } = this.database;
    return uow.run((tx) => work((statement, parameters) => changed(tx, dialect.bind(statement), parameters), tx));
  }
}
