import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { FsBlobStore } from '../../src/blobs/fs.blob-store.service.js';
import type { Channel } from '../../src/channels/channel.js';
import { makeChannels } from '../../src/channels/channels.registry.service.js';
import { Clock } from '../../src/clock.js';
import { parseEnv } from '../../src/config/env.js';
import { Database } from '../../src/database/database.service.js';
import { HeraldModule } from '../../src/herald.module.js';
import type { HeraldResources } from '../../src/herald.options.js';
import { configureHttpApp, createHttpAdapter } from '../../src/http/http-app.service.js';
import { NestLog } from '../../src/http/nest-log.service.js';
import { Ids } from '../../src/ids.service.js';
import { JobsStore } from '../../src/jobs/jobs.store.js';
import { Log } from '../../src/log.service.js';
import { DeepgramProvider } from '../../src/providers/deepgram/deepgram.provider.js';
import { parsePresets } from '../../src/providers/deepgram/presets.js';
import type { Transcript } from '../../src/transcripts/transcript.js';
import { toStored } from '../../src/transcripts/pack.service.js';
import { TranscriptsStore } from '../../src/transcripts/transcripts.store.js';
import { freshDatabase, postgresUnavailable } from './postgres.js';

const PRESETS = fileURLToPath(new URL('../../presets/deepgram.json', import.meta.url));

export const ADMIN_KEY = 'admin-key-of-the-tests-0123456789';
export const SECRET = 'secret-of-the-tests-0123456789-0123456789';
export const HOOK_PASSWORD = 'hook-password-of-the-tests';

/** The machine's clock, which a test can set ahead. */
export class MovableClock extends Clock {
  aheadMs = 0;

  override now(): number {
    return Date.now() + this.aheadMs;
  }
}

/** Databases that a suite runs on: `describe.each(await databases())('on %s', (kind) => …)`. PostgreSQL only where it can be had. */
export async function databases(): Promise<DatabaseKind[]> {
  return (await postgresUnavailable()) === undefined ? ['SQLite', 'PostgreSQL'] : ['SQLite'];
}
export type DatabaseKind = 'SQLite' | 'PostgreSQL';

export interface AppOptions {
  /** Environment variables over those of the helper. */
  env?: Record<string, string>;
  channels?: Channel[];
  /** Another replica on the same PostgreSQL. */
  sharing?: TestApp;
}

export interface Answer<T> {
  status: number;
  headers: Headers;
  /** Parsed when it is JSON, text otherwise. */
  body: T;
}

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- an answer is looked at by expectations, not by the compiler
export type AnyBody = any;

/** The whole application behind its real HTTP layer on a free port, over a database of its own. */
export class TestApp {
  private constructor(
    readonly app: NestFastifyApplication,
    readonly url: string,
    readonly database: Database,
    readonly clock: MovableClock,
    /** Log lines, parsed. */
    readonly lines: Record<string, unknown>[],
    readonly databaseUrl: string,
    private readonly cleanUp: () => Promise<void>,
  ) {}

  static async start(kind: DatabaseKind, options: AppOptions = {}): Promise<TestApp> {
    const folder = await mkdtemp(path.join(tmpdir(), 'herald-app-'));
    const shared = options.sharing?.databaseUrl;
    const fresh = kind === 'PostgreSQL' && shared === undefined ? await freshDatabase() : undefined;
    const databaseUrl = shared ?? fresh?.url ?? '';
    const settings = parseEnv({
      HERALD_DATA_DIR: folder,
      HERALD_SECRET: SECRET,
      HERALD_ADMIN_KEY: ADMIN_KEY,
      HERALD_HOOK_PASSWORD: HOOK_PASSWORD,
      ...(databaseUrl === '' ? {} : { DATABASE_URL: databaseUrl }),
      ...options.env,
    });
    const lines: Record<string, unknown>[] = [];
    const log = new Log('debug', { write: (line) => lines.push(JSON.parse(line) as Record<string, unknown>) });
    const clock = new MovableClock();
    const database = await Database.open(settings.database);
    const resources: HeraldResources = {
      settings,
      secret: SECRET,
      database,
      blobs: new FsBlobStore(path.join(folder, 'blobs')),
      provider: new DeepgramProvider(settings.deepgram),
      presets: parsePresets(await readFile(PRESETS, 'utf8')),
      channels: options.channels ?? makeChannels(settings),
      clock,
      log,
    };
    const cleanUp = async (): Promise<void> => {
      await fresh?.drop();
      await rm(folder, { recursive: true, force: true });
    };
    const testing = await Test.createTestingModule({ imports: [HeraldModule.of(resources)] }).compile();
    const app = testing.createNestApplication<NestFastifyApplication>(createHttpAdapter(log), {
      logger: new NestLog(log),
      bodyParser: false,
    });
    await configureHttpApp(app);
    await app.listen(0, '127.0.0.1');
    return new TestApp(app, await app.getUrl(), database, clock, lines, databaseUrl, cleanUp);
  }

  async close(): Promise<void> {
    await this.app.close();
    await this.cleanUp();
  }

  /** A request with the admin key; JSON both ways unless the headers say otherwise. */
  async api<T = AnyBody>(
    method: string,
    route: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer<T>> {
    const response = await fetch(`${this.url}${route}`, {
      method,
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      headers: {
        authorization: `Bearer ${ADMIN_KEY}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
    });
    const text = await response.text();
    const isJson = /\bjson\b/.test(response.headers.get('content-type') ?? '');
    return { status: response.status, headers: response.headers, body: (isJson ? JSON.parse(text) : text) as T };
  }

  get<T = AnyBody>(route: string, headers: Record<string, string> = {}): Promise<Answer<T>> {
    return this.api<T>('GET', route, undefined, headers);
  }

  /** Another key, with these scopes. */
  async key(...scopes: string[]): Promise<string> {
    const { body } = await this.api('POST', '/v1/api-keys', { name: scopes.join(' '), scopes });
    return (body as { key: string }).key;
  }

  /** All items of a list, page by page. */
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- what the caller expects of the items
  async all<T = AnyBody>(route: string, limit: number): Promise<{ items: T[]; pages: number }> {
    const items: T[] = [];
    let cursor: string | undefined;
    for (let pages = 1; ; pages++) {
      const separator = route.includes('?') ? '&' : '?';
      const next = cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`;
      const { body } = await this.get<{ items: T[]; nextCursor?: string }>(
        `${route}${separator}limit=${String(limit)}${next}`,
      );
      items.push(...body.items);
      if (body.nextCursor === undefined) return { items, pages };
      cursor = body.nextCursor;
    }
  }

  /** A job with its transcript, as if its callback had been settled. @returns the job's id */
  async storeTranscript(transcript: Transcript, tags: Record<string, string> = {}): Promise<string> {
    const jobs = this.app.get(JobsStore, { strict: false });
    const transcripts = this.app.get(TranscriptsStore, { strict: false });
    const id = this.app.get(Ids, { strict: false }).next();
    return this.database.uow.run(async (tx) => {
      // Several jobs of one test may hold the same transcript; a request that was adopted is one job.
      await jobs.adopt(tx, { id, requestId: id, tags, options: {} });
      await transcripts.insert(tx, { jobId: id, callbackId: 'none', stored: toStored(transcript) });
      await jobs.complete(tx, id, id);
      return id;
    });
  }
}
