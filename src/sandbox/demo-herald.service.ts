import { randomBytes } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { parseEnv } from '../config/env.js';
import { Log } from '../log.service.js';
import { startHerald } from '../start.service.js';
import { DemoPlanError, type DemoPlan } from './demo-plan.js';

const FIRST_PORT = 3000;
const PORTS_TRIED = 50;

/** Herald in this process, in a folder of its own. */
export interface DemoHerald {
  /** Without a slash at the end. */
  url: string;
  /** Admin key, made for this run. */
  key: string;
  /** File that its log lines go to. */
  log: string;
  /** The last warnings and errors of the log, for people. */
  complaints(): Promise<string[]>;
  stop(): Promise<void>;
}

/** @param vendors variables that lead to the vendors; the rest is the demo's own */
export async function startDemoHerald(
  plan: DemoPlan,
  vendors: Record<string, string>,
  folder: string,
): Promise<DemoHerald> {
  const port = await choosePort(plan);
  const url = `http://127.0.0.1:${String(port)}`;
  const key = `demo-${randomBytes(12).toString('hex')}`;
  const settings = parseEnv({
    ...vendors,
    PORT: String(port),
    HERALD_PUBLIC_URL: plan.publicUrl ?? url,
    HERALD_DATA_DIR: join(folder, 'data'),
    HERALD_ADMIN_KEY: key,
  });
  const log = join(folder, 'herald.log');
  const lines = createWriteStream(log);
  const herald = await startHerald(settings, new Log(settings.logLevel, lines));
  const stop = async (): Promise<void> => {
    await herald.stop();
    await new Promise<void>((resolve) => lines.end(resolve));
  };
  return { url, key, log, stop, complaints: () => complaintsIn(log) };
}

async function choosePort({ port, publicUrl }: DemoPlan): Promise<number> {
  const wanted = port ?? (publicUrl === undefined ? undefined : FIRST_PORT);
  if (wanted !== undefined) {
    if (await isFree(wanted)) return wanted;
    throw new DemoPlanError(`Port ${String(wanted)} is taken. Set PORT to another one.`);
  }
  for (let candidate = FIRST_PORT; candidate < FIRST_PORT + PORTS_TRIED; candidate++) {
    if (await isFree(candidate)) return candidate;
  }
  throw new DemoPlanError(
    `Ports ${String(FIRST_PORT)} to ${String(FIRST_PORT + PORTS_TRIED - 1)} are all taken. Set PORT to a free one.`,
  );
}

async function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => {
      resolve(false);
    });
    probe.listen(port, '127.0.0.1', () => {
      probe.close(() => {
        resolve(true);
      });
    });
  });
}

const WARNING = 40;

async function complaintsIn(log: string): Promise<string[]> {
  const lines = (await readFile(log, 'utf8').catch(() => '')).split('\n').filter(Boolean);
  const entries = lines.map(
    (line) => JSON.parse(line) as { level: number; event: string; error?: string; errorCode?: string },
  );
  return entries
    .filter(({ level }) => level >= WARNING)
    .slice(-3)
    .map(({ event, error, errorCode }) => [event, error, errorCode].filter(Boolean).join(' '));
}
