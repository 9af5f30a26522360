import path from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import pg from 'pg';
import { DeepgramStandIn, type DeepgramStandInOptions } from '../../src/sandbox/deepgram-stand-in.service.js';
import { SmtpStandIn, type SmtpStandInOptions } from '../../src/sandbox/smtp-stand-in.service.js';
import { TwilioStandIn, type TwilioStandInOptions } from '../../src/sandbox/twilio-stand-in.service.js';
import { freshDatabase, postgresUnavailable, type FreshDatabase } from './postgres.js';
import { TestServer, type Answer } from './server.js';

export type DatabaseKind = 'SQLite' | 'PostgreSQL';

/** Databases that a suite runs on: `describe.each(await databases())('on %s', (kind) => …)`. PostgreSQL only where it can be had. */
export async function databases(): Promise<DatabaseKind[]> {
  return (await postgresUnavailable()) === undefined ? ['SQLite', 'PostgreSQL'] : ['SQLite'];
}

/** A busy machine may need long for what takes 20 ms on a quiet one; nothing here measures time. */
export const PATIENCE_MS = 60_000;

export interface JobBody {
  id: string;
  state: string;
  origin: string;
  tags: Record<string, string>;
  requestId: string | null;
  failure: { code: string; message: string } | null;
  attempts: number;
  nextAttemptAt: string | null;
  lastError: { code: string; message: string } | null;
  deadlineAt: string | null;
  resubmissions: number;
  overdueAt: string | null;
  submissions: { requestId: string; submittedAt: string }[];
  transcriptId: string | null;
  callbacks: { id: string; state: string; reason: string | null; repeats: number; bytes: number }[];
  evaluations: { ruleName: string; matched: boolean; on: string }[];
  deliveries: { id: string; channel: string; state: string; reason: string | null; to: string; ruleName: string }[];
}

export interface DeliveryBody {
  id: string;
  jobId: string;
  on: string;
  state: string;
  reason: string | null;
  providerMessageId: string | null;
  attempts: { number: number; outcome: string | null; code: string | null; error: string | null }[];
  message: { subject?: string; text: string; html?: string } | null;
}

export interface StageOptions {
  /** Variables over those that name the stand-ins; an empty value leaves one out. */
  env?: Record<string, string>;
  deepgram?: DeepgramStandInOptions;
  smtp?: SmtpStandInOptions;
  /** `user:password` in the URL of the mail stand-in. */
  smtpLogin?: string;
  twilio?: TwilioStandInOptions;
}

/** The built server on a database of its own, with a stand-in for everything that lies outside: real HTTP and SMTP on loopback. */
export class Stage {
  private constructor(
    readonly kind: DatabaseKind,
    readonly server: TestServer,
    readonly deepgram: DeepgramStandIn,
    readonly smtp: SmtpStandIn,
    readonly twilio: TwilioStandIn,
    /** Of the mail stand-in, without credentials. */
    readonly smtpUrl: string,
    private readonly database: FreshDatabase | undefined,
    private readonly env: Record<string, string>,
  ) {}

  static async start(kind: DatabaseKind, options: StageOptions = {}): Promise<Stage> {
    const database = kind === 'PostgreSQL' ? await freshDatabase() : undefined;
    const deepgram = new DeepgramStandIn(options.deepgram);
    const smtp = new SmtpStandIn(options.smtp);
    const twilio = new TwilioStandIn(options.twilio);
    const smtpUrl = await smtp.start();
    const env = {
      DEEPGRAM_API_KEY: 'deepgram-key-of-the-tests',
      DEEPGRAM_BASE_URL: await deepgram.start(),
      SMTP_URL: options.smtpLogin === undefined ? smtpUrl : smtpUrl.replace('//', `//${options.smtpLogin}@`),
      MAIL_FROM: 'Herald <herald@clinic.example>',
      TWILIO_ACCOUNT_SID: twilio.accountSid,
      TWILIO_AUTH_TOKEN: twilio.authToken,
      TWILIO_FROM: '+15551234567',
      TWILIO_BASE_URL: await twilio.start(),
      ...(database ? { DATABASE_URL: database.url } : {}),
      ...options.env,
    };
    return new Stage(kind, await TestServer.start(env), deepgram, smtp, twilio, smtpUrl, database, env);
  }

