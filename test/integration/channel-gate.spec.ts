import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { ChannelStatesStore } from '../../src/deliveries/channel-states.store.js';
import { DISPATCHER, type DeliveryDispatcher } from '../../src/deliveries/delivery-dispatcher.js';
import { MINUTE } from '../../src/duration.js';
import { basic, freePort } from '../support/server.js';
import { HOOK_PASSWORD, TestApp, databases } from '../support/app.js';
import { startSmtpSink, type SmtpSink } from '../support/smtp-sink.js';
import { until } from '../support/until.js';
import { readFixture } from '../fixtures/deepgram/index.js';

const PATIENCE_MS = 60_000;

interface Delivery {
  id: string;
  state: string;
  channel: string;
  attempts: { number: number }[];
}

describe.each(await databases())('the gate of a channel on %s', (kind) => {
  const opened: { close(): Promise<void> }[] = [];
  let serial = 0;
  afterEach(async () => {
    for (const one of opened.splice(0).reverse()) await one.close();
  });

  async function open(smtpUrl?: string): Promise<{ herald: TestApp; sink: SmtpSink }> {
    const sink = await startSmtpSink();
    opened.push(sink);
    const herald = await TestApp.start(kind, {
      env: { SMTP_URL: smtpUrl ?? sink.url, MAIL_FROM: 'herald@example.com' },
    });
    opened.push(herald);
    return { herald, sink };
  }

  /** Callbacks of jobs that somebody else submitted, one mail each. */
  async function calls(herald: TestApp, count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      const body = JSON.parse(readFixture('diarized.json').toString('utf8')) as { metadata: Record<string, unknown> };
      body.metadata.request_id = `00000000-0000-4000-8000-${String(++serial).padStart(12, '0')}`;
      body.metadata.extra = { email: 'dana@clinic.example' };
      const answer = await fetch(`${herald.url}/hook`, {
        method: 'POST',
        headers: { authorization: basic(HOOK_PASSWORD), 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      expect(answer.status).toBe(200);
    }
  }

  const mails = async (herald: TestApp): Promise<Delivery[]> => {
    const { body } = await herald.get<{ items: Delivery[] }>('/v1/deliveries?channel=email&limit=100');
    return Promise.all(body.items.map(async ({ id }) => (await herald.get<Delivery>(`/v1/deliveries/${id}`)).body));
  };
  const state = async (herald: TestApp) =>
    (await herald.get('/v1/channels')).body.items.find(({ name }: { name: string }) => name === 'email').state;
  const allSent = (deliveries: Delivery[]) => deliveries.every((delivery) => delivery.state === 'sent');

  it(
    'closes when the vendor refuses the account, keeps what waits, is tried by one at a time, and opens by itself (P4)',
    async () => {
      const { herald, sink } = await open();
      sink.fault = { at: 'mail', reply: [535, '5.7.8 authentication required'] };
      await calls(herald, 1);
      const closed = await until(
        () => state(herald),
        ({ open: isOpen }) => !isOpen,
      );
      expect(closed).toMatchObject({ cause: 'vendor', until: expect.any(String) });
      const connections = sink.counts.connections;
      await calls(herald, 6);
      await until(
        () => mails(herald),
        (found) => found.length === 7,
      );
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      expect(sink.counts.connections).toBe(connections);

      // One trial, refused: closed for longer, and only one more attempt was made.
      const made = (found: Delivery[]) => found.flatMap(({ attempts }) => attempts).length;
      const before = made(await mails(herald));
      herald.clock.aheadMs = MINUTE + 1_000;
      await herald.api('POST', '/v1/deliveries/retry', { state: 'dead', dryRun: false });
      const tried = await until(
        () => mails(herald),
        (found) => made(found) > before,
      );
      expect(made(tried)).toBe(before + 1);
      expect(tried.every((delivery) => delivery.state === 'queued' || delivery.state === 'sending')).toBe(true);

      sink.fault = undefined;
      herald.clock.aheadMs = 10 * MINUTE;
      await herald.api('POST', '/v1/deliveries/retry', { state: 'dead', dryRun: false });
      await until(() => mails(herald), allSent);
      expect(await state(herald)).toEqual({ open: true });
      expect(sink.received).toHaveLength(7);
    },
    2 * PATIENCE_MS,
  );

  it(
    'is tried again when the database failed as a trial began (C16)',
    async () => {
      const { herald, sink } = await open();
      sink.fault = { at: 'mail', reply: [535, '5.7.8 authentication required'] };
      await calls(herald, 1);
      await until(
        () => state(herald),
        ({ cause }) => cause === 'vendor',
      );
      sink.fault = undefined;
      const store = herald.app.get(ChannelStatesStore, { strict: false });
      const take = jest.spyOn(store, 'takeTrial').mockRejectedValueOnce(new Error('connection lost'));
      herald.clock.aheadMs = MINUTE + 1_000;
      herald.app.get<DeliveryDispatcher>(DISPATCHER, { strict: false }).wake();
      await until(() => mails(herald), allSent);
      expect(take.mock.calls.length).toBeGreaterThan(1);
    },
    PATIENCE_MS,
  );

  it(
    'opens at once when a person resumes it, and what waited is sent',
    async () => {
      const { herald, sink } = await open();
      sink.fault = { at: 'mail', reply: [535, '5.7.8 authentication required'] };
      await calls(herald, 3);
      await until(
        () => state(herald),
        ({ cause }) => cause === 'vendor',
      );
      sink.fault = undefined;
      const { body } = await herald.api('POST', '/v1/channels/email/resume');
      expect(body).toMatchObject({ channel: 'email', open: true, cause: null });
      await until(() => mails(herald), allSent);
      expect((await herald.get('/v1/audit')).body.items).toContainEqual(
        expect.objectContaining({ action: 'channel.resumed', subject: 'email' }),
      );
    },
    PATIENCE_MS,
  );

  it(
    'the kill switch lets nothing out until it is resumed; nothing is counted or lost',
    async () => {
      const { herald, sink } = await open();
      const paused = await herald.api('POST', '/v1/sending/pause', { reason: 'wrong recipients' });
      expect(paused.body).toMatchObject({ paused: true, reason: 'wrong recipients' });
      expect((await herald.api('POST', '/v1/sending/pause', {})).status).toBe(400);
      await calls(herald, 4);
      await until(
        () => mails(herald),
        (found) => found.length === 4,
      );
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      expect(sink.counts.connections).toBe(0);
      expect((await mails(herald)).map(({ state: now, attempts }) => [now, attempts.length])).toEqual(
        Array(4).fill(['queued', 0]),
      );
      expect(await state(herald)).toMatchObject({ open: false, cause: 'kill-switch' });
      expect((await herald.api('POST', '/v1/channels/email/test', { to: 'a@example.com' })).status).toBe(409);
      // 100 hours: longer than any message is tried, and it was we who paused.
      herald.clock.aheadMs = 100 * 60 * MINUTE;
      expect((await herald.api('POST', '/v1/sending/resume')).body).toMatchObject({ paused: false });
      await until(() => mails(herald), allSent);
      expect(sink.received).toHaveLength(4);
    },
    PATIENCE_MS,
  );

  // Only PostgreSQL has replicas.
  if (kind === 'PostgreSQL') {
    it(
      'the kill switch holds on another replica at once, and after a start',
      async () => {
        const { herald, sink } = await open();
        const env = { SMTP_URL: sink.url, MAIL_FROM: 'herald@example.com' };
        const other = await TestApp.start(kind, { sharing: herald, env });
        opened.push(other);
        await calls(other, 3);
        await until(
          () => mails(herald),
          (found) => found.length === 3 && allSent(found),
        );
        expect((await herald.api('POST', '/v1/sending/pause', { reason: 'wrong recipients' })).status).toBe(200);
        const { connections, messages } = { ...sink.counts };
        await calls(other, 6);
        const later = await TestApp.start(kind, { sharing: herald, env });
        opened.push(later);
        await new Promise((resolve) => setTimeout(resolve, 2_000));
        expect(sink.counts).toMatchObject({ messages });
        expect(sink.counts.connections).toBe(connections);
        for (const replica of [other, later]) {
          expect((await replica.get('/v1/sending')).body).toMatchObject({ paused: true, reason: 'wrong recipients' });
        }
        expect((await other.api('POST', '/v1/sending/resume')).status).toBe(200);
        await until(
          () => mails(herald),
          (found) => found.length === 9 && allSent(found),
        );
        expect(sink.received).toHaveLength(9);
      },
      PATIENCE_MS,
    );
  }

  it(
    'breaks the circuit when the vendor does not answer, and says so (P5)',
    async () => {
      const { herald } = await open(`smtp://127.0.0.1:${String(await freePort())}`);
      await calls(herald, 12);
      const broken = await until(
        () => state(herald),
        ({ open: isOpen }) => !isOpen,
      );
      expect(broken).toMatchObject({ cause: 'breaker', code: 'ECONNREFUSED' });
      expect((await herald.get('/metrics')).body).toContain('herald_channel_open{channel="email"} 0');
      expect((await mails(herald)).filter(({ state: now }) => now === 'dead')).toEqual([]);
    },
    PATIENCE_MS,
  );
});
