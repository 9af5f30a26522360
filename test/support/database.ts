import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { DatabaseSettings } from '../../src/database/data-source.js';
import { Database } from '../../src/database/database.service.js';
import { Ids } from '../../src/ids.service.js';
import { MovableClock, type DatabaseKind } from './app.js';
import { freshDatabase } from './postgres.js';

/** A fresh, migrated database without the application around it. */
export class TestDatabase {
  readonly clock = new MovableClock();
  readonly ids = new Ids(this.clock);

  private constructor(
    readonly settings: DatabaseSettings,
    readonly database: Database,
    private readonly cleanUp: () => Promise<void>,
  ) {}

  static async open(kind: DatabaseKind): Promise<TestDatabase> {
    const { settings, cleanUp } = await freshSettings(kind);
    return new TestDatabase(settings, await Database.open(settings), cleanUp);
  }

  async close(): Promise<void> {
    await this.database.close();
    await this.cleanUp();
  }
}

/** Where a fresh database would be; nothing is opened yet. */
export async function freshSettings(
  kind: DatabaseKind,
): Promise<{ settings: DatabaseSettings; cleanUp: () => Promise<void> }> {
  if (kind === 'PostgreSQL') {
    const fresh = await freshDatabase();
    return { settings: { kind: 'postgres', url: fresh.url }, cleanUp: () => fresh.drop() };
  }
  const folder = await mkdtemp(path.join(tmpdir(), 'herald-database-'));
  return {
    settings: { kind: 'sqlite', file: path.join(folder, 'herald.db') },
    cleanUp: () => rm(folder, { recursive: true, force: true }),
  };
}
