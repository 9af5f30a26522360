import { Injectable } from '@nestjs/common';
import { LessThan, type EntityManager } from 'typeorm';
import { Clock } from '../clock.js';
import { AuditStore } from '../database/audit.store.js';
import { Database } from '../database/database.service.js';
import { orConflict } from '../database/duplicate-key.js';
import { ConflictError, NotFoundError } from '../errors.js';
import { requireMatch } from '../http/etag.js';
import { Ids } from '../ids.service.js';
import { ContactEntity, GroupEntity } from './contact.entity.js';
import { nameKey, nextStamp, overtaken } from './names.js';
import type { ContactBody, ListByName } from './recipients.schema.js';
import { RecipientsStore } from './recipients.store.js';
import { WaitingStore } from './waiting.store.js';

/** A contact as saved, with what is worth knowing about its addresses ("this is a landline"). */
export interface SavedContact {
  row: ContactEntity;
  warnings: string[];
}

type Fields = Omit<ContactEntity, 'id' | 'createdAt' | 'updatedAt'>;

@Injectable()
export class ContactsStore {
  constructor(
    private readonly database: Database,
    private readonly recipients: RecipientsStore,
    private readonly ids: Ids,
    private readonly clock: Clock,
    private readonly audit: AuditStore,
    private readonly waiting: WaitingStore,
  ) {}

  /** Up to `limit + 1` rows, newest first. */
  list({ limit, cursor, name }: ListByName): Promise<ContactEntity[]> {
    return this.database.reads.find(ContactEntity, {
      where: {
        ...(cursor === undefined ? {} : { id: LessThan(cursor) }),
        ...(name === undefined ? {} : { nameKey: nameKey(name) }),
      },
      order: { id: 'DESC' },
      take: limit + 1,
    });
  }

  /** @throws NotFoundError */
  async get(id: string): Promise<ContactEntity> {
    return (await this.database.reads.findOneBy(ContactEntity, { id })) ?? missing();
  }

  /** @throws ConflictError when the name is taken; RecipientInvalidError */
  async create(actor: string, body: ContactBody): Promise<SavedContact> {
    const { fields, warnings } = this.checked(body);
    const now = this.clock.now();
    const row: ContactEntity = { id: this.ids.next(), ...fields, createdAt: now, updatedAt: now };
    await this.write(body.name, async (tx) => {
      await refuseTaken(tx, body.name);
      await tx.insert(ContactEntity, row);
      await this.audit.record(tx, actor, 'contact.created', row.id, { name: row.name });
    });
    return { row, warnings };
  }

  /**
   * Groups follow a new name. Rules do not: they hold it in their text.
   * @param ifMatch ETag that must still be right; absent: whatever there is, is replaced
   * @throws NotFoundError; ConflictError when the name is taken, or a rule names the contact by the old one; RecipientInvalidError;
   *   PreconditionFailedError
   */
  async replace(actor: string, id: string, body: ContactBody, ifMatch?: string): Promise<SavedContact> {
    const { fields, warnings } = this.checked(body);
    const row = await this.write(body.name, async (tx) => {
      const before = (await tx.findOneBy(ContactEntity, { id })) ?? missing();
      if (ifMatch !== undefined) requireMatch(ifMatch, before.updatedAt);
      if (before.nameKey !== fields.nameKey) {
        await refuseTaken(tx, body.name);
        await this.recipients.refuseUsed(tx, { kind: 'contact', name: before.name });
      }
      const change = { ...fields, updatedAt: nextStamp(before, this.clock.now()) };
      const after: ContactEntity = { id, createdAt: before.createdAt, ...change };
      const { affected } = await tx.update(ContactEntity, { id, updatedAt: before.updatedAt }, change);
      if (affected === 0) throw overtaken();
      await this.waiting.follow(tx, before, after);
      if (before.name !== after.name) await renameMember(tx, before.nameKey, after.name, after.updatedAt);
      await this.audit.record(tx, actor, 'contact.updated', id, { name: after.name });
      return after;
    });
    return { row, warnings };
  }

