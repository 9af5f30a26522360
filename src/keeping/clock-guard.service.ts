import { Injectable } from '@nestjs/common';
import { Clock } from '../clock.js';
import { AuditStore } from '../database/audit.store.js';
import { Database } from '../database/database.service.js';
import { changed } from '../database/unit-of-work.service.js';
import { judgeClock, probationLeft, type ClockTrust, type Reading } from './clock-trust.js';

/** Name of the row in `meta` that holds the last trusted time. */
const SEEN = 'clock-seen';

/**
 * Tells whether the wall clock may be believed for what cannot be undone. It is compared with the monotonic clock of this process, and
 * at a start with the last time that was trusted (in the database), or the newest job where nothing was noted yet.
 */
@Injectable()
export class ClockGuard {
  private trust: ClockTrust | undefined;

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly audit: AuditStore,
  ) {}

  /** Reads both clocks and judges. */
  async look(): Promise<ClockTrust> {
    const now = this.reading();
    const before = this.trust ?? { good: { wall: await this.lastKnown(now.wall), uptime: now.uptime } };
    let trust = judgeClock(before, now);
    // An operator, or another replica, may have found the same time to be right.
    if (trust.doubted !== undefined) {
      const noted = judgeClock({ good: { wall: await this.lastKnown(now.wall), uptime: now.uptime } }, now);
      if (noted.doubted === undefined) trust = noted;
    }
    this.trust = trust;
    if (trust.doubted === undefined) await this.note(now.wall);
    return trust;
  }

  /** Uptime in milliseconds for which a doubted clock is still not believed; 0 when it is. */
  left(trust: ClockTrust): number {
    return probationLeft(trust, this.reading().uptime);
  }

  /** An operator says that the clock is right. */
  async confirm(actor: string): Promise<ClockTrust> {
    const now = this.reading();
    this.trust = { good: now };
    await this.note(now.wall, actor);
    return this.trust;
  }

  private reading(): Reading {
    return { wall: this.clock.now(), uptime: performance.now() };
  }

  /** The last trusted time; where none was noted, that of the newest job; in an empty database `otherwise`. */
  private async lastKnown(otherwise: number): Promise<number> {
    const [noted] = await this.database.read<{ value: string }>('select value from meta where name = ?', [SEEN]);
    if (noted) return Number(noted.value);
    const [job] = await this.database.read<{ newest: number | null }>('select max(created_at) as newest from jobs');
    return job?.newest ?? otherwise;
  }

  private async note(wall: number, actor?: string): Promise<void> {
    const { dialect } = this.database;
    await this.database.uow.run(async (tx) => {
      await changed(
        tx,
        dialect.bind(
          'insert into meta (name, value) values (?, ?) on conflict (name) do update set value = excluded.value',
        ),
        [SEEN, String(wall)],
      );
      if (actor !== undefined) await this.audit.record(tx, actor, 'retention.clock-confirmed', SEEN);
    });
  }
}
