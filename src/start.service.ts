import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { FsBlobStore } from './blobs/fs.blob-store.service.js';
import { makeChannels } from './channels/channels.registry.service.js';
import { SystemClock } from './clock.js';
import type { Settings } from './config/env.js';
import { Database } from './database/database.service.js';
import { ConfigError } from './errors.js';
import { FirstStart } from './first-start.service.js';
import { HeraldModule } from './herald.module.js';
import type { HeraldResources } from './herald.options.js';
import { configureHttpApp, createHttpAdapter } from './http/http-app.service.js';
import { NestLog } from './http/nest-log.service.js';
import { serveDocs } from './http/docs.service.js';
import { Log } from './log.service.js';
import { DeepgramProvider } from './providers/deepgram/deepgram.provider.js';
import { parsePresets, type Presets } from './providers/deepgram/presets.js';
import { keptSecret } from './secret.service.js';

/** Root of the package: templates and presets lie beside `dist` and `src`. */
const PACKAGE = fileURLToPath(new URL('..', import.meta.url));

/** A Herald that listens. */
export interface RunningHerald {
  app: NestFastifyApplication;
  /** Where it listens: `http://127.0.0.1:3000`. */
  url: string;
  settings: Settings;
  /** Made at the very first start; show it once. */
  adminKey: string | undefined;
  /** The secret was made at this start and lies in the data directory. */
  secretMade: boolean;
  /** Ends what is in hand, then closes. */
  stop(): Promise<void>;
}

/**
 * Starts Herald.
 * @throws ConfigError when the database, the templates or the presets cannot be used
 */
export async function startHerald(settings: Settings, log = new Log(settings.logLevel)): Promise<RunningHerald> {
  const { resources, secretMade } = await openResources(settings, log);
  try {
    const adapter = createHttpAdapter(log);
    const app = await NestFactory.create<NestFastifyApplication>(HeraldModule.of(resources), adapter, {
      logger: new NestLog(log),
      bodyParser: false,
      abortOnError: false,
    });
    await configureHttpApp(app);
    serveDocs(app);
    await app.listen(settings.port, settings.host);
    const url = await app.getUrl();
    return { app, url, settings, adminKey: app.get(FirstStart).adminKey, secretMade, stop: () => app.close() };
  } catch (error) {
    await resources.database.close().catch(() => undefined);
    throw startError(error, settings);
  }
}

/** Opens what a Herald needs, in the order in which a problem is best told. */
export async function openResources(
  settings: Settings,
  log: Log,
): Promise<{ resources: HeraldResources; secretMade: boolean }> {
  const presets = await loadPresets(settings.presetsFile ?? path.join(PACKAGE, 'presets', 'deepgram.json'));
  // Before the secret is made: a secret without a database tells that the database was lost.
  const database = await Database.open(settings.database);
  const { secret, made } = await secretOf(settings).catch(async (error: unknown) => {
    await database.close();
    throw error;
  });
  const resources: HeraldResources = {
    settings,
    secret,
    database,
    blobs: new FsBlobStore(path.join(settings.dataDir, 'blobs')),
    provider: new DeepgramProvider(settings.deepgram),
    presets,
    channels: makeChannels(settings),
    clock: new SystemClock(),
    log,
  };
  return { resources, secretMade: made };
}

async function secretOf({ secret, dataDir }: Settings): Promise<{ secret: string; made: boolean }> {
  return secret === undefined ? keptSecret(dataDir) : { secret, made: false };
}

async function loadPresets(file: string): Promise<Presets> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new ConfigError(`The presets file ${file} cannot be read (HERALD_PRESETS_FILE)`, { cause: error });
  }
  return parsePresets(text);
}

/** A port that is taken is the commonest fault of a start; it deserves a sentence. */
function startError(error: unknown, { port, host }: Settings): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'EADDRINUSE')
    return new ConfigError(`Port ${String(port)} on ${host} is taken. Set PORT to another one`, { cause: error });
  if (code === 'EACCES')
    return new ConfigError(`Port ${String(port)} needs more rights. Set PORT to one above 1023`, { cause: error });
  return error;
}
