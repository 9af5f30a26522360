import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFixture } from '../fixtures/deepgram/index.js';
import { ADMIN_KEY } from '../support/server.js';
import { databases, PATIENCE_MS, Stage } from '../support/stage.js';

const BODY = readFixture('diarized.json');
const SENDER = '+15551234567';

interface ShownSuppression {
  id: string;
  address: string;
  sender?: string;
  source: string;
}

describe.each(await databases())('opt-outs on %s', (kind) => {
  let stage: Stage;
  let serial = 0;
  beforeAll(async () => {
    stage = await Stage.start(kind, { twilio: { statusDelayMs: 3_600_000 } });
    stage.deepgram.holdCallbacks();
  }, PATIENCE_MS);
  afterAll(async () => {
    await stage.stop();
  }, PATIENCE_MS);

  const number = (): string => `+1415555${String(3000 + ++serial)}`;
  const sid = (): string => `SM${String(++serial).padStart(32, '0')}`;
  const inbound = () => `${stage.server.url}/inbound/twilio`;
  const textsTo = (phone: string) => stage.twilio.messages.filter(({ message }) => message.to === phone);
  const suppressions = async (phone: string) =>
    (await stage.all<ShownSuppression>(`/v1/suppressions?kind=sms&address=${encodeURIComponent(phone)}`)).map(
      ({ sender, source }) => [sender, source],
    );
  const say = (from: string, body: string, more: Record<string, string> = {}) =>
    stage.twilio.postSigned(inbound(), { MessageSid: sid(), From: from, To: SENDER, Body: body, ...more });

  /** Lets a transcript come. @returns the id of its one delivery */
  async function only(phone: string): Promise<string> {
    const id = await stage.submitted({ phone });
    await stage.server.hook(id, BODY);
    const job = await stage.job(id, ({ deliveries }) => deliveries.length === 1);
    return job.deliveries[0]?.id ?? '';
  }

  it(
    'STOP suppresses the number for the sender that it was sent to, START lifts that, and a repeat changes nothing (P12)',
    async () => {
      const phone = number();
      const stop = { MessageSid: sid(), From: phone, To: SENDER, Body: ' Stop ' };
      expect(await stage.twilio.postSigned(inbound(), stop)).toBe(200);
      expect(await suppressions(phone)).toEqual([[SENDER, 'inbound']]);
      expect(await stage.delivery(await only(phone))).toMatchObject({ state: 'suppressed', attempts: [] });

      expect(await say(phone, 'START')).toBe(200);
      expect(await suppressions(phone)).toEqual([]);
      expect(await stage.twilio.postSigned(inbound(), stop)).toBe(200);
      expect(await suppressions(phone)).toEqual([]);
      await stage.delivery(await only(phone), ({ state }) => state === 'sent');
      expect(textsTo(phone)).toHaveLength(1);
    },
    PATIENCE_MS,
  );

  it(
    'STOP to a Messaging Service holds for it and its number, and to another number not for ours',
    async () => {
      const [phone, other] = [number(), number()];
      const service = `MG${'1'.repeat(32)}`;
      await say(phone, 'stopall', { MessagingServiceSid: service });
      expect((await suppressions(phone)).sort()).toEqual([
        [SENDER, 'inbound'],
        [service, 'inbound'],
      ]);
      await say(phone, 'START', { MessagingServiceSid: service });
      expect(await suppressions(phone)).toEqual([]);
      await say(other, 'STOP', { To: '+15550001111' });
      expect(await suppressions(other)).toEqual([['+15550001111', 'inbound']]);
      await stage.delivery(await only(other), ({ state }) => state === 'sent');
    },
    PATIENCE_MS,
  );

  it(
    'START never lifts what an operator made',
    async () => {
      const phone = number();
      for (const sender of [undefined, SENDER]) {
        await stage.server.api('POST', '/v1/suppressions', { kind: 'sms', address: phone, sender });
      }
      await say(phone, 'STOP');
      await say(phone, 'UNSTOP');
      expect((await suppressions(phone)).sort()).toEqual(
        [
          [SENDER, 'operator'],
          [undefined, 'operator'],
        ].sort(),
      );
    },
    PATIENCE_MS,
  );

  it(
    'a STOP between planning and sending suppresses what is queued',
    async () => {
      const phone = number();
      stage.twilio.failNext({ status: 400, code: 21730, message: 'maintenance' });
      const id = await only(phone);
      await stage.delivery(id, ({ state, attempts }) => state === 'queued' && attempts.length === 1);
      await say(phone, 'QUIT');
      await stage.server.end();
      await stage.sql(`update deliveries set due_at = 0 where id = '${id}'`);
      await stage.server.restart();
      await stage.delivery(id, ({ state }) => state === 'suppressed');
      expect(textsTo(phone)).toEqual([]);
    },
    PATIENCE_MS,
  );

  it(
    'HELP is audited, other texts are acknowledged, and no word or number of any is kept or logged',
    async () => {
      const phone = number();
      const before = await stage.count('inbound_messages');
      expect(await say(phone, 'Canary words of a stranger')).toBe(200);
      expect(await stage.count('inbound_messages')).toBe(before);
      const MessageSid = sid();
      expect(await say(phone, 'help', { MessageSid })).toBe(200);
      expect(await stage.count('audit', `action = 'inbound.help' and subject = '${MessageSid}'`)).toBe(1);
      expect(await suppressions(phone)).toEqual([]);
      expect(stage.server.log).toContain('inbound.received');
      expect(stage.server.log).not.toMatch(/Canary words/i);
      expect(stage.server.log).not.toContain(phone.slice(1));
    },
    PATIENCE_MS,
  );

  it(
    'a forged, altered or unsigned message is refused and changes nothing; the answer to a good one is empty TwiML (P12)',
    async () => {
      const phone = number();
      const form = { MessageSid: sid(), From: phone, To: SENDER, Body: 'STOP' };
      for (const headers of [{}, { 'x-twilio-signature': 'AAAA' }, { authorization: `Bearer ${ADMIN_KEY}` }]) {
        const answer = await fetch(inbound(), {
          method: 'POST',
          body: new URLSearchParams(form),
          headers: headers as Record<string, string>,
        });
        expect(answer.status).toBe(403);
      }
      expect(await stage.twilio.postSigned(`${stage.server.url}/inbound/twilio/`, form)).toBeGreaterThanOrEqual(400);
      expect(await suppressions(phone)).toEqual([]);
    },
    PATIENCE_MS,
  );

  it(
    'what Twilio refuses as opted out is dead once, and a suppression of that sender until START',
    async () => {
      const phone = number();
      stage.twilio.optOut(phone);
      const dead = await stage.delivery(await only(phone), ({ state }) => state === 'dead');
      expect(dead.attempts).toEqual([expect.objectContaining({ outcome: 'rejected', code: '21610' })]);
      expect(await suppressions(phone)).toEqual([[SENDER, 'vendor']]);
      expect(await stage.delivery(await only(phone))).toMatchObject({ state: 'suppressed', attempts: [] });
      stage.twilio.optIn(phone);
      await say(phone, 'START');
      expect(await suppressions(phone)).toEqual([]);
      await stage.delivery(await only(phone), ({ state }) => state === 'sent');
    },
    PATIENCE_MS,
  );

  it(
    'a report that tells of an opt-out makes the suppression as well',
    async () => {
      const phone = number();
      const id = await only(phone);
      await stage.delivery(id, ({ state }) => state === 'sent');
      const form = {
        MessageSid: textsTo(phone)[0]?.message.sid ?? '',
        MessageStatus: 'undelivered',
        ErrorCode: '21610',
      };
      expect(await stage.twilio.postSigned(`${stage.server.url}/reports/twilio/${id}?a=1`, form)).toBe(204);
      expect(await stage.delivery(id)).toMatchObject({ state: 'dead', reason: expect.stringContaining('21610') });
      expect(await suppressions(phone)).toEqual([[SENDER, 'vendor']]);
    },
    PATIENCE_MS,
  );
});
