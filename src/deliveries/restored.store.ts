import { Injectable } from '@nestjs/common';
import { Clock } from '../clock.js';
import { Database } from '../database/database.service.js';
import { changed } from '../database/unit-of-work.service.js';
import { isoTime } from '../iso-time.js';
import { uuidv7 } from '../ids.js';
import { NEVER } from './delivery.js';

/** Name of the row in `meta` that says up to when this database may lack what was sent. */
const RESTORED = 'restored-from';

/**
 * A database that was restored does not know what was sent after its backup. What was pending then, and what comes of jobs and
 * callbacks of that time, is held until a person releases it, so that nothing is sent a second time.
 */
@Injectable()
export class RestoredStore {
  private takenAt: Promise<number | undefined> | undefined;

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /**
   * To be run before the server starts on a restored database.
   * @param takenAt epoch milliseconds of the backup
   * @returns how many deliveries are held now
   */
  hold(takenAt: number): Promise<number> {
    const { dialect } = this.database;
    const now = this.clock.now();
    this.takenAt = undefined;
    return this.database.uow.run(async (tx) => {
      const change = (statement: string, parameters: unknown[]): Promise<number> =>
        changed(tx, dialect.bind(statement), parameters);
      await change(
        'insert into meta (name, value) values (?, ?) on conflict (name) do update set value = excluded.value',
        [RESTORED, String(takenAt)],
      );
      await change(
        `update attempts set ended_at = ?, outcome = 'ambiguous', code = 'RESTORED' where outcome is null
            and delivery_id in (select id from deliveries where state = 'sending')`,
        [now],
      );
      return change(
        `update deliveries set state = 'held', reason = ?, due_at = ?, lease_owner = null, lease_until = null, updated_at = ?
          where state in ('queued', 'waiting', 'sending', 'unknown')`,
        [reasonOf(takenAt), NEVER, now],
      );
    });
  }

  /** Why something that comes of the job or callback must be held; undefined when it may be sent. Ids are made in order of time. */
  async reason(ids: string[]): Promise<string | undefined> {
    this.takenAt ??= this.read().catch((error: unknown) => {
      this.takenAt = undefined;
      throw error;
    });
    const takenAt = await this.takenAt;
    if (takenAt === undefined) return undefined;
    const bound = uuidv7(takenAt, new Uint8Array(10));
    return ids.some((id) => id < bound) ? reasonOf(takenAt) : undefined;
  }

  private async read(): Promise<number | undefined> {
    const [row] = await this.database.read<{ value: string }>('select value from meta where name = ?', [RESTORED]);
    return row && Number(row.value);
  }
}

function reasonOf(takenAt: number): string {
  return `restored from a backup of ${isoTime(takenAt)}: may have been sent since; POST /v1/deliveries/retry sends it`;
}
