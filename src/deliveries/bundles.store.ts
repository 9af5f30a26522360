import { Injectable } from '@nestjs/common';
import { In, type EntityManager } from 'typeorm';
import type { ChannelKind } from '../channels/channel.js';
import { Clock } from '../clock.js';
import { Database } from '../database/database.service.js';
import { changed, rows } from '../database/unit-of-work.service.js';
import { Ids } from '../ids.service.js';
import { CapsStore } from './caps.store.js';
import { DIGEST, NEVER } from './delivery.js';
import { DeliveryEntity } from './delivery.entity.js';

/** Somebody for whom something waits over one channel. What is urgent waits for other hours, and goes apart. */
export interface Waiter {
  channel: string;
  kind: ChannelKind;
  recipient: string;
  /** 1 or 0. */
  urgent: number;
}

/** What became of what waited for one person. */
export interface Released {
  /** Deliveries that are sent now: a bundle is one. */
  sent: number;
  /** Those that went into a bundle. */
  bundled: number;
}

/** In one message; what is over goes in the next. */
const MOST = 100;
/** Begins the dedupe key of a bundle. */
const BUNDLE = 'bundle:';

/** Messages that wait for the hours of their recipient. Each leaves once: the rows are locked until all of them are written. */
@Injectable()
export class BundlesStore {
  constructor(
    private readonly database: Database,
    private readonly ids: Ids,
    private readonly clock: Clock,
    private readonly caps: CapsStore,
  ) {}

  /** Epoch milliseconds when the first of all is due; undefined when nothing waits. */
  async next(): Promise<number | undefined> {
    const [row] = await this.database.read<{ next: number | null }>(
      `select min(due_at) as next from deliveries where state = 'waiting'`,
    );
    return row?.next ?? undefined;
  }

  /** People whose time has come, those who waited longest first. */
  due(limit: number): Promise<Waiter[]> {
    return this.database.read<Waiter>(
      `select channel, kind, recipient, urgent from deliveries where state = 'waiting' and due_at <= ?
        group by channel, kind, recipient, urgent order by min(due_at) limit ?`,
      [this.clock.now(), limit],
    );
  }

  /** What a bundle carries, oldest first. */
  items(bundleId: string): Promise<DeliveryEntity[]> {
    return this.database.reads.find(DeliveryEntity, { where: { bundleId }, order: { id: 'ASC' } });
  }

  /** The hours of the person have changed meanwhile: it goes on waiting. */
  async postpone(waiter: Waiter, dueAt: number, reason: string): Promise<void> {
    const { dialect } = this.database;
    const now = this.clock.now();
    await this.database.uow.run((tx) =>
      changed(tx, dialect.bind(`update deliveries set due_at = ?, reason = ?, updated_at = ? where ${THEIRS}`), [
        dueAt,
        reason,
        now,
        ...theirs(waiter, now),
      ]),
    );
  }

  /** @param together several go as one message; else each for itself */
  release(waiter: Waiter, together: boolean): Promise<Released> {
    return this.database.uow.run(async (tx) => {
      const due = await this.lock(tx, waiter);
      const loose = together ? due.filter(mayBeBundled) : [];
      const items = loose.length > 1 ? loose : [];
      const single = due.filter((row) => !items.includes(row));
      for (const row of single) await this.queue(tx, waiter, row.id);
      if (items.length > 0) await this.bundle(tx, waiter, items);
      return { sent: single.length + (items.length > 0 ? 1 : 0), bundled: items.length };
    });
  }

  private async lock(tx: EntityManager, waiter: Waiter): Promise<DeliveryEntity[]> {
    const { dialect } = this.database;
    // Waits for another replica that releases the same: afterwards it finds them gone.
    const found = await rows<{ id: string }>(
      tx,
      dialect.bind(`select id from deliveries where ${THEIRS} order by id limit ${MOST} ${dialect.rowLock}`),
      theirs(waiter, this.clock.now()),
    );
    return tx.find(DeliveryEntity, { where: { id: In(found.map(({ id }) => id)) }, order: { id: 'ASC' } });
  }

  private async queue(tx: EntityManager, waiter: Waiter, id: string): Promise<void> {
    const held = await this.overCap(tx, waiter);
    const now = this.clock.now();
    await changed(
      tx,
      this.database.dialect.bind(
        'update deliveries set state = ?, reason = ?, due_at = ?, queued_at = ?, updated_at = ? where id = ?',
      ),
      [held === undefined ? 'queued' : 'held', held ?? null, held === undefined ? now : NEVER, now, now, id],
    );
  }

  /** Stands under the newest of its items that is not about a delivery itself: its job is what the message can speak of. */
  private async bundle(tx: EntityManager, waiter: Waiter, items: DeliveryEntity[]): Promise<void> {
    const lead = items.findLast(({ trigger }) => trigger !== 'delivery.dead') ?? items.at(-1);
    if (!lead) return;
    const held = await this.overCap(tx, waiter);
    const now = this.clock.now();
    const bundle = Object.assign(new DeliveryEntity(), lead, {
      id: this.ids.next(),
      template: DIGEST,
      templateVersion: null,
      attach: [],
      alsoFor: [],
      previewSegments: Math.max(1, ...items.map(({ previewSegments }) => previewSegments ?? 1)),
      matches: [],
      aboutDeliveryId: null,
      state: held === undefined ? 'queued' : 'held',
      reason: held ?? null,
      dedupeKey: `${BUNDLE}${items[0]?.id ?? lead.id}`,
      dueAt: held === undefined ? now : NEVER,
      message: null,
      queuedAt: now,
      createdAt: now,
      updatedAt: now,
    });
    await tx.insert(DeliveryEntity, bundle);
    await changed(
      tx,
      this.database.dialect.bind(
        `update deliveries set state = 'bundled', bundle_id = ?, reason = ?, due_at = ?, updated_at = ?
          where id in (${items.map(() => '?').join(', ')})`,
      ),
      [
        bundle.id,
        `goes with ${String(items.length - 1)} more in one message`,
        NEVER,
        now,
        ...items.map(({ id }) => id),
      ],
    );
  }

  /** What waited is counted in the hour in which it goes. @returns why it has to be held */
  private async overCap(tx: EntityManager, { channel, kind, recipient }: Waiter): Promise<string | undefined> {
    const one = { channel, kind, to: recipient, state: 'queued' } as const;
    const caps = await this.caps.open(tx, [one]);
    const held = caps.over(one);
    if (held === undefined) caps.count(one);
    await caps.close();
    return held;
  }
}

/** A bundle that met quiet hours again is not put into another one, nor is what asks for consent, or to be acknowledged. */
function mayBeBundled({ jobId, dedupeKey, escalationStep }: DeliveryEntity): boolean {
  return jobId !== '' && escalationStep === null && !dedupeKey.startsWith(BUNDLE);
}

const THEIRS = `state = 'waiting' and due_at <= ? and channel = ? and recipient = ? and urgent = ?`;

function theirs({ channel, recipient, urgent }: Waiter, now: number): (string | number)[] {
  return [now, channel, recipient, urgent];
}
