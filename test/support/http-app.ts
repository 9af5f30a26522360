import { mkdtemp, rm } from 'node:fs/promises';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Module, type DynamicModule, type Type } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { makeChannels, ChannelsRegistry } from '../../src/channels/channels.registry.service.js';
import { Clock } from '../../src/clock.js';
import { SETTINGS } from '../../src/config/settings.js';
import { DatabaseModule } from '../../src/database/database.module.js';
import { Database } from '../../src/database/database.service.js';
import { EventBus } from '../../src/event-bus.service.js';
import { HealthModule } from '../../src/health/health.module.js';
import { ApiKeysStore } from '../../src/http/api-keys.store.js';
import { serveDocs } from '../../src/http/docs.service.js';
import { configureHttpApp, createHttpAdapter } from '../../src/http/http-app.service.js';
import { HttpModule } from '../../src/http/http.module.js';
import { NestLog } from '../../src/http/nest-log.service.js';
import { Log } from '../../src/log.service.js';
import { Metrics } from '../../src/metrics.service.js';

export const ADMIN_KEY = 'herald_admin-key-of-the-tests-0123456789';

/** A clock that a test moves. */
export class TestClock extends Clock {
  time = 1_800_000_000_000;

  override now(): number {
    return this.time;
  }
}

/** The HTTP layer on a real server and a real database, with the controllers of the test. */
export interface HttpTestApp {
  app: NestFastifyApplication;
  url: string;
  port: number;
  /** Log lines, parsed. */
  lines: Record<string, unknown>[];
  clock: TestClock;
  database: Database;
  keys: ApiKeysStore;
  bus: EventBus;
  metrics: Metrics;
  close(): Promise<void>;
}

export async function startHttpApp(
  controllers: Type[] = [],
  adminKey: string | undefined = ADMIN_KEY,
): Promise<HttpTestApp> {
  const folder = await mkdtemp(path.join(tmpdir(), 'herald-http-'));
  const database = await Database.open({ kind: 'sqlite', file: path.join(folder, 'herald.db') });
  const lines: Record<string, unknown>[] = [];
  const log = new Log('debug', { write: (line) => lines.push(JSON.parse(line) as Record<string, unknown>) });
  const clock = new TestClock();
  const testing = await Test.createTestingModule({
    imports: [DatabaseModule.of(database, clock), coreModule(log, adminKey, folder), HttpModule, HealthModule],
    controllers,
  }).compile();
  const app = testing.createNestApplication<NestFastifyApplication>(createHttpAdapter(log), {
    logger: new NestLog(log),
    bodyParser: false,
  });
  await configureHttpApp(app);
  serveDocs(app);
  try {
    await app.listen(0, '127.0.0.1');
  } catch (error) {
    await app.close();
    await rm(folder, { recursive: true });
    throw error;
  }
  const { port } = app.getHttpServer().address() as AddressInfo;
  return {
    app,
    url: `http://127.0.0.1:${String(port)}`,
    port,
    lines,
    clock,
    database,
    keys: app.get(ApiKeysStore),
    bus: app.get(EventBus),
    metrics: app.get(Metrics),
    close: async () => {
      await app.close();
      await rm(folder, { recursive: true });
    },
  };
}

function coreModule(log: Log, adminKey: string | undefined, dataDir: string): DynamicModule {
  const providers = [
    Metrics,
    EventBus,
    { provide: Log, useValue: log },
    { provide: SETTINGS, useValue: { adminKey, dataDir } },
    { provide: ChannelsRegistry, useValue: new ChannelsRegistry(makeChannels({})) },
  ];
  return { module: Core, global: true, providers, exports: providers };
}

/** What an application has besides: settings, log, counts, events, channels. */
@Module({})
class Core {}

/** Sends raw bytes and answers what came back until the server closed (or `ms` passed). */
export function rawRequest(port: number, bytes: string, ms = 3_000): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    let answer = '';
    const timer = setTimeout(() => socket.destroy(), ms);
    socket.on('data', (chunk) => (answer += chunk.toString('latin1')));
    socket.on('error', reject);
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(answer);
    });
  });
}
