import { DataSource } from 'typeorm';
import { writeSource, type DatabaseSettings } from '../../src/database/data-source.js';
import { First1700000000001 } from '../../src/database/migrations/0001-first.js';
import { SECRET } from './server.js';
import type { Stage } from './stage.js';

const NOW = 1_760_000_000_000;
/** A completed job. */
export const JOB = '0199c3a0-0000-7000-8000-000000000001';
/** One whose callback is still to come, to be told to dana@clinic.example. */
export const WAITING = '0199c3a0-0000-7000-8000-000000000002';
const DELIVERY = '0199c3a0-0000-7000-8000-000000000003';

type Row = Record<string, string | number | boolean>;

/** Rows as the first release wrote them: of every table, the columns that must not be null, and those that this test asks for. */
const ROWS: [table: string, row: Row][] = [
  [
    'jobs',
    {
      id: JOB,
      state: 'completed',
      origin: 'api',
      options: '{}',
      tags: '{"client":"acme"}',
      attempts: 1,
      request_id: 'r1',
      created_at: NOW,
      settled_at: NOW,
    },
  ],
  [
    'jobs',
    {
      id: WAITING,
      state: 'submitted',
      origin: 'api',
      audio_kind: 'url',
      audio_url: 'https://files.clinic.example/a.wav',
      options: '{}',
      tags: '{"email":"dana@clinic.example"}',
      attempts: 1,
      request_id: 'r2',
      created_at: NOW,
      submitted_at: NOW,
    },
  ],
  [
    'callbacks',
    {
      id: DELIVERY,
      job_id: JOB,
      dedupe_key: 'k',
      state: 'settled',
      method: 'POST',
      bytes: 2,
      sha256: 'x',
      body: '{}',
      repeats: 0,
      replay: false,
      attempts: 0,
      received_at: NOW,
    },
  ],
  [
    'transcripts',
    {
      job_id: JOB,
      callback_id: DELIVERY,
      request_id: 'r1',
      duration: 12.5,
      text: 'wombat speaks',
      data: '{"text":"wombat speaks"}',
      created_at: NOW,
    },
  ],
  [
    'evaluations',
    {
      id: DELIVERY,
      job_id: JOB,
      trigger_name: 'transcript.completed',
      rule_id: JOB,
      rule_name: 'old',
      rule_version: 1,
      matched: true,
      data: '{}',
      skipped: '[]',
      created_at: NOW,
    },
  ],
  [
    'deliveries',
    {
      id: DELIVERY,
      job_id: JOB,
      trigger_name: 'transcript.completed',
      rule_id: JOB,
      rule_name: 'old',
      rule_version: 1,
      action: 0,
      channel: 'email',
      kind: 'email',
      recipient: 'old@clinic.example',
      recipient_data: '{}',
      template: 'transcript-ready',
      attach: '[]',
      matches: '[]',
      state: 'sent',
      dedupe_key: 'd',
      due_at: NOW,
      attempts_counted: 1,
      attempts_made: 1,
      queued_at: NOW,
      created_at: NOW,
      updated_at: NOW,
    },
  ],
  ['attempts', { delivery_id: DELIVERY, number: 1, started_at: NOW, ended_at: NOW, outcome: 'sent' }],
  [
    'contacts',
    { id: JOB, name: 'dana', name_key: 'dana', email: 'dana@clinic.example', created_at: NOW, updated_at: NOW },
  ],
  [
    'contact_groups',
    { id: JOB, name: 'desk', name_key: 'desk', members: '["dana"]', created_at: NOW, updated_at: NOW },
  ],
  ['suppressions', { id: JOB, kind: 'sms', address: '+14155552671', reason: 'STOP', created_at: NOW }],
  ['audit', { id: JOB, at: NOW, actor: 'admin', action: 'rule.created', subject: JOB, detail: '{}' }],
  ['meta', { name: 'of-the-first-release', value: '1' }],
];

const TABLES = [...new Set(ROWS.map(([table]) => table))];

/** A stopped server whose database is as the release before left it. */
export class PreviousRelease {
  private constructor(
    private readonly stage: Stage,
    /** For the commands that work on it. */
    readonly env: Record<string, string>,
  ) {}

  /**
   * Stops the server, and makes its database anew by the first migration alone.
   * @param more completed jobs over those of the rows above
   */
  static async make(stage: Stage, more = 0): Promise<PreviousRelease> {
    await stage.server.end();
    const { dataDir } = stage.server;
    const url = stage.databaseUrl;
    const settings: DatabaseSettings =
      url === undefined ? { kind: 'sqlite', file: `${dataDir}/herald.sqlite` } : { kind: 'postgres', url };
    const now = await writeSource(settings).initialize();
    while ((await now.query<unknown[]>('select 1 from migrations')).length > 0) await now.undoLastMigration();
    await now.destroy();
    const first = await new DataSource({
      ...writeSource(settings).options,
      migrations: [First1700000000001],
    }).initialize();
    await first.runMigrations();
    for (const [table, row] of ROWS) await insert(first, table, [row]);
    await insertWords(first, [JOB]);
    for (let from = 0; from < more; from += BATCH) await insertJobs(first, from, Math.min(BATCH, more - from));
    await first.destroy();
    return new PreviousRelease(stage, {
      HERALD_DATA_DIR: dataDir,
      HERALD_SECRET: SECRET,
      ...(url === undefined ? {} : { DATABASE_URL: url }),
    });
  }

  /** Every row of the first release's tables, rows and columns in a stable order. */
  async dump(): Promise<string[]> {
    const all: string[] = [];
    for (const table of TABLES)
      for (const row of await this.stage.sql(`select * from ${table}`))
        all.push(`${table} ${JSON.stringify(row, Object.keys(row).sort())}`);
    return all.sort();
  }
}

const BATCH = 100;

async function insertJobs(source: DataSource, from: number, count: number): Promise<void> {
  const ids = Array.from({ length: count }, (_, i) => `0199c3a1-0000-7000-8000-${String(from + i).padStart(12, '0')}`);
  const [job, transcript] = ['jobs', 'transcripts'].map((table) => ROWS.find(([name]) => name === table)?.[1] ?? {});
  await insert(
    source,
    'jobs',
    ids.map((id) => ({ ...job, id, request_id: `r-${id}`, submitted_at: NOW })),
  );
  await insert(
    source,
    'transcripts',
    ids.map((id) => ({ ...transcript, job_id: id, callback_id: id })),
  );
  await insertWords(source, ids);
}

async function insertWords(source: DataSource, ids: string[]): Promise<void> {
  const sqlite = source.options.type === 'better-sqlite3';
  const words = sqlite ? `'wombat speaks'` : `array_to_tsvector(array['wombat', 'speaks'])`;
  await source.query(
    `insert into transcripts_fts ${sqlite ? '(job_id, text)' : '(job_id, words)'}
       values ${ids.map((id) => `('${id}', ${words})`).join(', ')}`,
  );
}

async function insert(source: DataSource, table: string, rows: Row[]): Promise<void> {
  const columns = Object.keys(rows[0] ?? {});
  const values = rows.map((row) => `(${columns.map((column) => literal(row[column] ?? '')).join(', ')})`);
  await source.query(`insert into ${table} (${columns.join(', ')}) values ${values.join(', ')}`);
}

const literal = (value: string | number | boolean): string =>
  typeof value === 'string' ? `'${value}'` : String(value);
