import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { ChannelKind, Recipient } from '../channels/channel.js';
import { ChannelsRegistry } from '../channels/channels.registry.service.js';
import { Clock } from '../clock.js';
import type { Settings } from '../config/env.js';
import { SETTINGS } from '../config/settings.js';
import { AuditStore } from '../database/audit.store.js';
import { Database } from '../database/database.service.js';
import { Snapshot } from '../database/snapshot.js';
import { changed } from '../database/unit-of-work.service.js';
import { ConflictError, RecipientInvalidError } from '../errors.js';
import { Ids } from '../ids.service.js';
import { consentFault, type Consent } from './consent.js';
import { ContactEntity, GroupEntity, SuppressionEntity } from './contact.entity.js';
import { toDirectory, type Contact, type Directory } from './directory.js';
import { nameKey } from './names.js';

/** Something that a rule can name. */
export interface DirectoryEntry {
  kind: 'contact' | 'group';
  name: string;
}

/** Finds what names an entry, for people (`the rule "refund-risk"`); reads only, in the transaction that would remove the name. */
export type FindUses = (tx: EntityManager, entry: DirectoryEntry) => Promise<string[]>;

export const OPERATOR = 'operator';

/** The directory as the planner sees it, and what contacts, groups and suppressions have in common. */
@Injectable()
export class RecipientsStore {
  private readonly snapshot: Snapshot<Directory>;
  private readonly uses: FindUses[] = [];

  constructor(
    private readonly database: Database,
    private readonly channels: ChannelsRegistry,
    private readonly ids: Ids,
    private readonly clock: Clock,
    private readonly audit: AuditStore,
    @Inject(SETTINGS) private readonly settings: Pick<Settings, 'smsConsent' | 'timeZone'>,
  ) {
    this.snapshot = new Snapshot(
      () => this.load(),
      () => clock.now(),
    );
  }

  /** What is true now in this process; another replica's change shows after at most 5 s. */
  directory(): Promise<Directory> {
    return this.snapshot.get();
  }

  /**
   * The reason when an address must not be written to at this moment, whichever replica has heard of it: for the last look before a send.
   * @param asks the message asks for consent, and needs none
   */
  async suppression(kind: ChannelKind, address: string, sender = '', asks = false): Promise<string | undefined> {
    const [found] = await this.database.read<{ reason: string }>(
      `select reason from suppressions where kind = ? and address = ? and sender in ('', ?) order by sender limit 1`,
      [kind, address.toLowerCase(), sender],
    );
    if (found || asks) return found?.reason;
    const [latest] = await this.database.read<Pick<Consent, 'state'>>(
      'select state from consents where kind = ? and address = ? order by id desc limit 1',
      [kind, address.toLowerCase()],
    );
    return consentFault(kind, latest?.state, this.settings.smsConsent);
  }

  /** To be called after every committed change. */
  invalidate(): void {
    this.snapshot.invalidate();
  }

  /** Rules are above the directory and may name its entries: they say here how to find out. */
  addUses(find: FindUses): void {
    this.uses.push(find);
  }

  /** @throws ConflictError naming everything that still names the entry */
  async refuseUsed(tx: EntityManager, entry: DirectoryEntry): Promise<void> {
    const uses = (await Promise.all(this.uses.map((find) => find(tx, entry)))).flat();
    if (uses.length === 0) return;
    const shown = uses.slice(0, 5).join(', ');
    const more = uses.length > 5 ? ` and ${String(uses.length - 5)} more` : '';
    throw new ConflictError(
      `The ${entry.kind} "${entry.name}" is named by ${shown}${more}; change ${uses.length === 1 ? 'it' : 'them'} first`,
    );
  }

  /** @throws RecipientInvalidError that points at `pointer` and never repeats the address */
  parseAddress(kind: ChannelKind, address: string, pointer: string): Recipient {
    try {
      return this.channels.parseRecipient(kind, address);
    } catch (error) {
      if (!(error instanceof RecipientInvalidError)) throw error;
      throw new RecipientInvalidError(error.message, { errors: [{ pointer, message: error.message }], cause: error });
    }
  }

  /**
   * Makes the contact `operator` once. Deleting or changing it is respected: later starts do nothing.
   * @throws RecipientInvalidError
   */
  async ensureOperator(email: string | undefined): Promise<void> {
    if (email === undefined) return;
    const { address } = this.parseAddress('email', email, 'HERALD_OPERATOR_EMAIL');
    const now = this.clock.now();
    await this.database.uow.run(async (tx) => {
      const mark = 'insert into meta (name, value) values (?, ?) on conflict do nothing';
      const first = await changed(tx, this.database.dialect.bind(mark), ['operator-contact', String(now)]);
      if (first === 0 || (await tx.existsBy(ContactEntity, { nameKey: nameKey(OPERATOR) }))) return;
      const id = this.ids.next();
      const empty = { phone: null, locale: null, timeZone: null };
      const times = { createdAt: now, updatedAt: now };
      await tx.insert(ContactEntity, {
        id,
        name: OPERATOR,
        nameKey: nameKey(OPERATOR),
        email: address,
        ...empty,
        ...times,
      });
      await this.audit.record(tx, 'system', 'contact.created', id, { name: OPERATOR });
    });
    this.invalidate();
  }

  private async load(): Promise<Directory> {
    const { reads } = this.database;
    const { smsConsent: policy, timeZone } = this.settings;
    const [contacts, groups, suppressions, consents] = await Promise.all([
      reads.find(ContactEntity, { order: { id: 'ASC' } }),
      reads.find(GroupEntity),
      reads.find(SuppressionEntity),
      // Without a policy only what was withdrawn counts.
      this.database.read<Consent>(policy === 'off' ? `${LATEST} and state = 'withdrawn'` : LATEST),
    ]);
    return toDirectory(
      contacts.map(toContact),
      groups.map(({ id, name, members }) => ({ id, name, members })),
      suppressions.map(({ kind, address, sender, reason }) => ({ kind, address, sender, reason })),
      { consents, policy, timeZone },
    );
  }
}

const LATEST = `select kind, address, state from consents where not exists (
  select 1 from consents later where later.kind = consents.kind and later.address = consents.address and later.id > consents.id)`;

/** Without what is not there: absent members are absent, never null. */
export function toContact(row: ContactEntity): Contact {
  return {
    id: row.id,
    name: row.name,
    ...(row.email === null ? {} : { email: row.email }),
    ...(row.phone === null ? {} : { phone: row.phone }),
    ...(row.locale === null ? {} : { locale: row.locale }),
    ...(row.timeZone === null ? {} : { timeZone: row.timeZone }),
    ...(row.channels === null ? {} : { channels: row.channels }),
    ...(row.quiet === null ? {} : { quiet: row.quiet }),
    ...(row.digest === null ? {} : { digest: row.digest }),
    ...(row.snoozedUntil === null ? {} : { snoozedUntil: row.snoozedUntil }),
    ...(row.content === null ? {} : { content: row.content }),
  };
}
