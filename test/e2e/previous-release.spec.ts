import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { DataSource } from 'typeorm';
import { writeSource, type DatabaseSettings } from '../../src/database/data-source.js';
import { First1700000000001 } from '../../src/database/migrations/0001-first.js';
import { readFixture } from '../fixtures/deepgram/index.js';
import { runCli } from '../support/cli.js';
import { SECRET } from '../support/server.js';
import { databases, PATIENCE_MS, Stage } from '../support/stage.js';

const NOW = 1_760_000_000_000;
const JOB = '0199c3a0-0000-7000-8000-000000000001';
const WAITING = '0199c3a0-0000-7000-8000-000000000002';
const DELIVERY = '0199c3a0-0000-7000-8000-000000000003';

/** Rows as the first release wrote them: of every table, the columns that must not be null, and those that this test asks for. */
const ROWS: [table: string, row: Record<string, string | number | boolean>][] = [
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

describe.each(await databases())('the file of the release before on %s', (kind) => {
  let stage: Stage;
  let settings: DatabaseSettings;
  let env: Record<string, string>;
  /** A stopped server whose database was made by the first migration alone. */
  beforeEach(async () => {
    stage = await Stage.start(kind);
    stage.deepgram.holdCallbacks();
    await stage.server.end();
    const { dataDir } = stage.server;
    const url = stage.databaseUrl;
    settings = url === undefined ? { kind: 'sqlite', file: `${dataDir}/herald.sqlite` } : { kind: 'postgres', url };
    env = { HERALD_DATA_DIR: dataDir, HERALD_SECRET: SECRET, ...(url === undefined ? {} : { DATABASE_URL: url }) };
    const now = await writeSource(settings).initialize();
    while ((await now.query<unknown[]>('select 1 from migrations')).length > 0) await now.undoLastMigration();
    await now.destroy();
    const first = await new DataSource({
      ...writeSource(settings).options,
      migrations: [First1700000000001],
    }).initialize();
    await first.runMigrations();
    for (const [table, row] of ROWS) {
      const values = Object.values(row).map(literal);
      await first.query(`insert into ${table} (${Object.keys(row).join(', ')}) values (${values.join(', ')})`);
    }
    const index = kind === 'SQLite' ? '(job_id, text)' : '(job_id, words)';
    const words = kind === 'SQLite' ? `'wombat speaks'` : `array_to_tsvector(array['wombat', 'speaks'])`;
    await first.query(`insert into transcripts_fts ${index} values ('${JOB}', ${words})`);
    await first.destroy();
  }, PATIENCE_MS);
  afterEach(() => stage.stop());

  /** Every row of the first release's tables, rows and columns in a stable order. */
  async function dump(): Promise<string[]> {
    const tables = [...new Set(ROWS.map(([table]) => table))];
    const all = await Promise.all(
      tables.map(async (table) => [table, await stage.sql(`select * from ${table}`)] as const),
    );
    return all
      .flatMap(([table, rows]) => rows.map((row) => `${table} ${JSON.stringify(row, Object.keys(row).sort())}`))
      .sort();
  }

  it(
    'goes up with every row and back again as it was (herald migrate --undo)',
    async () => {
      const before = await dump();
      expect(await runCli(['migrate'], env)).toMatchObject({ code: 0 });
      expect(await stage.count('erasures')).toBe(0);
      expect(await stage.count('jobs', 'deadline_at is not null')).toBe(1);
      const undone = await runCli(['migrate', '--undo'], env);
      expect(undone).toMatchObject({ code: 0, output: expect.stringContaining('Lost is what only this version knew') });
      expect(await dump()).toEqual(before);
      const further = await runCli(['migrate', '--undo'], env);
      expect(further).toMatchObject({ code: 1, output: expect.stringContaining('no earlier release') });
      expect(await dump()).toEqual(before);
    },
    2 * PATIENCE_MS,
  );

  it(
    'is taken over by this one: old transcripts are found, a late callback settles, a mail goes out',
    async () => {
      await stage.server.restart();
      const found = await stage.server.get<{ items: { jobId: string }[] }>('/v1/transcripts?q=wombat');
      expect(found.body.items).toMatchObject([{ jobId: JOB }]);
      expect((await stage.server.hook(WAITING, readFixture('diarized.json'))).status).toBe(200);
      await stage.job(WAITING, ({ deliveries }) =>
        deliveries.some(({ state, to }) => state === 'sent' && to === 'dana@clinic.example'),
      );
      expect((await stage.server.api('DELETE', `/v1/jobs/${JOB}`)).status).toBe(204);
      expect(await stage.count('transcripts_fts')).toBe(1);
    },
    2 * PATIENCE_MS,
  );
});

const literal = (value: string | number | boolean): string =>
  typeof value === 'string' ? `'${value}'` : String(value);
