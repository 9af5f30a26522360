import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readdir, readFile, rename, rm, rmdir } from 'node:fs/promises';
import path from 'node:path';
import { SystemClock } from '../clock.js';
import { Database } from '../database/database.service.js';
import type { DatabaseSettings } from '../database/data-source.js';
import { RestoredStore } from '../deliveries/restored.store.js';
import { ConfigError } from '../errors.js';
import { backupManifest, BLOBS, DATABASE, MANIFEST, SECRET, type BackupManifest } from './backup-manifest.js';
import { copied, filesOf } from './backup.service.js';

/** What a restore made. */
export interface Restored {
  manifest: BackupManifest;
  /** Deliveries that wait for a person now; undefined when nothing was held. */
  held: number | undefined;
}

/**
 * Makes a data directory of a backup: checked whole before anything is written, brought to the schema of this version, and there only
 * when all of it is.
 * @param options.send keeps queued what was queued: for a backup after which nothing was sent
 * @throws ConfigError when the backup is damaged or made by a newer version, or the directory is not empty
 */
export async function restoreBackup(backup: string, target: string, options: { send: boolean }): Promise<Restored> {
  const present = await readdir(target).catch(() => []);
  if (present.length > 0) throw new ConfigError(`${target} is not empty: restore to a directory that is`);
  const manifest = await checkedManifest(backup);
  const part = `${path.resolve(target)}.part-${randomBytes(4).toString('hex')}`;
  try {
    await mkdir(path.join(part, BLOBS), { recursive: true, mode: 0o700 });
    for (const name of Object.keys(manifest.files)) await copied(path.join(backup, name), path.join(part, name));
    if (SECRET in manifest.files) await chmod(path.join(part, SECRET), 0o600);
    const held =
      manifest.database === 'sqlite'
        ? await open(path.join(part, DATABASE), manifest.takenAt, options.send)
        : undefined;
    await rmdir(target).catch(() => undefined);
    await rename(part, target);
    return { manifest, held };
  } finally {
    await rm(part, { recursive: true, force: true });
  }
}

/**
 * Holds everything that is not sent yet, on a database whose server is stopped.
 * @param takenAt epoch milliseconds up to when the database may lack what was sent
 * @returns how many deliveries are held now
 */
export async function holdPending(settings: DatabaseSettings, takenAt: number): Promise<number> {
  const database = await Database.open(settings);
  try {
    return await new RestoredStore(database, new SystemClock()).hold(takenAt);
  } finally {
    await database.close();
  }
}

async function open(file: string, takenAt: number, send: boolean): Promise<number | undefined> {
  const settings = { kind: 'sqlite', file } as const;
  if (!send) return holdPending(settings, takenAt);
  await (await Database.open(settings)).close();
  return undefined;
}

async function checkedManifest(backup: string): Promise<BackupManifest> {
  const text = await readFile(path.join(backup, MANIFEST), 'utf8').catch(() => undefined);
  if (text === undefined)
    throw new ConfigError(`There is no ${MANIFEST} in ${backup}: it is no backup, or not a whole one`);
  const parsed = backupManifest.safeParse(jsonOf(text));
  if (!parsed.success) throw new ConfigError(`${MANIFEST} in ${backup} cannot be read`);
  const found = await filesOf(backup);
  for (const [name, { bytes, sha256 }] of Object.entries(parsed.data.files)) {
    if (found[name] === undefined) throw new ConfigError(`The backup lacks ${name}`);
    if (found[name].bytes !== bytes || found[name].sha256 !== sha256)
      throw new ConfigError(`${name} in the backup is not as it was written: its sum is another`);
  }
  return parsed.data;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
