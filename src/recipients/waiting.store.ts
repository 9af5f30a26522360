import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Clock } from '../clock.js';
import type { Settings } from '../config/env.js';
import { SETTINGS } from '../config/settings.js';
import { Database } from '../database/database.service.js';
import { changed } from '../database/unit-of-work.service.js';
import type { ContactEntity } from './contact.entity.js';
import { hoursOf } from './directory.js';
import { dueAt, WAITS, type Due } from './hours.js';
import { toContact } from './recipients.store.js';

/** What waits for the hours of a contact follows them when they change. A statement over deliveries, which are above the directory. */
@Injectable()
export class WaitingStore {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    @Inject(SETTINGS) private readonly settings: Pick<Settings, 'timeZone'>,
  ) {}

  /** @param after absent when the contact is gone: nothing of it has to wait any more */
  async follow(tx: EntityManager, before: ContactEntity, after?: ContactEntity): Promise<void> {
    const now = this.clock.now();
    const hours = after && hoursOf(toContact(after), this.settings.timeZone);
    for (const [kind, old, kept] of [
      ['email', before.email, after?.email],
      ['sms', before.phone, after?.phone],
    ] as const) {
      if (old === null) continue;
      for (const urgent of [0, 1]) {
        const due = hours && kept === old ? dueAt(now, hours, urgent === 1) : { at: now };
        await this.set(tx, [kind, old, urgent], due);
      }
    }
  }

  private async set(tx: EntityManager, whose: (string | number)[], { at, why }: Due): Promise<void> {
    const { dialect } = this.database;
    await changed(
      tx,
      dialect.bind(
        `update deliveries set due_at = ?, reason = ?, updated_at = ?
          where state = 'waiting' and kind = ? and recipient = ? and urgent = ?`,
      ),
      [at, why === undefined ? null : WAITS[why], this.clock.now(), ...whose],
    );
  }
}
