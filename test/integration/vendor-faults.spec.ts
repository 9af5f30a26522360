import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { DISPATCHER, type DeliveryDispatcher } from '../../src/deliveries/delivery-dispatcher.js';
import { ChannelGate } from '../../src/deliveries/channel-gate.service.js';
import { DeliverService } from '../../src/deliveries/deliver.service.js';
import { DeliveriesStore } from '../../src/deliveries/deliveries.store.js';
import { EmbeddedDispatcher } from '../../src/deliveries/embedded.dispatcher.js';
import { HOUR, MINUTE, SECOND } from '../../src/duration.js';
import { Log } from '../../src/log.service.js';
import { readFixture } from '../fixtures/deepgram/index.js';
import { databases, HOOK_PASSWORD, TestApp } from '../support/app.js';
import { basic } from '../support/server.js';
import { startSmtpSink, type SmtpSink } from '../support/smtp-sink.js';
import { startTwilio, type TwilioStandIn } from '../support/twilio-fault-proxy.js';
import { until } from '../support/until.js';

const PATIENCE_MS = 60_000;
const CALL = JSON.parse(readFixture('diarized.json').toString('utf8')) as { metadata: Record<string, unknown> };

interface Shown {
  id: string;
  channel: string;
  state: string;
  createdAt: string;
  attempts: { startedAt: string; outcome: string | null; code: string | null }[];
}

