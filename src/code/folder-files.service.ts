import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { FolderFile } from './folder.js';

/** Folders that are looked at; what else there is stays untouched and unread. */
const READ = ['contacts', 'groups', 'redactions', 'rules', 'templates'];
const FILE_MAX = 1024 * 1024;
const FILES_MAX = 20_000;

/** The folder cannot be read or written. Its message is for people. */
export class FolderFault extends Error {}

/**
 * Every file of the known folders, hidden ones aside. Links are not followed.
 * @throws FolderFault when there is no such folder, or nothing in it that is known
 */
export async function readFiles(dir: string): Promise<FolderFile[]> {
  if (!(await isFolder(dir))) throw new FolderFault(`there is no folder ${dir}: herald export ${dir} makes one`);
  const files: FolderFile[] = [];
  let found = 0;
  for (const name of READ) {
    if (!(await isFolder(path.join(dir, name)))) continue;
    found++;
    await collect(dir, name, files);
  }
  if (found > 0) return files;
  throw new FolderFault(`${dir} has none of ${READ.join('/, ')}/`);
}

/** {@link readFiles} of a folder that may not be there yet. */
export async function readFilesIfAny(dir: string): Promise<FolderFile[]> {
  const names = (await isFolder(dir)) ? await readdir(dir) : [];
  return names.some((name) => READ.includes(name)) ? readFiles(dir) : [];
}

/** Each file is whole or as it was. @returns those that were not so before */
export async function writeFiles(dir: string, files: readonly FolderFile[]): Promise<string[]> {
  const written: string[] = [];
  for (const { path: name, text } of files) {
    const target = path.join(dir, ...name.split('/'));
    if ((await textOf(target)) === text) continue;
    await mkdir(path.dirname(target), { recursive: true });
    const fresh = `${target}.${String(process.pid)}.tmp`;
    try {
      // Contacts are addresses of people.
      await writeFile(fresh, text, { mode: 0o600, flag: 'wx' });
      await rename(fresh, target);
    } catch (error) {
      await rm(fresh, { force: true });
      throw error;
    }
    written.push(name);
  }
  return written;
}

/** A file that a test names, as it is. @param below the folder that it must stand in */
export async function readBeside(below: string, file: string): Promise<Uint8Array> {
  const target = path.resolve(below, file);
  if (!target.startsWith(`${path.resolve(below)}${path.sep}`)) throw new FolderFault(`${file} is outside the folder`);
  try {
    return await readFile(target);
  } catch {
    throw new FolderFault(`there is no file ${file}`);
  }
}

async function collect(dir: string, name: string, files: FolderFile[]): Promise<void> {
  const entries = await readdir(path.join(dir, name), { withFileTypes: true });
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const inside = `${name}/${entry.name}`;
    if (entry.name.startsWith('.') || entry.name.endsWith('.tmp')) continue;
    if (entry.isDirectory()) await collect(dir, inside, files);
    else if (entry.isFile()) files.push({ path: inside, text: await bounded(dir, inside) });
    if (files.length > FILES_MAX) throw new FolderFault(`${dir} has more than ${String(FILES_MAX)} files`);
  }
}

async function bounded(dir: string, name: string): Promise<string> {
  const file = path.join(dir, name);
  // Transcripts of tests are read when the test is.
  if (name.endsWith('.json') && !name.startsWith('templates/')) return '';
  if ((await stat(file)).size > FILE_MAX) throw new FolderFault(`${name} is larger than 1 MiB`);
  return readFile(file, 'utf8');
}

async function isFolder(dir: string): Promise<boolean> {
  try {
    return (await stat(dir)).isDirectory();
  } catch {
    return false;
  }
}

async function textOf(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch {
    return undefined;
  }
}
