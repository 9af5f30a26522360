import { afterEach, describe, expect, it } from '@jest/globals';
import { AlertSink } from '../support/alert-sink.js';
import { header, startSmtpSink, type SmtpSink } from '../support/smtp-sink.js';
import { databases, PATIENCE_MS, Stage, type DatabaseKind, type StageOptions } from '../support/stage.js';

interface Health {
  status: string;
  problems: { key: string; kind: string; severity: string; since: string; count?: number; action: string }[];
  alerts: string[];
}

const CANARY = 'canary-9f3e';

let stage: Stage;
let webhook: AlertSink;
let mail: SmtpSink | undefined;

async function start(kind: DatabaseKind, options: StageOptions = {}): Promise<void> {
  webhook = await AlertSink.start();
  const env = { HERALD_ALERT_WEBHOOK_URL: webhook.url, HERALD_MIN_FREE_BYTES: '0', ...options.env };
  stage = await Stage.start(kind, { ...options, env });
}
afterEach(async () => {
  await stage.stop();
  await webhook.stop();
  await mail?.close();
  mail = undefined;
});
const health = async (): Promise<Health> => (await stage.server.get<Health>('/v1/health')).body;
const until = (line: string) => webhook.until(line, PATIENCE_MS);

describe.each(await databases())('what is wrong, on %s', (kind) => {
  /** A job whose mail is refused for good. */
  const dies = async (): Promise<void> => {
    const address = `${CANARY}-${String(Math.random()).slice(2)}@clinic.example`;
    stage.smtp.refuse(address);
    const id = await stage.create({ email: address });
    await stage.job(id, ({ deliveries }) => deliveries.some(({ state }) => state === 'dead'));
  };

  it(
    'is told once for each kind, shown with what to do, not told again after a restart, and told when it is over',
    async () => {
      await start(kind);
      expect(await health()).toMatchObject({ status: 'ok', problems: [], alerts: ['webhook'] });

      await dies();
      await until('new deliveries.dead');
      stage.deepgram.holdCallbacks();
      const broken = await stage.submitted();
      expect((await stage.server.hook(broken, `${CANARY} is no JSON`)).status).toBe(200);
      await until('new callbacks.quarantined');
      const late = await stage.submitted();
      await stage.sql(`update jobs set state = 'overdue', overdue_at = ${String(Date.now())} where id = '${late}'`);
      expect((await stage.server.api('POST', '/v1/channels/sms/pause', {})).status).toBe(200);
      await until('new channel.closed:sms');
      await until('new jobs.overdue');

      const { status, problems } = await health();
      expect(status).toBe('degraded');
      expect(problems.map(({ kind: one }) => one).sort()).toEqual([
        'callbacks.quarantined',
        'channel.closed',
        'deliveries.dead',
        'jobs.overdue',
      ]);
      for (const { since, action } of problems) {
        expect(Date.now() - Date.parse(since)).toBeLessThan(PATIENCE_MS * 2);
        expect(action).toMatch(/(GET|POST) \/v1\//);
      }
      const metrics = await (await fetch(`${stage.server.url}/metrics`)).text();
      expect(metrics).toContain('herald_problems{kind="deliveries.dead",severity="warning"} 1');

      await stage.server.end();
      await stage.sql(`update deliveries set state = 'unknown', due_at = ${String(Number.MAX_SAFE_INTEGER)}`);
      await stage.server.restart();
      await until('new deliveries.unknown');
      await until('over deliveries.dead');
      await stage.server.api('POST', '/v1/channels/sms/resume', {});
      await until('over channel.closed:sms');
      expect(webhook.heard.sort()).toEqual([
        'new callbacks.quarantined',
        'new channel.closed:sms',
        'new deliveries.dead',
        'new deliveries.unknown',
        'new jobs.overdue',
        'over channel.closed:sms',
        'over deliveries.dead',
      ]);
      expect(JSON.stringify([webhook.bodies, await health()])).not.toContain(CANARY);
      expect(stage.server.log).not.toContain(CANARY);
      expect(stage.server.log).not.toContain('secret-path');
      expect(stage.server.log).toContain('"operator.alert"');
    },
    2 * PATIENCE_MS,
  );
});

describe('an alert', () => {
  it(
    'comes over its own mail server when that of the messages refuses the login, and the webhook is broken',
    async () => {
      mail = await startSmtpSink({ login: { user: 'operator', pass: 'zqx7-password' } });
      await start('SQLite', {
        smtp: { credentials: { user: 'herald', password: 'another' } },
        smtpLogin: 'herald:wrong',
        env: { HERALD_ALERT_SMTP_URL: mail.url, HERALD_ALERT_TO: 'on-call@clinic.example' },
      });
      webhook.status = 302;
      await stage.create({ email: 'dana@clinic.example' });
      const { received } = mail;
      for (const end = Date.now() + PATIENCE_MS; received.length < 2 && Date.now() < end;)
        await new Promise((resolve) => setTimeout(resolve, 50));
      expect(received[0]).toMatchObject({ to: ['on-call@clinic.example'], from: 'herald@clinic.example' });
      const [first, second] = received.map(({ raw }) => raw);
      expect(header(first ?? '', 'subject')).toBe('[Herald] 1 problem: channel.closed');
      expect(first).toContain('CRITICAL The channel email is paused');
      // That the webhook fails is told over the way that works.
      expect(header(second ?? '', 'subject')).toBe('[Herald] 1 problem: alerts.path');
      expect((await health()).problems.map(({ key }) => key).sort()).toEqual([
        'alerts.path:webhook',
        'channel.closed:email',
      ]);
      expect(webhook.requests).toBeLessThan(5);

      const test = await stage.server.api('POST', '/v1/alerts/test');
      expect(test).toMatchObject({
        status: 200,
        body: {
          paths: [
            { path: 'webhook', ok: false, code: 'HTTP 302' },
            { path: 'mail', ok: true },
          ],
        },
      });
      webhook.status = 200;
      expect((await stage.server.api('POST', '/v1/alerts/test')).body).toMatchObject({
        paths: [{ ok: true }, { ok: true }],
      });
      expect(webhook.bodies[0]?.text).toContain('This is a test alert');
      expect(stage.server.log).not.toMatch(/zqx7|on-call@|secret-path/);
      // What it missed is brought to it, and not told anew.
      await until('new channel.closed:email');
      expect(mail.received.filter(({ raw }) => raw.includes('problem: channel.closed'))).toHaveLength(1);
    },
    2 * PATIENCE_MS,
  );

  it(
    'counts a callback that is too large as a transcript about to be lost',
    async () => {
      await start('SQLite', { env: { HERALD_MAX_CALLBACK_BYTES: '2KiB' } });
      stage.deepgram.holdCallbacks();
      const id = await stage.submitted();
      expect((await stage.server.hook(id, 'x'.repeat(3_000))).status).toBe(413);
      await stage.server.until<Health, true>(
        '/v1/health',
        ({ problems }) => problems.some(({ key, count }) => key === 'callbacks.refused' && count === 1) || undefined,
        PATIENCE_MS,
      );
      await until('new callbacks.refused');
    },
    PATIENCE_MS,
  );
});
