import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile } from 'node:fs/promises';
import path from 'node:path';
import { ConfigError } from './errors.js';

const FILE = 'secret';
const MIN_LENGTH = 32;

/**
 * The secret under which callback passwords and links are signed, kept in the data directory: made once, readable by the owner only.
 * @throws ConfigError when the file is there but cannot be a secret
 */
export async function keptSecret(dataDir: string): Promise<{ secret: string; made: boolean }> {
  await mkdir(dataDir, { recursive: true });
  const file = path.join(dataDir, FILE);
  const secret = randomBytes(48).toString('base64url');
  try {
    const handle = await open(file, 'wx', 0o600);
    await handle.writeFile(`${secret}\n`);
    await handle.sync();
    await handle.close();
    return { secret, made: true };
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) {
      throw new ConfigError(`HERALD_SECRET is not set and cannot be kept in ${file}: make the directory writable`, {
        cause: error,
      });
    }
  }
  const kept = (await readFile(file, 'utf8')).trim();
  if (kept.length < MIN_LENGTH) {
    throw new ConfigError(
      `${file} does not hold a secret of ${String(MIN_LENGTH)} characters. Restore it from a backup; a new one ends all open callbacks and links`,
    );
  }
  return { secret: kept, made: false };
}