  /** @param until epoch milliseconds; null ends a snooze. @throws NotFoundError */
  snooze(actor: string, id: string, until: number | null): Promise<ContactEntity> {
    return this.write('', async (tx) => {
      const row = (await tx.findOneBy(ContactEntity, { id })) ?? missing();
      const change = { snoozedUntil: until, updatedAt: nextStamp(row, this.clock.now()) };
      const after = Object.assign(new ContactEntity(), row, change);
      await tx.update(ContactEntity, { id }, change);
      await this.waiting.follow(tx, row, after);
      await this.audit.record(tx, actor, 'contact.snoozed', id, { name: row.name });
      return after;
    });
  }

  /**
   * Takes the contact out of its groups as well. A rule that names it has to be changed first: it would notify nobody, in silence.
   * @throws NotFoundError; ConflictError naming the rules
   */
  async delete(actor: string, id: string, ifMatch?: string): Promise<void> {
    await this.write('', async (tx) => {
      const row = (await tx.findOneBy(ContactEntity, { id })) ?? missing();
      if (ifMatch !== undefined) requireMatch(ifMatch, row.updatedAt);
      await this.recipients.refuseUsed(tx, { kind: 'contact', name: row.name });
      const groups = await renameMember(tx, row.nameKey, undefined, this.clock.now());
      await tx.delete(ContactEntity, { id });
      await this.waiting.follow(tx, row);
      await this.audit.record(tx, actor, 'contact.deleted', id, { name: row.name, groups });
    });
  }

  private checked(body: ContactBody): { fields: Fields; warnings: string[] } {
    const { name, email, phone, locale, timeZone, channels, quiet, digest, snoozedUntil, content } = body;
    const mail = email === undefined ? undefined : this.recipients.parseAddress('email', email, '/email');
    const call = phone === undefined ? undefined : this.recipients.parseAddress('sms', phone, '/phone');
    const fields = {
      name,
      nameKey: nameKey(name),
      email: mail?.address ?? null,
      phone: call?.address ?? null,
      locale: locale ?? null,
      timeZone: timeZone ?? null,
      channels: channels ?? null,
      quiet: quiet ?? null,
      digest: digest ?? null,
      snoozedUntil: snoozedUntil === undefined ? null : Date.parse(snoozedUntil),
      content: content ?? null,
    };
    return { fields, warnings: [...(mail?.warnings ?? []), ...(call?.warnings ?? [])] };
  }

  private async write<T>(name: string, work: (tx: EntityManager) => Promise<T>): Promise<T> {
    const result = await orConflict(this.database.uow.run(work), () => taken(name));
    this.recipients.invalidate();
    return result;
  }
}

/** Their ETags follow. @param now epoch milliseconds @returns names of the groups that changed */
async function renameMember(
  tx: EntityManager,
  oldKey: string,
  name: string | undefined,
  now: number,
): Promise<string[]> {
  const changed: string[] = [];
  for (const group of await tx.find(GroupEntity)) {
    if (!group.members.some((member) => nameKey(member) === oldKey)) continue;
    const members = group.members.flatMap((member) =>
      nameKey(member) !== oldKey ? [member] : name === undefined ? [] : [name],
    );
    await tx.update(GroupEntity, { id: group.id }, { members, updatedAt: nextStamp(group, now) });
    changed.push(group.name);
  }
  return changed;
}

async function refuseTaken(tx: EntityManager, name: string): Promise<void> {
  if (await tx.existsBy(ContactEntity, { nameKey: nameKey(name) })) throw taken(name);
}

function taken(name: string): ConflictError {
  const message = `There is a contact "${name}" already (case does not tell names apart): change that one with PUT, or choose another name`;
  return new ConflictError(message, { errors: [{ pointer: '/name', message: 'is taken by another contact' }] });
}

function missing(): never {
  throw new NotFoundError('There is no such contact');
}