describe.each(await databases())('vendors that fail on %s', (kind) => {
  const opened: { close(): Promise<unknown> }[] = [];
  afterEach(async () => {
    for (const one of opened.splice(0).reverse()) await one.close();
  });

  async function open(
    env: Record<string, string> = {},
  ): Promise<{ herald: TestApp; sink: SmtpSink; twilio: TwilioStandIn }> {
    const [sink, twilio] = [await startSmtpSink(), await startTwilio()];
    const herald = await TestApp.start(kind, {
      env: {
        SMTP_URL: sink.url,
        MAIL_FROM: 'herald@example.com',
        TWILIO_ACCOUNT_SID: `AC${'0'.repeat(32)}`,
        TWILIO_AUTH_TOKEN: 'token',
        TWILIO_FROM: '+15551234567',
        TWILIO_BASE_URL: twilio.url,
        HERALD_SMS_COUNTRIES: 'US',
        HERALD_SMS_PER_RECIPIENT_PER_HOUR: '500',
        ...env,
      },
    });
    opened.push(herald, sink, twilio);
    return { herald, sink, twilio };
  }

  /** Callbacks of calls that somebody else submitted, one notification for each tag. */
  async function calls(herald: TestApp, count: number, tags: Record<string, string>): Promise<void> {
    const one = async (): Promise<number> => {
      const metadata = { ...CALL.metadata, request_id: randomUUID(), extra: tags };
      const answer = await fetch(`${herald.url}/hook`, {
        method: 'POST',
        headers: { authorization: basic(HOOK_PASSWORD), 'content-type': 'application/json' },
        body: JSON.stringify({ ...CALL, metadata }),
      });
      return answer.status;
    };
    for (let left = count; left > 0; left -= 10) {
      const several = Math.min(10, left);
      expect(await Promise.all(Array.from({ length: several }, one))).toEqual(Array(several).fill(200));
    }
  }

  const MAIL = { email: 'dana@clinic.example' };
  const TEXT = { phone: '+14155552671' };

  async function shown(herald: TestApp, channel: string): Promise<Shown[]> {
    const { items } = await herald.all<Shown>(`/v1/deliveries?channel=${channel}`, 100);
    return Promise.all(items.map(async ({ id }) => (await herald.get<Shown>(`/v1/deliveries/${id}`)).body));
  }
  const count = async (herald: TestApp, where: string): Promise<number> => {
    const [row] = await herald.database.read<{ n: number }>(`select count(*) as n from deliveries where ${where}`);
    return Number(row?.n);
  };
  const all = (herald: TestApp, where: string, n: number) =>
    until(
      () => count(herald, where),
      (found) => found === n,
    );
  const stateOf = async (herald: TestApp, channel: string) =>
    (await herald.get('/v1/channels')).body.items.find(({ name }: { name: string }) => name === channel).state;
  /** The clock was set: the dispatcher, which sleeps by it, looks again. */
  const look = (herald: TestApp) => herald.app.get<DeliveryDispatcher>(DISPATCHER, { strict: false }).wake();

  it(
    'away for an hour, then back: few tries meanwhile, then oldest first within the rate limit, and nothing lost (P7)',
    async () => {
      const [messages, perSecond] = [60, 20];
      const { herald, sink } = await open({ HERALD_EMAIL_PER_SECOND: String(perSecond) });
      sink.fault = { at: 'connect', act: 'cut' };
      await calls(herald, messages, MAIL);
      await all(herald, `channel = 'email'`, messages);
      await until(
        () => stateOf(herald, 'email'),
        ({ cause }) => cause === 'breaker',
      );
      await all(herald, `state = 'sending'`, 0);
      for (let minutes = 0; minutes < 60; minutes += 6) {
        const before = sink.counts.connections;
        herald.clock.aheadMs += 6 * MINUTE;
        look(herald);
        await until(
          () => sink.counts.connections,
          (connections) => connections > before,
        );
        await all(herald, `state = 'sending'`, 0);
        expect(await stateOf(herald, 'email')).toMatchObject({ open: false, code: expect.any(String) });
      }
      // At first as many as were in hand at once, and then one at a time.
      expect(sink.counts.connections).toBeLessThan(16 + 5 + 10 * 2);
      expect(await count(herald, `state = 'dead'`)).toBe(0);

      sink.fault = undefined;
      herald.clock.aheadMs += HOUR;
      look(herald);
      await all(herald, `channel = 'email' and state = 'sent'`, messages);
      expect(sink.received).toHaveLength(messages);
      expect(new Set(sink.received.map(({ raw }) => /^X-Herald-Delivery: (.*)$/m.exec(raw)?.[1])).size).toBe(messages);

      const waited = (await shown(herald, 'email')).filter(({ attempts }) => attempts.length === 1);
      const begun = waited.map(({ attempts }) => Date.parse(attempts[0]?.startedAt ?? '')).sort((a, b) => a - b);
      expect(begun.length).toBeGreaterThan(messages / 2);
      const tookMs = (begun.at(-1) ?? 0) - (begun[0] ?? 0);
      // What was ready when the first began may have begun with it.
      expect(tookMs).toBeGreaterThan(((begun.length - 4) / perSecond) * SECOND * 0.8);
      const byAge = [...waited].sort((a, b) => Date.parse(a.createdAt) - Date.parse(b.createdAt)).map(({ id }) => id);
      const byStart = [...waited]
        .sort((a, b) => Date.parse(a.attempts[0]?.startedAt ?? '') - Date.parse(b.attempts[0]?.startedAt ?? ''))
        .map(({ id }) => id);
      // Several are in hand at a time.
      expect(Math.max(...byAge.map((id, age) => Math.abs(byStart.indexOf(id) - age)))).toBeLessThan(16);
    },
    3 * PATIENCE_MS,
  );

  it(
    'Twilio 401 closes SMS without hammering, mails go on, and nothing is lost or counted (P4)',
    async () => {
      const { herald, sink, twilio } = await open();
      twilio.fault = { answer: { status: 401, body: { code: 20003, message: 'Authenticate', status: 401 } } };
      await calls(herald, 1, TEXT);
      await until(
        () => stateOf(herald, 'sms'),
        ({ open: isOpen }) => !isOpen,
      );
      expect(await stateOf(herald, 'sms')).toMatchObject({ cause: 'vendor', code: '20003' });
      const asked = twilio.requests.length;
      await calls(herald, 20, { ...TEXT, ...MAIL });
      await all(herald, `channel = 'email' and state = 'sent'`, 20);
      expect(sink.received).toHaveLength(20);
      expect(twilio.requests).toHaveLength(asked);
      expect(await count(herald, `channel = 'sms' and state = 'queued' and attempts_counted = 0`)).toBe(21);
      twilio.fault = undefined;
      expect((await herald.api('POST', '/v1/channels/sms/resume')).status).toBe(200);
      await all(herald, `channel = 'sms' and state = 'sent'`, 21);
      expect(twilio.messages).toHaveLength(21);
    },
    2 * PATIENCE_MS,
  );

  it(
    'Twilio 429 is waited for as long as it asks, by every message of the channel, and held against none (P4)',
    async () => {
      const { herald, twilio } = await open();
      const slow = { code: 20429, message: 'Too many requests', status: 429 };
      twilio.fault = { answer: { status: 429, body: slow, headers: { 'retry-after': '600' } } };
      await calls(herald, 1, TEXT);
      const throttled = await until(
        () => stateOf(herald, 'sms'),
        ({ open: isOpen }) => !isOpen,
      );
      expect(throttled).toMatchObject({ cause: 'throttled', code: '20429' });
      expect(Math.abs(Date.parse(throttled.until) - Date.now() - 600 * SECOND)).toBeLessThan(60 * SECOND);
      const asked = twilio.requests.length;
      await calls(herald, 5, TEXT);
      twilio.fault = undefined;
      herald.clock.aheadMs = 8 * MINUTE;
      look(herald);
      await new Promise((resolve) => setTimeout(resolve, 500));
      expect(twilio.requests).toHaveLength(asked);
      expect(await count(herald, 'attempts_counted > 0')).toBe(0);
      herald.clock.aheadMs = 12 * MINUTE;
      look(herald);
      await all(herald, `channel = 'sms' and state = 'sent'`, 6);
      expect(twilio.messages).toHaveLength(6);
    },
    2 * PATIENCE_MS,
  );

  it(
    'Twilio that never answers holds its own sixteen places and nobody else: mails and callbacks go on (P6)',
    async () => {
      const { herald, sink, twilio } = await open();
      twilio.fault = { after: 'silence' };
      await calls(herald, 30, TEXT);
      await until(
        () => twilio.mostAtOnce,
        (atOnce) => atOnce >= 5,
      );
      const took: number[] = [];
      for (let i = 0; i < 10; i++) {
        const started = performance.now();
        await calls(herald, 1, MAIL);
        took.push(performance.now() - started);
      }
      await all(herald, `channel = 'email' and state = 'sent'`, 10);
      expect(sink.received).toHaveLength(10);
      expect(Math.max(...took)).toBeLessThan(5_000);
      expect(await count(herald, `channel = 'sms' and state = 'sending'`)).toBeLessThanOrEqual(16);
      expect(twilio.mostAtOnce).toBeLessThanOrEqual(16);
      expect(await count(herald, `channel = 'sms' and state = 'sent'`)).toBe(0);
      expect(await count(herald, `channel = 'sms'`)).toBe(30);
    },
    2 * PATIENCE_MS,
  );

  it(
    'a send that our own shutdown breaks off before the message went is released, not counted, and sent once afterwards (C10)',
    async () => {
      const { herald, sink } = await open();
      sink.fault = { at: 'rcpt', act: 'silence' };
      await calls(herald, 1, MAIL);
      await until(
        () => sink.counts.recipients,
        (recipients) => recipients === 1,
      );
      const before = await herald.database.read('select due_at from deliveries');
      await herald.app.get<DeliveryDispatcher>(DISPATCHER, { strict: false }).stop(50);
      const [released] = await shown(herald, 'email');
      expect(released).toMatchObject({ state: 'queued', attempts: [{ outcome: 'released', code: null }] });
      expect(await herald.database.read('select due_at from deliveries')).toEqual(before);
      expect(await count(herald, 'attempts_counted = 0 and lease_owner is null')).toBe(1);

      sink.fault = undefined;
      const get = <T>(token: abstract new (...args: never[]) => T): T => herald.app.get(token, { strict: false });
      const next = new EmbeddedDispatcher(
        ...([get(DeliveriesStore), get(DeliverService), get(ChannelGate), herald.clock, new Log('silent')] as const),
        { alone: kind === 'SQLite', pollMs: 100, paceOf: () => undefined },
      );
      await next.start();
      try {
        await all(herald, `state = 'sent'`, 1);
      } finally {
        await next.stop(1_000);
      }
      expect(sink.received).toHaveLength(1);
    },
    2 * PATIENCE_MS,
  );

  if (kind !== 'PostgreSQL') return;

  it(
    'clocks that jump two hours ahead take no delivery from a process that is at work on it (C17)',
    async () => {
      const { herald, sink } = await open();
      const other = await TestApp.start(kind, {
        sharing: herald,
        env: { SMTP_URL: sink.url, MAIL_FROM: 'herald@example.com' },
      });
      opened.push(other);
      // Longer than it takes until the work of dead processes is looked for.
      sink.delayMs = 8_000;
      await calls(herald, 1, MAIL);
      await until(
        () => sink.counts.messages,
        (messages) => messages === 1,
      );
      herald.clock.aheadMs = other.clock.aheadMs = 2 * HOUR;
      await all(herald, `state = 'sent'`, 1);
      const [sent] = await shown(herald, 'email');
      expect(sent?.attempts).toEqual([expect.objectContaining({ outcome: 'sent' })]);
      expect(sink.received).toHaveLength(1);
    },
    2 * PATIENCE_MS,
  );

  it(
    'a database that goes away for six seconds between a send and its outcome brings no second mail (C16)',
    async () => {
      const { herald, sink } = await open();
      sink.delayMs = 1_500;
      await calls(herald, 1, MAIL);
      await until(
        () => sink.counts.messages,
        (messages) => messages === 1,
      );
      const { pathname } = new URL(herald.databaseUrl);
      const name = pathname.slice(1);
      const admin = new pg.Client({ connectionString: herald.databaseUrl.replace(pathname, '/postgres') });
      await admin.connect();
      try {
        await admin.query(`alter database ${name} with allow_connections false`);
        await admin.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [name]);
        await new Promise((resolve) => setTimeout(resolve, 6_000));
        await admin.query(`alter database ${name} with allow_connections true`);
      } finally {
        await admin.end();
      }
      sink.delayMs = 0;
      const read = () => count(herald, `state = 'sent'`).catch(() => 0);
      await until(read, (sent) => sent === 1);
      const [sent] = await shown(herald, 'email');
      expect(sent?.attempts).toEqual([expect.objectContaining({ outcome: 'sent' })]);
      expect(sink.received).toHaveLength(1);
    },
    2 * PATIENCE_MS,
  );
});
