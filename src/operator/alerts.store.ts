import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Clock } from '../clock.js';
import { Database } from '../database/database.service.js';
import { changed, rows } from '../database/unit-of-work.service.js';
import { isObject } from '../json.js';
import type { Told } from './alert.js';
import { PROBLEM_KINDS, SEVERITIES } from './problem.js';

/** Which replica tells of what is the same for all: a row of `meta`. */
const TELLER = 'alerts.teller';

interface AlertRow {
  key: string;
  kind: string;
  since: number;
  told_at: number;
  detail: string;
}

/** What the operator was told, so that a restart, or another replica, does not tell it again. */
@Injectable()
export class AlertsStore {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  async all(): Promise<Told[]> {
    const found = await this.database.read<AlertRow>(
      'select key, kind, since, told_at, detail from alerts where told_at is not null',
    );
    return found.flatMap((row) => toTold(row) ?? []);
  }

  async save(told: readonly Told[], forget: readonly string[]): Promise<void> {
    if (told.length === 0 && forget.length === 0) return;
    await this.database.uow.run(async (tx) => {
      for (const one of told) await this.upsert(tx, one);
      for (const key of forget) await changed(tx, this.bind('delete from alerts where key = ?'), [key]);
    });
  }

  /**
   * Takes or keeps the part of the one that tells; where there can be one process only, it is always that one.
   * @param owner unlike that of every other process
   */
  async lead(owner: string, leaseMs: number): Promise<boolean> {
    const { dialect } = this.database;
    if (!dialect.concurrentWriters) return true;
    const now = this.clock.now();
    return this.database.uow.run(async (tx) => {
      await changed(tx, this.bind('insert into meta (name, value) values (?, ?) on conflict (name) do nothing'), [
        TELLER,
        '0 nobody',
      ]);
      const [row] = await rows<{ value: string }>(
        tx,
        this.bind(`select value from meta where name = ? ${dialect.rowLock}`),
        [TELLER],
      );
      const [until = '0', holder = ''] = (row?.value ?? '').split(' ');
      // A lease that ends later than any can was written by a clock that was ahead.
      if (holder !== owner && Number(until) > now && Number(until) <= now + 2 * leaseMs) return false;
      await changed(tx, this.bind('update meta set value = ? where name = ?'), [`${now + leaseMs} ${owner}`, TELLER]);
      return true;
    });
  }

  /** Lets another replica tell at once; does nothing for who does not lead. */
  async leave(owner: string): Promise<void> {
    if (!this.database.dialect.concurrentWriters) return;
    const statement = this.bind("update meta set value = '0 nobody' where name = ? and value like ?");
    await this.database.uow.run((tx) => changed(tx, statement, [TELLER, `% ${owner}`]));
  }

  private async upsert(tx: EntityManager, { key, kind, since, toldAt, ...detail }: Told): Promise<void> {
    await changed(
      tx,
      this.bind(
        `insert into alerts (key, kind, since, told_at, detail) values (?, ?, ?, ?, ?)
         on conflict (key) do update set since = excluded.since, told_at = excluded.told_at, detail = excluded.detail`,
      ),
      [key, kind, since, toldAt, JSON.stringify(detail)],
    );
  }

  private bind(statement: string): string {
    return this.database.dialect.bind(statement);
  }
}

/** Undefined for a row that this version does not understand. */
function toTold(row: AlertRow): Told | undefined {
  const kind = PROBLEM_KINDS.find((one) => one === row.kind);
  const detail: unknown = JSON.parse(row.detail);
  if (kind === undefined || !isObject(detail)) return undefined;
  const { severity, summary, count, over } = detail;
  return {
    key: row.key,
    kind,
    severity: SEVERITIES.find((one) => one === severity) ?? 'warning',
    summary: typeof summary === 'string' ? summary : '',
    since: row.since,
    count: typeof count === 'number' ? count : null,
    toldAt: row.told_at,
    over: over === true,
  };
}
