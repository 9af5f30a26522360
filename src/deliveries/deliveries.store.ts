import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Clock } from '../clock.js';
import { Database } from '../database/database.service.js';
import { changed, rows } from '../database/unit-of-work.service.js';
import { Ids } from '../ids.service.js';
import { apart, togetherStepwise } from '../rules/merge.js';
import type { Notification } from '../rules/plan.js';
import { inSlices, slices } from '../slices.service.js';
import type { Trigger } from '../transcripts/facts.js';
import { NEVER, type AttemptOutcome, type DeliveryState, type RenderedDelivery } from './delivery.js';
import { AttemptEntity, DeliveryEntity } from './delivery.entity.js';
import { CapsStore } from './caps.store.js';
import type { Died } from './deaths.service.js';
import type { Lease } from './lease-watch.js';
import { alsoForOf, plannedBefore, type PlannedRow } from './planned-before.js';
import { settleReport } from './report-state.store.js';

/** What a finished attempt changes on its delivery. */
export interface Recorded {
  state: DeliveryState;
  reason: string | null;
  dueAt: number;
  counted: boolean;
  sentAt?: number;
  providerMessageId?: string;
}

export interface AttemptEnd {
  outcome: AttemptOutcome;
  code?: string;
  error?: string;
}

/** What notifications were planned for. */
export interface EnqueueSource {
  jobId: string;
  trigger: Trigger;
  replay: boolean;
  /** For `delivery.dead`: the delivery that died. */
  aboutDeliveryId?: string;
}

/**
 * Deliveries and their attempts. A claim gives an owner and a lease; every later write shows the owner, and `false` means "not
 * mine any more".
 */
@Injectable()
export class DeliveriesStore {
  constructor(
    private readonly database: Database,
    private readonly ids: Ids,
    private readonly clock: Clock,
    private readonly caps: CapsStore,
  ) {}

  /**
   * Stores planned notifications, once each: what was planned before, also as a part of another message, is left out of a merged one.
   * On a replay what an earlier version of the rule has planned for the same recipient counts as well. What is over a cap is stored as
   * `held`.
   * @returns how many were new
   */
  async enqueue(tx: EntityManager, notifications: Notification[], source: EnqueueSource): Promise<number> {
    const fresh = await this.unplanned(tx, notifications, source);
    return this.insert(tx, await inSlices(togetherStepwise(fresh)), source);
  }

  /** What none of the job's deliveries speaks for yet; not merged. */
  async unplanned(
    tx: EntityManager,
    notifications: readonly Notification[],
    { jobId, replay }: EnqueueSource,
  ): Promise<Notification[]> {
    if (notifications.length === 0) return [];
    // A lone one that was a delivery before is found by its unique key when it is stored.
    const everything = replay || notifications.some(({ parts }) => parts !== undefined);
    const found = await rows<Omit<PlannedRow, 'alsoFor'> & { alsoFor: string }>(
      tx,
      this.database.dialect.bind(
        `select rule_id as "ruleId", action, recipient as "to", dedupe_key as "dedupeKey", also_for as "alsoFor",
             escalation_step as step
           from deliveries where job_id = ? ${everything ? '' : `and also_for <> '[]'`}`,
      ),
      [jobId],
    );
    const isPlanned = plannedBefore(
      found.map((row) => ({ ...row, alsoFor: JSON.parse(row.alsoFor) as PlannedRow['alsoFor'] })),
      replay,
    );
    return notifications.flatMap(apart).filter((notification) => !isPlanned(notification));
  }

