import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Clock } from '../clock.js';
import type { Settings } from '../config/env.js';
import { SETTINGS } from '../config/settings.js';
import { AuditStore } from '../database/audit.store.js';
import { Database } from '../database/database.service.js';
import { DAY, MINUTE } from '../duration.js';
import { ConflictError, NotFoundError, UnprocessableError } from '../errors.js';
import { Ids } from '../ids.service.js';
import { afterWish } from './consent.js';
import type { ConsentBody, ListConsents } from './consents.schema.js';
import { ConsentEntity } from './contact.entity.js';
import { RecipientsStore } from './recipients.store.js';

/** Asks a person by text message, in the transaction that notes it. @returns to be called after the commit */
export type Ask = (tx: EntityManager, consent: ConsentEntity) => Promise<() => void>;

const RECIPIENT = 'recipient';
/** Nobody is asked again sooner. */
const ASK_AGAIN = DAY;
/** By so much a sender's clock may be ahead of ours. */
const AHEAD = MINUTE;

/** What addresses have agreed to. Entries are added and never changed; the latest of an address counts. */
@Injectable()
export class ConsentsStore {
  private ask: Ask | undefined;

  constructor(
    private readonly database: Database,
    private readonly recipients: RecipientsStore,
    private readonly ids: Ids,
    private readonly clock: Clock,
    private readonly audit: AuditStore,
    @Inject(SETTINGS) private readonly settings: Pick<Settings, 'smsConsent'>,
  ) {}

  /** Sending is above the directory: it says here how to ask a person. */
  onAsked(ask: Ask): void {
    this.ask = ask;
  }

  /** Up to `limit + 1` entries, newest first. `address` finds an address however it is written, when `kind` is given. */
  list({ limit, cursor, kind, address, state, current }: ListConsents): Promise<ConsentEntity[]> {
    const wanted =
      kind === undefined || address === undefined
        ? address
        : this.recipients.parseAddress(kind, address, 'address').address;
    const query = this.database.reads.createQueryBuilder(ConsentEntity, 'consent').where('1 = 1');
    if (cursor !== undefined) query.andWhere('consent.id < :cursor', { cursor });
    if (kind !== undefined) query.andWhere('consent.kind = :kind', { kind });
    if (wanted !== undefined) query.andWhere('consent.address = :address', { address: wanted.toLowerCase() });
    if (state !== undefined) query.andWhere('consent.state = :state', { state });
    if (current === 'true') query.andWhere(IS_LATEST);
    return query
      .orderBy('consent.id', 'DESC')
      .take(limit + 1)
      .getMany();
  }

  /** @throws NotFoundError */
  async get(id: string): Promise<ConsentEntity> {
    const found = await this.database.reads.findOneBy(ConsentEntity, { id });
    if (!found) throw new NotFoundError('There is no such consent');
    return found;
  }

  /**
   * Notes what a person said. With double opt-in `pending` asks the person by text message.
   * @throws RecipientInvalidError; UnprocessableError; ConflictError when the person was asked a short while ago, or has agreed
   */
  async add(actor: string, body: ConsentBody): Promise<ConsentEntity> {
    const row = this.toRow(actor, body);
    const asks = row.kind === 'sms' && this.settings.smsConsent === 'double';
    if (asks && row.state === 'given') throw onlyThePerson();
    let asked: (() => void) | undefined;
    await this.database.uow.run(async (tx) => {
      const before = await this.latest(tx, row);
      if (row.state === 'pending') refuseAsking(before, row.createdAt);
      await this.insert(tx, row);
      if (asks && row.state === 'pending') asked = await this.ask?.(tx, row);
    });
    this.recipients.invalidate();
    asked?.();
    return row;
  }

  /**
   * A person's own word, by text message. In the caller's transaction; after it the directory has to be read anew.
   * @param address E.164
   * @param evidence the vendor's id of the message
   * @returns whether it changed where the person stands
   */
  async heard(tx: EntityManager, address: string, wish: 'stop' | 'start', evidence: string): Promise<boolean> {
    const key = { kind: 'sms', address: address.toLowerCase() } as const;
    const state = afterWish((await this.latest(tx, key))?.state, wish);
    if (state === undefined) return false;
    const now = this.clock.now();
    const how = wish === 'stop' ? 'sent STOP' : 'answered YES or START';
    const times = { givenAt: now, createdAt: now };
    await this.insert(tx, { id: this.ids.next(), ...key, state, how, evidence, actor: RECIPIENT, ...times });
    return true;
  }

  private async insert(tx: EntityManager, row: ConsentEntity): Promise<void> {
    await tx.insert(ConsentEntity, row);
    await this.audit.record(tx, row.actor, 'consent.recorded', row.id, { kind: row.kind, state: row.state });
  }

  private latest(tx: EntityManager, { kind, address }: Pick<ConsentEntity, 'kind' | 'address'>) {
    return tx.findOne(ConsentEntity, { where: { kind, address }, order: { id: 'DESC' } });
  }

  private toRow(actor: string, { kind, address, state, how, at, evidence }: ConsentBody): ConsentEntity {
    const parsed = this.recipients.parseAddress(kind, address, '/address');
    const now = this.clock.now();
    const givenAt = at === undefined ? now : Date.parse(at);
    if (givenAt > now + AHEAD) throw unfit('/at', 'lies in the future');
    return {
      id: this.ids.next(),
      kind,
      address: parsed.address.toLowerCase(),
      state,
      how,
      evidence: evidence ?? null,
      actor,
      givenAt,
      createdAt: now,
    };
  }
}

const IS_LATEST = `not exists (select 1 from consents later
  where later.kind = consent.kind and later.address = consent.address and later.id > consent.id)`;

function refuseAsking(before: ConsentEntity | null, now: number): void {
  if (before?.state === 'given') {
    throw new ConflictError('The address has given consent already: note "withdrawn" first to ask again');
  }
  if (before?.state === 'pending' && now - before.createdAt < ASK_AGAIN) {
    throw new ConflictError('The address was asked within the last 24 hours: wait for its answer');
  }
}

function onlyThePerson(): UnprocessableError {
  return unfit(
    '/state',
    'HERALD_SMS_CONSENT is double: only the person can give consent, by SMS. Note "pending", and Herald asks',
  );
}

function unfit(pointer: string, message: string): UnprocessableError {
  return new UnprocessableError(`The consent cannot be noted: ${message}`, { errors: [{ pointer, message }] });
}
