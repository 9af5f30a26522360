import { Injectable } from '@nestjs/common';
import { In, LessThan, type EntityManager } from 'typeorm';
import { Clock } from '../clock.js';
import { AuditStore } from '../database/audit.store.js';
import { Database } from '../database/database.service.js';
import { orConflict } from '../database/duplicate-key.js';
import { ConflictError, NotFoundError, UnprocessableError, type FieldError } from '../errors.js';
import { requireMatch } from '../http/etag.js';
import { Ids } from '../ids.service.js';
import { nearest } from '../suggestion.js';
import { ContactEntity, GroupEntity } from './contact.entity.js';
import { nameKey, nextStamp, overtaken } from './names.js';
import type { GroupBody, ListByName } from './recipients.schema.js';
import { RecipientsStore } from './recipients.store.js';

@Injectable()
export class GroupsStore {
  constructor(
    private readonly database: Database,
    private readonly recipients: RecipientsStore,
    private readonly ids: Ids,
    private readonly clock: Clock,
    private readonly audit: AuditStore,
  ) {}

  /** Up to `limit + 1` rows, newest first. */
  list({ limit, cursor, name }: ListByName): Promise<GroupEntity[]> {
    return this.database.reads.find(GroupEntity, {
      where: {
        ...(cursor === undefined ? {} : { id: LessThan(cursor) }),
        ...(name === undefined ? {} : { nameKey: nameKey(name) }),
      },
      order: { id: 'DESC' },
      take: limit + 1,
    });
  }

  /** @throws NotFoundError */
  async get(id: string): Promise<GroupEntity> {
    return (await this.database.reads.findOneBy(GroupEntity, { id })) ?? missing();
  }

  /** @throws ConflictError when the name is taken; UnprocessableError for members that are no contacts */
  create(actor: string, body: GroupBody): Promise<GroupEntity> {
    const now = this.clock.now();
    return this.write(body.name, async (tx) => {
      await refuseTaken(tx, body.name);
      const row: GroupEntity = {
        id: this.ids.next(),
        ...named(body.name),
        members: await knownMembers(tx, body.members),
        createdAt: now,
        updatedAt: now,
      };
      await tx.insert(GroupEntity, row);
      await this.audit.record(tx, actor, 'group.created', row.id, { name: row.name, members: row.members });
      return row;
    });
  }

  /** @throws NotFoundError; ConflictError when the name is taken, or a rule names the group by the old one; UnprocessableError; PreconditionFailedError */
  replace(actor: string, id: string, body: GroupBody, ifMatch?: string): Promise<GroupEntity> {
    return this.write(body.name, async (tx) => {
      const before = (await tx.findOneBy(GroupEntity, { id })) ?? missing();
      if (ifMatch !== undefined) requireMatch(ifMatch, before.updatedAt);
      if (before.nameKey !== nameKey(body.name)) {
        await refuseTaken(tx, body.name);
        await this.recipients.refuseUsed(tx, { kind: 'group', name: before.name });
      }
      const members = await knownMembers(tx, body.members);
      const change = { ...named(body.name), members, updatedAt: nextStamp(before, this.clock.now()) };
      const { affected } = await tx.update(GroupEntity, { id, updatedAt: before.updatedAt }, change);
      if (affected === 0) throw overtaken();
      await this.audit.record(tx, actor, 'group.updated', id, { name: body.name, members });
      return { id, createdAt: before.createdAt, ...change };
    });
  }

  /** @throws NotFoundError; ConflictError naming the rules that name the group */
  async delete(actor: string, id: string, ifMatch?: string): Promise<void> {
    await this.write('', async (tx) => {
      const row = (await tx.findOneBy(GroupEntity, { id })) ?? missing();
      if (ifMatch !== undefined) requireMatch(ifMatch, row.updatedAt);
      await this.recipients.refuseUsed(tx, { kind: 'group', name: row.name });
      await tx.delete(GroupEntity, { id });
      await this.audit.record(tx, actor, 'group.deleted', id, { name: row.name });
    });
  }

  private async write<T>(name: string, work: (tx: EntityManager) => Promise<T>): Promise<T> {
    const result = await orConflict(this.database.uow.run(work), () => taken(name));
    this.recipients.invalidate();
    return result;
  }
}

function named(name: string): { name: string; nameKey: string } {
  return { name, nameKey: nameKey(name) };
}

/**
 * @returns the members as their contacts spell them, each once
 * @throws UnprocessableError with every member that is no contact
 */
async function knownMembers(tx: EntityManager, members: string[]): Promise<string[]> {
  const found = await tx.find(ContactEntity, { where: { nameKey: In(members.map(nameKey)) }, select: { name: true } });
  const byKey = new Map(found.map(({ name }) => [nameKey(name), name]));
  const unknown = members.flatMap((member, i) => (byKey.has(nameKey(member)) ? [] : [{ member, i }]));
  if (unknown.length > 0) {
    const all = await tx.find(ContactEntity, { select: { name: true }, take: 1_000 });
    const errors = unknown.slice(0, 50).map(({ member, i }) =>
      unknownMember(
        `/members/${String(i)}`,
        nearest(
          member,
          all.map(({ name }) => name),
        ),
      ),
    );
    throw new UnprocessableError('Some members are no contacts: make the contacts first', { errors });
  }
  return [...new Set(members.map((member) => byKey.get(nameKey(member)) ?? member))];
}

function unknownMember(pointer: string, suggestion: string | undefined): FieldError {
  const message = 'is not the name of a contact';
  return suggestion === undefined
    ? { pointer, message }
    : { pointer, message: `${message}: did you mean ${suggestion}?`, suggestion };
}

async function refuseTaken(tx: EntityManager, name: string): Promise<void> {
  if (await tx.existsBy(GroupEntity, { nameKey: nameKey(name) })) throw taken(name);
}

function taken(name: string): ConflictError {
  const message = `There is a group "${name}" already (case does not tell names apart): change that one with PUT, or choose another name`;
  return new ConflictError(message, { errors: [{ pointer: '/name', message: 'is taken by another group' }] });
}

function missing(): never {
  throw new NotFoundError('There is no such group');
}