  /**
   * Stores what {@link unplanned} left, merged again.
   * @returns how many were new
   */
  async insert(tx: EntityManager, notifications: Notification[], source: EnqueueSource): Promise<number> {
    const now = this.clock.now();
    const { dialect } = this.database;
    const caps = await this.caps.open(tx, notifications);
    const stepDone = slices();
    let added = 0;
    for (const notification of notifications) {
      await stepDone();
      const held = caps.over(notification);
      const row = this.toRow(notification, source, now, held);
      const columns = Object.keys(row);
      // Not INSERT OR IGNORE: that would drop a row for any fault, and a lost delivery must not be silent.
      const stored = await rows(
        tx,
        dialect.bind(
          `insert into deliveries (${columns.join(', ')}) values (${columns.map(() => '?').join(', ')})
             on conflict (dedupe_key) do nothing returning id`,
        ),
        Object.values(row),
      );
      added += stored.length;
      if (stored.length > 0 && held === undefined) caps.count(notification);
    }
    await caps.close();
    return added;
  }

  find(id: string): Promise<DeliveryEntity | null> {
    return this.database.reads.findOneBy(DeliveryEntity, { id });
  }

  attempts(id: string): Promise<AttemptEntity[]> {
    return this.database.reads.find(AttemptEntity, { where: { deliveryId: id }, order: { number: 'ASC' } });
  }

  /** Takes up to `limit` due deliveries of a channel, oldest due first. */
  async claim(owner: string, channel: string, limit: number, leaseMs: number): Promise<string[]> {
    const now = this.clock.now();
    const { dialect } = this.database;
    const claimed = await this.database.uow.run((tx) =>
      rows<{ id: string; due_at: number }>(
        tx,
        dialect.bind(
          `with due as (
             select id from deliveries where state = 'queued' and channel = ? and due_at <= ?
              order by due_at, id limit ? ${dialect.claimLock}
           )
           update deliveries set state = 'sending', lease_owner = ?, lease_until = ?, updated_at = ?
            where id in (select id from due) returning id, due_at`,
        ),
        [channel, now, limit, owner, now + leaseMs, now],
      ),
    );
    return claimed.sort((a, b) => a.due_at - b.due_at || (a.id < b.id ? -1 : 1)).map((row) => row.id);
  }

  /** Every channel with queued deliveries, whether it is one of this process or not, and when the first of them is due. */
  waiting(): Promise<{ channel: string; dueAt: number }[]> {
    // One step of the index for each channel, however many rows wait.
    return this.database.read<{ channel: string; dueAt: number }>(
      `with recursive lane (channel) as (
         select min(channel) from deliveries where state = 'queued'
         union all
         select (select min(channel) from deliveries where state = 'queued' and channel > lane.channel)
           from lane where lane.channel is not null
       )
       select channel, (select min(due_at) from deliveries where state = 'queued' and channel = lane.channel) as "dueAt"
         from lane where channel is not null`,
    );
  }

  /** Epoch milliseconds of the next look-up, if there is one; one in hand counts when its lease ends. */
  async nextLookUp(): Promise<number | undefined> {
    const [row] = await this.database.read<{ next: number | null }>(
      `select min(case when lease_until > due_at then lease_until else due_at end) as next
         from deliveries where state = 'unknown' and due_at < ?`,
      [NEVER],
    );
    return row?.next ?? undefined;
  }

  /** Keeps the claims of owners that are still at work. */
  async renew(owners: string[], leaseMs: number): Promise<void> {
    const { dialect } = this.database;
    const until = this.clock.now() + leaseMs;
    await this.database.uow.run((tx) =>
      changed(
        tx,
        dialect.bind(
          `update deliveries set lease_until = ? where lease_owner in (${owners.map(() => '?').join(', ')})`,
        ),
        [until, ...owners],
      ),
    );
  }

