import { existsSync } from 'node:fs';
import { ConfigError } from '../errors.js';
import { writeSource, type DatabaseSettings } from './data-source.js';
import { requireKnownMigrations } from './database.service.js';
import { SqliteFile } from './sqlite-file.service.js';
import { rows } from './unit-of-work.service.js';

/**
 * Takes the schema one release back, on a database that no Herald runs on. All of it in one transaction.
 * @returns the name of the migration that was undone
 * @throws ConfigError when a server runs on the file, the schema is of a newer version, or there is no earlier one
 */
export async function undoLastMigration(settings: DatabaseSettings): Promise<string> {
  if (settings.kind === 'sqlite' && !existsSync(settings.file))
    throw new ConfigError(`There is no ${settings.file}: HERALD_DATA_DIR must name the data`);
  const file = settings.kind === 'sqlite' ? SqliteFile.hold(settings.file) : undefined;
  const source = writeSource(settings, 'patient');
  try {
    file?.requireWhole();
    await source.initialize();
    await requireKnownMigrations(source);
    const runner = source.createQueryRunner();
    const applied = await rows<{ name: string }>(runner.manager, 'select name from migrations order by id desc', []);
    if (settings.kind === 'postgres') await runner.release();
    const [last, before] = applied;
    if (last === undefined || before === undefined)
      throw new ConfigError('There is no earlier release to go back to: the database has the first schema');
    await source.undoLastMigration({ transaction: 'all' });
    return last.name;
  } finally {
    if (source.isInitialized) await source.destroy();
    file?.release();
  }
}
