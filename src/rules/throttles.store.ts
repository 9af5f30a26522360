import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Clock } from '../clock.js';
import { Database } from '../database/database.service.js';
import { changed, rows } from '../database/unit-of-work.service.js';
import type { Notification } from './plan.js';
import { admit, type Admitted, type ThrottleMemory, type ToldCall } from './throttle.js';

/** Keys that one statement touches. */
const CHUNK = 200;
/** Rows without meaning that one settle sweeps. */
const SWEPT = 50;

/** Which calls were told of, for rules with a throttle. Read and written under a lock, so it is exact with any number of replicas. */
@Injectable()
export class ThrottlesStore {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /** Counts and skips in the transaction that stores the deliveries. @param notifications not merged, none of them stored before */
  async admit(
    tx: EntityManager,
    notifications: readonly Notification[],
    jobId: string,
  ): Promise<Omit<Admitted<Notification>, 'raised'>> {
    // In one order everywhere, so that two transactions never wait for each other.
    const keys = [...new Set(notifications.flatMap(({ throttle }) => throttle?.key ?? []))].sort();
    const now = this.clock.now();
    const memory = await this.lock(tx, keys);
    const { raised, ...rest } = admit(notifications, memory, jobId, now);
    await this.save(tx, raised);
    if (raised.size > 0) await this.sweep(tx, now);
    return rest;
  }

  /** Reads what is remembered under the keys, and keeps it as it is until the end of the transaction. */
  private async lock(tx: EntityManager, keys: string[]): Promise<Map<string, ThrottleMemory>> {
    const memory = new Map<string, ThrottleMemory>();
    for (let i = 0; i < keys.length; i += CHUNK) {
      const chunk = keys.slice(i, i + CHUNK);
      const found = await rows<{ throttle: string; told: string; until: number }>(
        tx,
        this.database.dialect.bind(
          `insert into throttles (throttle, told, until_at) values ${chunk.map(() => `(?, '[]', 0)`).join(', ')}
           on conflict (throttle) do update set told = throttles.told returning throttle, told, until_at as "until"`,
        ),
        chunk,
      );
      for (const { throttle, told, until } of found)
        memory.set(throttle, { told: JSON.parse(told) as ToldCall[], until });
    }
    return memory;
  }

  private async save(tx: EntityManager, raised: ReadonlyMap<string, ThrottleMemory>): Promise<void> {
    const statement = this.database.dialect.bind('update throttles set told = ?, until_at = ? where throttle = ?');
    for (const [key, { told, until }] of raised) await changed(tx, statement, [JSON.stringify(told), until, key]);
  }

  /** A row that another transaction holds is left to the next. */
  private async sweep(tx: EntityManager, now: number): Promise<void> {
    const { dialect } = this.database;
    await changed(
      tx,
      dialect.bind(
        `delete from throttles where throttle in (
           select throttle from throttles where until_at < ? order by until_at limit ? ${dialect.claimLock})`,
      ),
      [now, SWEPT],
    );
  }
}