  /**
   * Commits that an attempt begins, and the message it sends, before the vendor sees anything. It does not begin once a person's pause
   * is stored, whichever replica stored it; nor with a message that was rendered under another redaction policy than the one in force.
   * @param sends false when nothing is sent, because there is no message
   * @returns its number; `'paused'`; undefined when the claim is lost
   */
  startAttempt(
    id: string,
    owner: string,
    { message, templateVersion, redaction }: RenderedDelivery,
    sends = true,
  ): Promise<number | 'paused' | undefined> {
    const now = this.clock.now();
    const { dialect } = this.database;
    const mine = `id = ? and lease_owner = ? and state = 'sending'`;
    return this.database.uow.run(async (tx) => {
      const [row] = await rows<{ attempts_made: number }>(
        tx,
        dialect.bind(
          `update deliveries set attempts_made = attempts_made + 1, message = ?, template_version = ?, masked = ?,
             redaction_version = ?, matches = coalesce(?, matches), updated_at = ?
            where ${mine} and not exists (
              select 1 from channel_states where channel_states.channel in ('*', deliveries.channel)
                 and paused_at is not null and paused_by <> 'vendor')
              ${sends ? SAME_POLICY : ''}
           returning attempts_made`,
        ),
        [
          message && JSON.stringify(message),
          templateVersion,
          redaction && JSON.stringify(redaction.masked),
          redaction?.version ?? null,
          redaction?.matches ? JSON.stringify(redaction.matches) : null,
          ...[now, id, owner],
          ...(sends ? [redaction?.version ?? 0] : []),
        ],
      );
      if (!row) {
        const held = await rows(tx, dialect.bind(`select id from deliveries where ${mine}`), [id, owner]);
        return held.length > 0 ? 'paused' : undefined;
      }
      await changed(tx, dialect.bind('insert into attempts (delivery_id, number, started_at) values (?, ?, ?)'), [
        id,
        row.attempts_made,
        now,
      ]);
      return row.attempts_made;
    });
  }

  /**
   * Records an attempt's end and what becomes of the delivery.
   * @param died called when the delivery dies, be it of a report that was faster
   * @param also written in the same transaction
   * @returns false when the claim was lost
   */
  record(
    id: string,
    owner: string,
    attempt: number | undefined,
    end: AttemptEnd,
    next: Recorded,
    died: Died = () => Promise.resolve(),
    also?: (tx: EntityManager) => Promise<void>,
  ): Promise<boolean> {
    const now = this.clock.now();
    const { dialect } = this.database;
    return this.database.uow.run(async (tx) => {
      const count = await changed(
        tx,
        dialect.bind(
          `update deliveries set state = ?, reason = ?, due_at = ?, attempts_counted = attempts_counted + ?,
             sent_at = coalesce(?, sent_at), provider_message_id = coalesce(?, provider_message_id),
             lease_owner = null, lease_until = null, updated_at = ?
            where id = ? and lease_owner = ? and state = 'sending'`,
        ),
        [
          next.state,
          next.reason,
          next.dueAt,
          next.counted ? 1 : 0,
          next.sentAt ?? null,
          next.providerMessageId ?? null,
          now,
          id,
          owner,
        ],
      );
      if (count === 0) return false;
      if (attempt !== undefined) {
        await changed(
          tx,
          dialect.bind(
            `update attempts set ended_at = ?, outcome = ?, code = ?, error = ?,
               provider_message_id = coalesce(?, provider_message_id)
              where delivery_id = ? and number = ?`,
          ),
          [now, end.outcome, end.code ?? null, end.error ?? null, next.providerMessageId ?? null, id, attempt],
        );
      }
      if (next.state === 'sent' || next.state === 'unknown') await settleReport(tx, id, now, died);
      if (next.state === 'dead') await died(tx, next.reason ?? '');
      await also?.(tx);
      return true;
    });
  }

  /** Every owner with deliveries in hand. */
  leases(): Promise<Lease[]> {
    return this.database.read<Lease>(
      `select lease_owner as owner, max(lease_until) as until from deliveries
        where state = 'sending' and lease_owner is not null group by lease_owner`,
    );
  }

