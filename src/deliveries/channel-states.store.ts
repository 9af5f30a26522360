import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Clock } from '../clock.js';
import { AuditStore } from '../database/audit.store.js';
import { Database } from '../database/database.service.js';
import { changed, rows } from '../database/unit-of-work.service.js';

/** The name under which the switch for all sending is stored. */
export const ALL_CHANNELS = '*';
/** Who paused it when nobody did: the vendor's refusals. */
const VENDOR = 'vendor';
const OPERATOR = 'operator:';

/** Why a channel sends nothing at present; not paused: when it was resumed last. */
export interface StoredState {
  channel: string;
  /** Epoch milliseconds. */
  pausedAt: number | null;
  byVendor: boolean;
  /** Name of the key with which a person paused or resumed it. */
  actor: string | null;
  code: string | null;
  reason: string | null;
  /** When one delivery tries whether the vendor takes messages again. */
  trialAt: number | null;
  trials: number;
  updatedAt: number;
}

interface Row {
  channel: string;
  paused_at: number | null;
  paused_by: string | null;
  code: string | null;
  reason: string | null;
  trial_at: number | null;
  trials: number;
  updated_at: number;
}

/** Pauses of channels, shared by all replicas. A row that is not paused tells when the channel was resumed. */
@Injectable()
export class ChannelStatesStore {
  constructor(
    private readonly database: Database,
    private readonly audit: AuditStore,
    private readonly clock: Clock,
  ) {}

  /** Whether another process may change them. */
  get shared(): boolean {
    return this.database.dialect.concurrentWriters;
  }

  async all(): Promise<StoredState[]> {
    const found = await this.database.read<Row>('select * from channel_states');
    return found.map(toState);
  }

  /** A person pauses a channel, or all of them; a pause of the vendor's becomes theirs. */
  pause(channel: string, actor: string, reason: string | undefined): Promise<void> {
    const now = this.clock.now();
    return this.database.uow.run(async (tx) => {
      await changed(
        tx,
        this.bind(
          `insert into channel_states (channel, paused_at, paused_by, code, reason, trial_at, trials, updated_at)
           values (?, ?, ?, null, ?, null, 0, ?)
           on conflict (channel) do update set paused_by = excluded.paused_by, code = null, reason = excluded.reason,
             paused_at = case when channel_states.paused_by like '${OPERATOR}%'
               then coalesce(channel_states.paused_at, excluded.paused_at) else excluded.paused_at end,
             trial_at = null, trials = 0, updated_at = excluded.updated_at`,
        ),
        [channel, now, `${OPERATOR}${actor}`, reason ?? null, now],
      );
      await this.audit.record(tx, actor, channel === ALL_CHANNELS ? 'sending.paused' : 'channel.paused', channel);
    });
  }

  /** A person lets a channel, or all of them, send again. */
  resume(channel: string, actor: string): Promise<void> {
    const now = this.clock.now();
    return this.database.uow.run(async (tx) => {
      await this.markResumed(tx, channel, `${OPERATOR}${actor}`, now);
      await this.audit.record(tx, actor, channel === ALL_CHANNELS ? 'sending.resumed' : 'channel.resumed', channel);
    });
  }

  /** The vendor refuses every message. Does nothing when the channel is paused already. */
  pauseByVendor(channel: string, code: string, reason: string, trialAt: number): Promise<void> {
    const now = this.clock.now();
    return this.database.uow.run(async (tx) => {
      const count = await changed(
        tx,
        this.bind(
          `insert into channel_states (channel, paused_at, paused_by, code, reason, trial_at, trials, updated_at)
           values (?, ?, '${VENDOR}', ?, ?, ?, 0, ?)
           on conflict (channel) do update set paused_at = excluded.paused_at, paused_by = excluded.paused_by,
             code = excluded.code, reason = excluded.reason, trial_at = excluded.trial_at, trials = 0,
             updated_at = excluded.updated_at
           where channel_states.paused_at is null`,
        ),
        [channel, now, code, reason, trialAt, now],
      );
      if (count > 0) await this.audit.record(tx, 'system', 'channel.paused', channel, { code });
    });
  }

  /**
   * Takes the trial of a channel that the vendor closed, for this process alone.
   * @param seen when it was due; @param again when it is due again should this process die; @returns false when another was faster
   */
  async takeTrial(channel: string, seen: number, again: number): Promise<boolean> {
    const count = await this.database.uow.run((tx) =>
      changed(
        tx,
        this.bind(
          `update channel_states set trial_at = ? where channel = ? and trial_at = ? and paused_by = '${VENDOR}'
             and paused_at is not null`,
        ),
        [again, channel, seen],
      ),
    );
    return count > 0;
  }

  /** A trial came to nothing. @param failed whether it counts as one */
  async trialEnded(
    channel: string,
    trialAt: number,
    failed: { code: string; reason: string } | undefined,
  ): Promise<void> {
    await this.database.uow.run((tx) =>
      changed(
        tx,
        this.bind(
          `update channel_states set trial_at = ?, trials = trials + ?, code = coalesce(?, code), reason = coalesce(?, reason),
             updated_at = ? where channel = ? and paused_by = '${VENDOR}' and paused_at is not null`,
        ),
        [trialAt, failed ? 1 : 0, failed?.code ?? null, failed?.reason ?? null, this.clock.now(), channel],
      ),
    );
  }

  /** A trial went through: the vendor takes messages again. Leaves a person's pause as it is. */
  resumeFromVendor(channel: string): Promise<void> {
    const now = this.clock.now();
    return this.database.uow.run(async (tx) => {
      const found = await rows<{ channel: string }>(
        tx,
        this.bind(
          `select channel from channel_states where channel = ? and paused_by = '${VENDOR}' and paused_at is not null
             ${this.database.dialect.rowLock}`,
        ),
        [channel],
      );
      if (found.length === 0) return;
      await this.markResumed(tx, channel, VENDOR, now);
      await this.audit.record(tx, 'system', 'channel.resumed', channel);
    });
  }

  private async markResumed(tx: EntityManager, channel: string, by: string, now: number): Promise<void> {
    await changed(
      tx,
      this.bind(
        `insert into channel_states (channel, paused_at, paused_by, code, reason, trial_at, trials, updated_at)
         values (?, null, ?, null, null, null, 0, ?)
         on conflict (channel) do update set paused_at = null, paused_by = excluded.paused_by, code = null, reason = null,
           trial_at = null, trials = 0, updated_at = excluded.updated_at`,
      ),
      [channel, by, now],
    );
  }

  private bind(statement: string): string {
    return this.database.dialect.bind(statement);
  }
}

function toState(row: Row): StoredState {
  const by = row.paused_by ?? '';
  return {
    channel: row.channel,
    pausedAt: row.paused_at,
    byVendor: by === VENDOR,
    actor: by.startsWith(OPERATOR) ? by.slice(OPERATOR.length) : null,
    code: row.code,
    reason: row.reason,
    trialAt: row.trial_at,
    trials: row.trials,
    updatedAt: row.updated_at,
  };
}
