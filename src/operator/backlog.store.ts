import { Injectable } from '@nestjs/common';
import { Clock } from '../clock.js';
import { Database } from '../database/database.service.js';
import { NEVER } from '../deliveries/delivery.js';
import { COUNTED, DEAD_WITHIN, DELIVERY_LATE, RECENT_WITHIN, SUBMIT_LATE, type Backlog } from './problem.js';

/** Counts what needs somebody. Reads only, each one quick by an index and bounded. */
@Injectable()
export class BacklogStore {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  deadDeliveries(): Promise<Backlog | undefined> {
    const since = this.clock.now() - DEAD_WITHIN;
    return this.count('deliveries', 'updated_at', `state = 'dead' and updated_at >= ?`, [since]);
  }

  /** Those that died because they could not be redacted. */
  unredacted(): Promise<Backlog | undefined> {
    const since = this.clock.now() - DEAD_WITHIN;
    const where = `state = 'dead' and updated_at >= ? and reason like 'redaction-failed:%'`;
    return this.count('deliveries', 'updated_at', where, [since]);
  }

  /** Those that no look-up will settle any more. */
  unknownDeliveries(): Promise<Backlog | undefined> {
    return this.count('deliveries', 'updated_at', `state = 'unknown' and due_at = ?`, [NEVER]);
  }

  heldDeliveries(): Promise<Backlog | undefined> {
    return this.count('deliveries', 'updated_at', `state = 'held'`);
  }

  exhaustedEscalations(): Promise<Backlog | undefined> {
    const since = this.clock.now() - RECENT_WITHIN;
    return this.count('escalations', 'updated_at', `state = 'exhausted' and updated_at >= ?`, [since]);
  }

  async lateDeliveries(): Promise<(Backlog & { channel: string })[]> {
    return this.database.read(
      `select channel, count(*) as count, min(due_at) as since from deliveries
        where state in ('queued', 'waiting') and due_at < ? group by channel`,
      [this.clock.now() - DELIVERY_LATE],
    );
  }

  quarantinedCallbacks(): Promise<Backlog | undefined> {
    const since = this.clock.now() - RECENT_WITHIN;
    return this.count('callbacks', 'received_at', `state = 'quarantined' and received_at >= ?`, [since]);
  }

  /** Not those that somebody replays: they came long ago. */
  pendingCallbacks(): Promise<Backlog | undefined> {
    return this.count('callbacks', 'received_at', `state = 'pending' and replay = false`);
  }

  overdueJobs(): Promise<Backlog | undefined> {
    const since = this.clock.now() - RECENT_WITHIN;
    return this.count(
      'jobs',
      'coalesce(overdue_at, submitted_at, created_at)',
      `state = 'overdue' and deleted_at is null and created_at >= ?`,
      [since],
    );
  }

  /** Jobs that Deepgram did not take, and not for want of trying. */
  waitingJobs(): Promise<Backlog | undefined> {
    return this.count('jobs', 'created_at', `state = 'pending' and last_error is not null and created_at < ?`, [
      this.clock.now() - SUBMIT_LATE,
    ]);
  }

  /** The oldest of them first, as far as they are counted. */
  private async count(
    table: string,
    time: string,
    where: string,
    parameters: unknown[] = [],
  ): Promise<Backlog | undefined> {
    const [row] = await this.database.read<{ count: number; since: number | null }>(
      `select count(*) as count, min(since) as since
         from (select ${time} as since from ${table} where ${where} limit ${String(COUNTED)}) found`,
      parameters,
    );
    return row && row.since !== null ? { count: row.count, since: row.since } : undefined;
  }
}
