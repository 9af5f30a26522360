import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFixture } from '../fixtures/deepgram/index.js';
import { databases, PATIENCE_MS, Stage } from '../support/stage.js';
import { until } from '../support/until.js';

const BODY = readFixture('diarized.json');
const SENDER = '+15551234567';
/** Words of the fixture's people. */
const SAID = /Lantern|cellar|refund|pump|Friday/i;

interface Shown {
  id: string;
  state: string;
  template: string;
  bundleId: string | null;
  dueAt: string | null;
  reason: string | null;
}

describe.each(await databases())('people on %s', (kind) => {
  let stage: Stage;
  let serial = 0;
  beforeAll(async () => {
    stage = await Stage.start(kind, { env: { HERALD_SMS_CONSENT: 'double' }, twilio: { statusDelayMs: 3_600_000 } });
    stage.deepgram.holdCallbacks();
  }, PATIENCE_MS);
  afterAll(async () => {
    await stage.stop();
  }, PATIENCE_MS);

  const post = <T>(route: string, body: unknown) => stage.server.api<T>('POST', route, body);
  const mailsTo = (address: string) => stage.smtp.mails.filter(({ envelope }) => envelope.to.includes(address));
  const textsTo = (phone: string) => stage.twilio.messages.filter(({ message }) => message.to === phone);
  const of = (address: string) => stage.all<Shown>(`/v1/deliveries?recipient=${encodeURIComponent(address)}`);
  const say = (from: string, word: string) =>
    stage.twilio.postSigned(`${stage.server.url}/inbound/twilio`, {
      MessageSid: `SM${String(++serial).padStart(32, '0')}`,
      From: from,
      To: SENDER,
      Body: word,
    });

  async function transcriptFor(tags: Record<string, string>): Promise<void> {
    const id = await stage.submitted(tags);
    await stage.server.hook(id, BODY);
    await stage.job(id, ({ deliveries }) => deliveries.length === 1);
  }

  it(
    'what comes during a snooze goes as one message when it ends, over a kill of the server, and once',
    async () => {
      const email = 'sam@clinic.example';
      const made = await post<{ id: string }>('/v1/contacts', {
        name: 'Sam',
        email,
        snoozedUntil: '2126-01-01T00:00:00Z',
      });
      for (const client of ['first', 'second', 'third']) await transcriptFor({ email, client });
      const waiting = await of(email);
      expect(waiting.map(({ state }) => state)).toEqual(['waiting', 'waiting', 'waiting']);
      expect(waiting[0]).toMatchObject({
        dueAt: '2126-01-01T00:00:00.000Z',
        reason: expect.stringContaining('snooze'),
      });
      expect(mailsTo(email)).toEqual([]);

      await stage.server.end('SIGKILL');
      await stage.server.restart();
      await post(`/v1/contacts/${made.body.id}/snooze`, { until: null });
      const [mail] = await until(
        () => mailsTo(email),
        (mails) => mails.length > 0,
        PATIENCE_MS,
      );
      expect(mail?.subject).toContain('3 messages');
      for (const client of ['first', 'second', 'third']) expect(mail?.text).toContain(client);
      expect(mail?.text.match(/\/t\/[A-Za-z0-9_-]{20,}/g)).toHaveLength(3);

      const all = await of(email);
      const digest = all.find(({ template }) => template === 'digest');
      await stage.delivery(digest?.id ?? '', ({ state }) => state === 'sent');
      expect(all.filter(({ bundleId }) => bundleId === digest?.id).map(({ state }) => state)).toEqual([
        'bundled',
        'bundled',
        'bundled',
      ]);
      expect(mailsTo(email)).toHaveLength(1);
    },
    2 * PATIENCE_MS,
  );

  it(
    'a person who is sent the fact only gets no word of the call and no link',
    async () => {
      const email = 'fact@clinic.example';
      await post('/v1/contacts', { name: 'Fact', email, content: 'fact' });
      const rule = { channel: 'email', to: ['contact:Fact'], template: 'transcript-ready', attach: ['vtt'] };
      await post('/v1/rules', { name: 'to-fact', when: 'has(job.tags.fact)', actions: [rule] });
      await transcriptFor({ fact: 'yes' });
      const [mail] = await until(
        () => mailsTo(email),
        (mails) => mails.length > 0,
        PATIENCE_MS,
      );
      expect(mail?.text).not.toMatch(SAID);
      expect(mail?.html).not.toMatch(SAID);
      expect(mail?.text).not.toContain('/t/');
      expect(mail?.attachments).toEqual([]);
    },
    PATIENCE_MS,
  );

  it(
    'text messages need consent that the person gives by text message, and STOP withdraws it',
    async () => {
      const phone = '+14155553901';
      await transcriptFor({ phone });
      expect(await of(phone)).toMatchObject([{ state: 'suppressed', reason: 'there is no consent on record' }]);
      const entry = { kind: 'sms', address: phone, how: 'web form' };
      expect((await post('/v1/consents', { ...entry, state: 'given' })).status).toBe(422);

      expect((await post('/v1/consents', { ...entry, state: 'pending' })).status).toBe(201);
      await until(
        () => textsTo(phone),
        (texts) => texts.length === 1,
        PATIENCE_MS,
      );
      expect(textsTo(phone)[0]?.message.body).toContain('YES');
      expect((await post('/v1/consents', { ...entry, state: 'pending' })).status).toBe(409);
      await transcriptFor({ phone });
      expect((await of(phone))[0]).toMatchObject({ state: 'suppressed', reason: expect.stringContaining('pending') });

      expect(await say(phone, 'Yes')).toBe(200);
      await transcriptFor({ phone });
      await until(
        () => textsTo(phone),
        (texts) => texts.length === 2,
        PATIENCE_MS,
      );

      expect(await say(phone, 'STOP')).toBe(200);
      const states = await stage.all<{ state: string; actor: string }>(
        `/v1/consents?kind=sms&address=${encodeURIComponent(phone)}`,
      );
      expect(states).toMatchObject([
        { state: 'withdrawn', actor: 'recipient' },
        { state: 'given', actor: 'recipient' },
        { state: 'pending' },
      ]);
      await transcriptFor({ phone });
      expect((await of(phone))[0]).toMatchObject({ state: 'suppressed' });
      expect(textsTo(phone)).toHaveLength(2);
    },
    2 * PATIENCE_MS,
  );

  it(
    'a kill after the question loses it not and asks it once, and one after the YES leaves the consent given',
    async () => {
      const phone = '+14155553902';
      const killed = async (): Promise<void> => {
        await stage.server.end('SIGKILL');
        await stage.server.restart();
      };
      expect((await post('/v1/sending/pause', { reason: 'so that the question waits' })).status).toBe(200);
      const asked = await post('/v1/consents', { kind: 'sms', address: phone, how: 'web form', state: 'pending' });
      expect(asked.status).toBe(201);
      await killed();
      expect(textsTo(phone)).toHaveLength(0);
      await post('/v1/sending/resume', {});
      await until(
        () => textsTo(phone),
        (texts) => texts.length === 1,
        PATIENCE_MS,
      );
      expect(textsTo(phone)[0]?.message.body).toContain('YES');
      await until(
        async () => (await of(phone))[0]?.state,
        (state) => state === 'sent',
        PATIENCE_MS,
      );

      expect(await say(phone, 'YES')).toBe(200);
      await killed();
      await transcriptFor({ phone });
      await until(
        () => textsTo(phone),
        (texts) => texts.length === 2,
        PATIENCE_MS,
      );
      expect(textsTo(phone)[1]?.message.body).not.toContain('YES');
    },
    2 * PATIENCE_MS,
  );
});