  /** Another process on the same PostgreSQL; the caller stops it. */
  replica(env: Record<string, string> = {}): Promise<TestServer> {
    return TestServer.start({ ...this.env, ...env });
  }

  /** Of its PostgreSQL; undefined on SQLite. */
  get databaseUrl(): string | undefined {
    return this.database?.url;
  }

  async stop(): Promise<void> {
    await this.server.stop();
    await Promise.all([this.deepgram.stop(), this.smtp.stop(), this.twilio.stop()]);
    await this.database?.drop();
  }

  /** Submits audio by URL. @returns the job's id, at once */
  async create(tags: Record<string, string> = {}, options: Record<string, unknown> = {}): Promise<string> {
    const audio = { url: 'https://files.clinic.example/call.wav' };
    const answer = await this.server.api<JobBody>('POST', '/v1/jobs', { audio, options, tags });
    if (answer.status !== 202) throw new Error(`${String(answer.status)} ${JSON.stringify(answer.body)}`);
    return answer.body.id;
  }

  /** A job that Deepgram has taken and whose callback is still to come; needs `deepgram.holdCallbacks()`. */
  async submitted(tags: Record<string, string> = {}): Promise<string> {
    const id = await this.create(tags);
    await this.job(id, ({ state }) => state === 'submitted');
    return id;
  }

  /** Waits until the job is as told, and gives it. */
  job(id: string, when: (job: JobBody) => boolean): Promise<JobBody> {
    return this.server.until<JobBody, JobBody>(`/v1/jobs/${id}`, (job) => when(job) && job, PATIENCE_MS);
  }

  /** Waits until every callback of the job is settled. */
  settled(id: string): Promise<JobBody> {
    return this.job(id, ({ callbacks }) => callbacks.length > 0 && callbacks.every(({ state }) => state !== 'pending'));
  }

  delivery(id: string, when: (delivery: DeliveryBody) => boolean = () => true): Promise<DeliveryBody> {
    return this.server.until<DeliveryBody, DeliveryBody>(
      `/v1/deliveries/${id}`,
      (delivery) => when(delivery) && delivery,
      PATIENCE_MS,
    );
  }

  /** Every page of a list. */
  async all<T>(route: string): Promise<T[]> {
    const items: T[] = [];
    let cursor: string | undefined;
    do {
      const query = `${route.includes('?') ? '&' : '?'}limit=100${cursor === undefined ? '' : `&cursor=${cursor}`}`;
      const { body }: Answer<{ items: T[]; nextCursor?: string }> = await this.server.get(`${route}${query}`);
      items.push(...body.items);
      cursor = body.nextCursor;
    } while (cursor !== undefined);
    return items;
  }

  /** Asks the database itself, for what the API does not show: rows that must not be there. */
  async sql<T = Record<string, unknown>>(statement: string): Promise<T[]> {
    if (!this.database) {
      const database = new BetterSqlite3(path.join(this.server.dataDir, 'herald.sqlite'), { timeout: 5_000 });
      try {
        const prepared = database.prepare(statement);
        return prepared.reader ? (prepared.all() as T[]) : (prepared.run(), []);
      } finally {
        database.close();
      }
    }
    const client = new pg.Client({ connectionString: this.database.url });
    await client.connect();
    try {
      return (await client.query(statement)).rows as T[];
    } finally {
      await client.end();
    }
  }

  async count(table: string, where = '1 = 1'): Promise<number> {
    const [row] = await this.sql<{ n: number | string }>(`select count(*) as n from ${table} where ${where}`);
    return Number(row?.n);
  }
}
