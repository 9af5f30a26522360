import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { it } from '@jest/globals';
import { freePort } from './server.js';

const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));

/** `it` where the machine has what the test needs; else it is skipped and the reason printed. */
export function itNeeds(reason: string | undefined): typeof it | typeof it.skip {
  if (reason !== undefined) console.warn(`Skipped: ${reason}`);
  return reason === undefined ? it : it.skip;
}

/** Why no file system of a few megabytes can be made here; undefined when one can. */
export const noSmallDisk: string | undefined =
  process.platform === 'linux' && process.getuid?.() === 0 && tryMount()
    ? undefined
    : 'a disk that is full needs root and mount on Linux';

export const noStrace: string | undefined =
  spawnSync('strace', ['-f', '-e', 'trace=fsync', '-o', '/dev/null', 'true']).status === 0
    ? undefined
    : 'strace is missing or may not trace here (apt-get install -y strace)';

function tryMount(): boolean {
  const made = spawnSync('mktemp', ['-d']).stdout.toString().trim();
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', made]).status === 0;
  if (mounted) spawnSync('umount', [made]);
  spawnSync('rmdir', [made]);
  return mounted;
}

/** A file system of its own, of so many megabytes. */
export class SmallDisk {
  private constructor(readonly folder: string) {}

  static async mount(megabytes: number): Promise<SmallDisk> {
    const folder = await mkdtemp(path.join(tmpdir(), 'herald-disk-'));
    const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', folder]);
    if (status !== 0) throw new Error(`mount: ${String(stderr)}`);
    return new SmallDisk(folder);
  }

  /** From now on nothing can be written to it, or again. */
  readOnly(is: boolean): void {
    const { status, stderr } = spawnSync('mount', ['-o', `remount,${is ? 'ro' : 'rw'}`, this.folder]);
    if (status !== 0) throw new Error(`remount: ${String(stderr)}`);
  }

  async unmount(): Promise<void> {
    spawnSync('umount', ['-l', this.folder]);
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** The built server as a process that may refuse to start. */
export interface ServerRun {
  child: ChildProcess;
  url: string;
  /** Both streams. */
  output(): string;
  /** The exit code; null after a signal. */
  ended: Promise<number | null>;
}

export async function runServer(env: Record<string, string>): Promise<ServerRun> {
  const port = String(await freePort());
  const child = spawn(process.execPath, [MAIN], {
    env: { PATH: process.env.PATH ?? '', NODE_ENV: 'production', PORT: port, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()));
  return {
    child,
    url: `http://127.0.0.1:${port}`,
    output: () => text,
    ended: new Promise((resolve) => child.once('exit', resolve)),
  };
}

/** Asks the liveness route all the time. @returns a function that ends it and gives the longest answer in milliseconds */
export function watchHealth(url: string, everyMs = 50): () => Promise<number> {
  let longest = 0;
  const stop = new AbortController();
  const over = (): boolean => stop.signal.aborted;
  const loop = (async () => {
    while (!over()) {
      const started = performance.now();
      const { status } = await fetch(`${url}/healthz`);
      if (status !== 200) throw new Error(`healthz ${status}`);
      longest = Math.max(longest, performance.now() - started);
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
  })();
  loop.catch(() => undefined);
  return async () => {
    stop.abort();
    await loop;
    return longest;
  };
}

/** Waits until `done` gives something, and gives it. */
export async function eventually<T>(
  what: string,
  done: () => Promise<T | undefined | false>,
  timeoutMs = 30_000,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const found = await done();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > deadline) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