  /**
   * Takes back what was in hand when a process died.
   * @param whose leases that nobody has renewed since they were read; or all but those of these owners
   * @returns ids with the attempt that had begun (undefined: none had, the vendor has seen nothing)
   */
  rescue(
    owner: string,
    leaseMs: number,
    whose: readonly Lease[] | { allBut: readonly string[] },
  ): Promise<{ id: string; attempt: AttemptEntity | undefined }[]> {
    const now = this.clock.now();
    const { dialect } = this.database;
    const lost = 'allBut' in whose ? othersThan(whose.allBut) : heldBy(whose);
    return this.database.uow.run(async (tx) => {
      const found = await rows<{ id: string }>(
        tx,
        dialect.bind(
          `with lost as (
             select id from deliveries where state = 'sending' and ${lost.where} limit 500 ${dialect.claimLock}
           )
           update deliveries set lease_owner = ?, lease_until = ? where id in (select id from lost) returning id`,
        ),
        [...lost.parameters, owner, now + leaseMs],
      );
      const rescued: { id: string; attempt: AttemptEntity | undefined }[] = [];
      for (const { id } of found) {
        const open = await tx.find(AttemptEntity, { where: { deliveryId: id }, order: { number: 'DESC' }, take: 1 });
        rescued.push({ id, attempt: open[0]?.outcome === null ? open[0] : undefined });
      }
      return rescued;
    });
  }

  /** Takes deliveries that may have been sent and whose time for a look-up has come. */
  async claimUnknown(owner: string, limit: number, leaseMs: number): Promise<string[]> {
    const now = this.clock.now();
    const { dialect } = this.database;
    const claimed = await this.database.uow.run((tx) =>
      rows<{ id: string }>(
        tx,
        dialect.bind(
          `with due as (
             select id from deliveries where state = 'unknown' and due_at <= ? and (lease_until is null or lease_until <= ?)
              order by due_at limit ? ${dialect.claimLock}
           )
           update deliveries set lease_owner = ?, lease_until = ? where id in (select id from due) returning id`,
        ),
        [now, now, limit, owner, now + leaseMs],
      ),
    );
    return claimed.map((row) => row.id);
  }

  private toRow(
    notification: Notification,
    source: EnqueueSource,
    now: number,
    held: string | undefined,
  ): Record<string, string | number | null> {
    return {
      id: this.ids.next(),
      job_id: source.jobId,
      trigger_name: source.trigger,
      rule_id: notification.ruleId,
      rule_name: notification.ruleName,
      rule_version: notification.ruleVersion,
      action: notification.action,
      also_for: JSON.stringify(alsoForOf(notification)),
      channel: notification.channel,
      kind: notification.kind,
      recipient: notification.to,
      recipient_data: JSON.stringify(notification.recipient),
      template: notification.template,
      attach: JSON.stringify(notification.attach),
      preview_segments: notification.previewSegments ?? null,
      matches: JSON.stringify(notification.matches),
      about_delivery_id: source.aboutDeliveryId ?? null,
      urgent: notification.urgent === true ? 1 : 0,
      escalation_step: notification.step ?? null,
      state: held === undefined ? notification.state : 'held',
      reason: held ?? notification.reason ?? null,
      dedupe_key: notification.dedupeKey,
      due_at: held === undefined ? notification.dueAt : NEVER,
      attempts_counted: 0,
      attempts_made: 0,
      queued_at: now,
      created_at: now,
      updated_at: now,
    };
  }
}

const SAME_POLICY = `and not exists (
  select 1 from redactions where redactions.channel = deliveries.channel and rules is not null and enabled = true and version <> ?)`;

interface Condition {
  where: string;
  parameters: (string | number)[];
}

function othersThan(owners: readonly string[]): Condition {
  if (owners.length === 0) return { where: '1 = 1', parameters: [] };
  return { where: `lease_owner not in (${owners.map(() => '?').join(', ')})`, parameters: [...owners] };
}

function heldBy(leases: readonly Lease[]): Condition {
  if (leases.length === 0) return { where: '1 = 0', parameters: [] };
  const each = leases.map(() => '(lease_owner = ? and lease_until = ?)').join(' or ');
  return { where: `(${each})`, parameters: leases.flatMap(({ owner, until }) => [owner, until]) };
}
