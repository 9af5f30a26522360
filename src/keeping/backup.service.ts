import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { copyFile, link, mkdir, open, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Settings } from '../config/env.js';
import { copySqlite, forgetBlobs, inspectCopy, type CopiedDatabase } from '../database/copy.service.js';
import { DAY } from '../duration.js';
import { ConfigError } from '../errors.js';
import { BLOBS, DATABASE, MANIFEST, SECRET, type BackupManifest } from './backup-manifest.js';

/** Whole blobs; a half-written one has another ending. */
const BLOB = /^(audio|callback)-[0-9a-f-]{36}$/;

/**
 * Writes a backup of a data directory, also of one that a running server works on, to a new directory that only the owner may read.
 * On PostgreSQL it holds the files and the secret; the database itself is pg_dump's.
 * @throws ConfigError when the target is there already, or there is nothing to back up
 */
export async function takeBackup(settings: Settings, target: string): Promise<BackupManifest> {
  if (existsSync(target)) throw new ConfigError(`${target} is there already: name a directory that is not`);
  if (settings.database.kind === 'sqlite' && !existsSync(settings.database.file))
    throw new ConfigError(`There is no ${settings.database.file}: HERALD_DATA_DIR must name the data to back up`);
  await forgetBroken(settings.dataDir);
  const suffix = randomBytes(4).toString('hex');
  const part = `${path.resolve(target)}.part-${suffix}`;
  // On the disk of the data, so that links can be made: what is deleted meanwhile is still there for the copy.
  const links = path.join(settings.dataDir, `.backup-${suffix}`);
  try {
    await mkdir(path.join(part, BLOBS), { recursive: true, mode: 0o700 });
    await mkdir(links, { recursive: true, mode: 0o700 });
    const manifest = await copyAll(settings, part, links);
    await writeFile(path.join(part, MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`, { mode: 0o600, flush: true });
    await rename(part, target);
    await sync(path.dirname(path.resolve(target)));
    return manifest;
  } finally {
    await rm(links, { recursive: true, force: true });
    await rm(part, { recursive: true, force: true });
  }
}

async function copyAll(settings: Settings, part: string, links: string): Promise<BackupManifest> {
  const blobs = path.join(settings.dataDir, BLOBS);
  await linkAll(blobs, links);
  const known =
    settings.database.kind === 'sqlite'
      ? await copyDatabase(settings.database.file, path.join(part, DATABASE))
      : { migrations: [], counts: {}, blobs: [...new Set([...(await names(blobs)), ...(await names(links))])] };
  const takenAt = Date.now();
  const missing: string[] = [];
  for (const key of known.blobs) {
    const to = path.join(part, BLOBS, key);
    if (!(await copied(path.join(links, key), to)) && !(await copied(path.join(blobs, key), to))) missing.push(key);
  }
  if (settings.database.kind === 'sqlite' && missing.length > 0) forgetBlobs(path.join(part, DATABASE), missing);
  if (settings.secret === undefined) await copied(path.join(settings.dataDir, SECRET), path.join(part, SECRET));
  return {
    format: 1,
    takenAt,
    database: settings.database.kind,
    migrations: known.migrations,
    counts: known.counts,
    files: await filesOf(part),
  };
}

async function copyDatabase(file: string, to: string): Promise<CopiedDatabase> {
  await copySqlite(file, to);
  return inspectCopy(to);
}

/** A backup that was killed leaves its links, which keep alive what is erased. None takes a day. */
async function forgetBroken(dataDir: string): Promise<void> {
  for (const name of await readdir(dataDir).catch(() => [])) {
    if (!/^\.backup-[0-9a-f]{8}$/.test(name)) continue;
    const left = path.join(dataDir, name);
    if (Date.now() - (await stat(left)).mtimeMs > DAY) await rm(left, { recursive: true, force: true });
  }
}

async function linkAll(from: string, to: string): Promise<void> {
  for (const name of await names(from)) {
    // Where the disk knows no links, a blob that is deleted meanwhile is missing; see `forgetBlobs`.
    await link(path.join(from, name), path.join(to, name)).catch(() => undefined);
  }
}

async function names(folder: string): Promise<string[]> {
  return (await readdir(folder).catch(() => [])).filter((name) => BLOB.test(name));
}

/** Copies a file, and syncs the copy. @returns false when there is no such file */
export async function copied(from: string, to: string): Promise<boolean> {
  if (!existsSync(from)) return false;
  await copyFile(from, to);
  await sync(to);
  return true;
}

/** Every file of a backup but its manifest, with its size and sum. */
export async function filesOf(folder: string): Promise<BackupManifest['files']> {
  const blobs = (await names(path.join(folder, BLOBS))).map((name) => `${BLOBS}/${name}`);
  const files: BackupManifest['files'] = {};
  for (const name of [DATABASE, SECRET, ...blobs]) {
    const file = path.join(folder, name);
    if (!existsSync(file)) continue;
    const hash = createHash('sha256');
    await pipeline(createReadStream(file), hash);
    files[name] = { bytes: (await stat(file)).size, sha256: hash.digest('hex') };
  }
  return files;
}

async function sync(file: string): Promise<void> {
  const handle = await open(file);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
