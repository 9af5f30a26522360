import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import type { SmtpStandInOptions } from '../../src/sandbox/smtp-stand-in.service.js';
import { attach, canTrace } from '../support/strace.js';
import { databases, PATIENCE_MS, Stage } from '../support/stage.js';
import { until } from '../support/until.js';

const email = (to: string) => [{ channel: 'email', to: [to], template: 'transcript-ready' }];
// Steps are made due by the database: no test waits for an hour.
const RULE = {
  name: 'urgent',
  actions: email('first@clinic.example'),
  escalate: [
    { after: '1h', actions: email('second@clinic.example') },
    { after: '1h', actions: email('third@clinic.example') },
  ],
};

interface EscalationBody {
  id: string;
  jobId: string;
  state: string;
  step: number;
  history: { step: number; deliveries: number }[];
}

describe.each(await databases())('an escalation whose server is killed, on %s', (kind) => {
  let stage: Stage;
  const smtp: SmtpStandInOptions = {};

  beforeAll(async () => {
    stage = await Stage.start(kind, { smtp });
    expect((await stage.server.api('POST', '/v1/rules', RULE)).status).toBe(201);
  }, PATIENCE_MS);

  afterAll(async () => {
    await stage.stop();
  }, PATIENCE_MS);

  const mailsTo = (address: string) => stage.smtp.mails.filter(({ envelope }) => envelope.to.includes(address));
  const escalation = (id: string, met: (found: EscalationBody) => boolean): Promise<EscalationBody> =>
    stage.server.until<EscalationBody, EscalationBody>(
      `/v1/escalations/${id}`,
      (found) => met(found) && found,
      PATIENCE_MS,
    );
  const dueNow = (id: string) => stage.sql(`update escalations set next_at = 1 where id = '${id}' and state = 'open'`);
  const ended = (): Promise<unknown> => stage.server.end('SIGKILL');

  /** A call whose rule has begun to escalate, and whose first message is out. @returns the escalation */
  async function begun(): Promise<EscalationBody> {
    const job = await stage.create({});
    await stage.job(
      job,
      ({ deliveries }) => deliveries.length > 0 && deliveries.every(({ state }) => state === 'sent'),
    );
    return stage.server.until<{ items: EscalationBody[] }, EscalationBody>(
      `/v1/escalations?jobId=${job}`,
      ({ items }) => items[0],
      PATIENCE_MS,
    );
  }

  /** Every step of it, taken once, with one delivery each, and sent. */
  async function expectWhole({ id, jobId }: EscalationBody): Promise<void> {
    await escalation(id, ({ step }) => step === 1);
    await dueNow(id);
    const whole = await escalation(id, ({ state }) => state === 'exhausted');
    expect(whole.history).toMatchObject([
      { step: 1, deliveries: 1 },
      { step: 2, deliveries: 1 },
    ]);
    const rows = await until(
      () =>
        stage.sql<{ escalation_step: number; state: string }>(
          `select escalation_step, state from deliveries where job_id = '${jobId}' and rule_name = 'urgent' order by escalation_step`,
        ),
      (found) => found.every(({ state }) => state === 'sent'),
    );
    expect(rows.map((row) => row.escalation_step)).toEqual([0, 1, 2]);
  }

  it(
    'goes on after the start with what was due meanwhile (C23)',
    async () => {
      const begins = await begun();
      await ended();
      await dueNow(begins.id);
      await stage.server.restart();
      await expectWhole(begins);
    },
    2 * PATIENCE_MS,
  );

  // PostgreSQL would be watched for half a minute before somebody takes over the send.
  const whileSending = kind === 'SQLite' ? it : undefined;
  whileSending?.(
    'takes the step whose messages were being sent no second time',
    async () => {
      const begins = await begun();
      const before = mailsTo('second@clinic.example').length;
      let struck = false;
      smtp.onMail = ({ envelope }) => {
        if (struck || !envelope.to.includes('second@clinic.example')) return;
        struck = true;
        process.kill(stage.server.pid, 'SIGKILL');
      };
      await dueNow(begins.id);
      await until(
        () => struck,
        (was) => was,
      );
      await stage.server.restart();
      await expectWhole(begins);
      // A mail whose answer was lost goes again, under the same Message-ID.
      const mails = mailsTo('second@clinic.example').slice(before);
      expect(new Set(mails.map(({ messageId }) => messageId)).size).toBe(1);
    },
    2 * PATIENCE_MS,
  );

  const inTheMiddle = kind === 'PostgreSQL' || canTrace() ? it : it.skip;
  inTheMiddle(
    'takes the step anew that it was in the middle of',
    async () => {
      const begins = await begun();
      await (kind === 'PostgreSQL' ? killWhileItWaits(begins.id) : killAtWrite(begins.id));
      await stage.server.restart();
      await expectWhole(begins);
    },
    2 * PATIENCE_MS,
  );

  /** The step is stored and its messages cannot be: nobody may insert a delivery. */
  async function killWhileItWaits(id: string): Promise<void> {
    const client = new pg.Client({ connectionString: stage.databaseUrl });
    await client.connect();
    try {
      await client.query('begin');
      await client.query('lock table deliveries in share mode');
      await dueNow(id);
      await until(
        () => stage.count('pg_stat_activity', `wait_event_type = 'Lock' and query like 'insert into deliveries%'`),
        (waiting) => waiting > 0,
      );
      await ended();
    } finally {
      await client.end();
    }
  }

  /** Pages of the commit are being written to the log. */
  async function killAtWrite(id: string): Promise<void> {
    const options = ['-o', '/dev/null', '-e', 'trace=pwrite64', '-e', 'inject=pwrite64:signal=SIGKILL:when=3'];
    const strace = await attach(stage.server.pid, options);
    if (typeof strace === 'string') throw new Error(`strace could not attach: ${strace}`);
    await dueNow(id);
    await until(
      () => isAlive(stage.server.pid),
      (alive) => !alive,
    );
    strace.kill('SIGKILL');
    await ended();
  }
});

/** One that is dead may stay in the table for as long as a tracer looks at it. */
function isAlive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) [ZX] /.test(readFileSync(`/proc/${String(pid)}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
