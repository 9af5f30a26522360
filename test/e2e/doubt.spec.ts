import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TwilioFaultSpec } from '../../src/sandbox/twilio-stand-in.service.js';
import { DOUBTS, inDoubt, lookUpAfter, NO_CAPS, noneLeft, onlyDelivery } from '../support/doubt.js';
import { databases, PATIENCE_MS, Stage, type DeliveryBody } from '../support/stage.js';

const SECONDS = 61;
const HELD = `state = 'unknown' and due_at > 9000000000000000`;
const SAME_WORDS = 'same-words';
const WATCH = 'watch-the-dead';

describe.each(await databases())('an SMS that may have been sent on %s', (kind) => {
  let stage: Stage;
  let serial = 0;

  beforeAll(async () => {
    stage = await Stage.start(kind, { twilio: { statusDelayMs: 3_600_000 }, env: NO_CAPS });
    stage.deepgram.holdCallbacks();
    const template = { parts: { sms: 'Your call is written down.' } };
    const made = await stage.server.api('PUT', `/v1/templates/${SAME_WORDS}`, template);
    const same = {
      name: SAME_WORDS,
      on: 'transcript.completed',
      when: 'has(job.tags.same)',
      actions: [{ channel: 'sms', to: ['{{job.tags.same}}'], template: SAME_WORDS }],
    };
    const watch = {
      name: WATCH,
      on: 'delivery.dead',
      when: 'has(job.tags.watched)',
      actions: [{ channel: 'email', to: ['watcher@clinic.example'], template: 'transcript-ready' }],
    };
    const rules = [
      await stage.server.api('POST', '/v1/rules', same),
      await stage.server.api('POST', '/v1/rules', watch),
    ];
    expect([made, ...rules].map(({ status, body }) => (status === 201 ? status : body))).toEqual([201, 201, 201]);
  }, PATIENCE_MS);

  afterAll(async () => {
    await stage.stop();
  }, PATIENCE_MS);

  const number = (): string => `+1415555${String(4000 + ++serial)}`;
  const textsTo = (phone: string) => stage.twilio.messages.filter(({ message }) => message.to === phone);
  const settle = (id: string, body: unknown) =>
    stage.server.api<DeliveryBody & { detail: string }>('POST', `/v1/deliveries/${id}/settle`, body);
  /** Deliveries of the rule on `delivery.dead`, of the job of a delivery. */
  const watched = async (id: string): Promise<number> => {
    const { jobId } = await stage.delivery(id);
    return stage.count('deliveries', `job_id = '${jobId}' and rule_name = '${WATCH}'`);
  };

  /** One that the look-up cannot tell: Twilio does not show the words of messages, whose account asked for that. */
  async function held(tags: Record<string, string>): Promise<string> {
    const id = await inDoubt(stage, tags, 'reset-after');
    const [sent] = textsTo(tags.phone ?? '');
    if (sent) Object.assign(sent.message, { body: '', date_created: new Date(Date.now() - 3_700_000).toUTCString() });
    return id;
  }

  it(
    'is looked up, and of 20 none is made twice or lost, whatever became of the answer',
    async () => {
      const phones = new Map<string, number>();
      const ids: string[] = [];
      const same = number();
      for (let index = 0; index < 20; index++) {
        const { fault } = DOUBTS[index % DOUBTS.length] ?? { fault: 'reset-after' };
        const phone = index % 5 === 0 ? same : number();
        phones.set(phone, (phones.get(phone) ?? 0) + 1);
        ids.push(await inDoubt(stage, phone === same ? { same } : { phone }, fault));
      }
      await lookUpAfter(stage, SECONDS);
      const deliveries = [];
      for (const id of ids) deliveries.push(await stage.delivery(id, ({ state }) => state === 'sent'));
      expect(phones.size).toBe(17);
      for (const [phone, count] of phones) expect([phone, textsTo(phone).length]).toEqual([phone, count]);
      expect(new Set(deliveries.map(({ providerMessageId }) => providerMessageId)).size).toBe(20);
    },
    2 * PATIENCE_MS,
  );

  it(
    'is asked for again when Twilio cannot be asked, which is never taken for absence',
    async () => {
      const phone = number();
      const id = await inDoubt(stage, { phone }, 'reset-after');
      const faults = [{ status: 429, code: 20429, message: 'slowly' }, 'reset'] as const;
      for (const [index, fault] of faults.entries()) {
        stage.twilio.failLists(fault);
        const { lists } = stage.twilio;
        await lookUpAfter(stage, index === 0 ? SECONDS : 0);
        await noneLeft(stage, `id = '${id}' and due_at = 0`);
        expect(stage.twilio.lists).toBeGreaterThan(lists);
        expect(await stage.delivery(id)).toMatchObject({ state: 'unknown' });
        expect(await stage.count('deliveries', `id = '${id}' and ${HELD}`)).toBe(0);
      }
      stage.twilio.failLists(undefined);
      await lookUpAfter(stage, 0);
      const sent = await stage.delivery(id, ({ state }) => state === 'sent');
      expect(sent.providerMessageId).toBe(textsTo(phone)[0]?.message.sid);
      expect(textsTo(phone)).toHaveLength(1);
    },
    2 * PATIENCE_MS,
  );

  it(
    'is held when Twilio cannot tell, and told, until a person settles it or a report does',
    async () => {
      const phones = Array.from({ length: 4 }, number);
      const ids: string[] = [];
      for (const phone of phones) ids.push(await held({ phone, watched: 'yes' }));
      const [wasSent = '', wasNot = '', again = '', reported = ''] = ids;
      await lookUpAfter(stage, 3_700);
      await noneLeft(stage, `state = 'unknown' and not (${HELD})`);
      expect(await stage.count('deliveries', HELD)).toBe(4);
      const metrics = await stage.server.get<string>('/metrics');
      expect(metrics.body).toMatch(/herald_deliveries_total\{channel="sms",outcome="unknown-held"\} 4/);
      const problem = await stage.server.until<
        { problems: { kind: string; count: number; action: string }[] },
        unknown
      >(
        '/v1/health',
        ({ problems }) => problems.find((each) => each.kind === 'deliveries.unknown' && each.count === 4),
        PATIENCE_MS,
      );
      expect(problem).toMatchObject({ action: expect.stringContaining('settle') });

      expect((await settle(wasSent, { state: 'delivered' })).status).toBe(400);
      expect((await settle(wasSent, { state: 'sent' })).body).toMatchObject({
        state: 'sent',
        reason: 'settled by a person: it was sent',
      });
      const refused = await settle(wasSent, { state: 'dead' });
      expect([refused.status, refused.body.detail]).toEqual([409, expect.stringContaining('is sent')]);

      const many = await Promise.all(Array.from({ length: 8 }, () => settle(wasNot, { state: 'dead' })));
      expect(many.map(({ status }) => status).sort()).toEqual([200, ...Array.from({ length: 7 }, () => 409)]);
      expect((await stage.delivery(wasNot)).state).toBe('dead');
      expect([await watched(wasNot), await watched(wasSent)]).toEqual([1, 0]);
      expect(await stage.count('audit', `action = 'delivery.settled' and subject in ('${wasSent}', '${wasNot}')`)).toBe(
        2,
      );

      const retried = await stage.server.api('POST', `/v1/deliveries/${again}/retry`, { mayDuplicate: true });
      expect(retried.status).toBe(200);
      await stage.delivery(again, ({ state }) => state === 'sent');
      expect(textsTo(phones[2] ?? '')).toHaveLength(2);

      const [sent] = textsTo(phones[3] ?? '');
      const form = { MessageSid: sent?.message.sid ?? '', MessageStatus: 'delivered' };
      expect(await stage.twilio.postSigned(`${stage.server.url}/reports/twilio/${reported}?a=1`, form)).toBe(204);
      expect(await stage.delivery(reported)).toMatchObject({
        state: 'delivered',
        providerMessageId: sent?.message.sid,
      });
    },
    2 * PATIENCE_MS,
  );

  const reported: [TwilioFaultSpec, 'delivered' | 'failed'][] = [
    ['report-first', 'delivered'],
    ['report-first', 'failed'],
    ['report-cut', 'delivered'],
    ['report-cut', 'failed'],
  ];

  it.each(reported)(
    'needs no look-up when its report comes before the answer: %s, %s (P11)',
    async (fault, outcome) => {
      const phone = number();
      const { lists } = stage.twilio;
      await stage.server.api('POST', '/v1/channels/sms/resume');
      stage.twilio.failNext(fault);
      stage.twilio.nextOutcome(outcome === 'failed' ? { status: 'failed', errorCode: 30006 } : { status: 'delivered' });
      const id = await onlyDelivery(stage, { phone, watched: 'yes' });
      const state = outcome === 'failed' ? 'dead' : 'delivered';
      const ended = await stage.delivery(id, (delivery) => delivery.state === state);
      const [sent] = textsTo(phone);
      expect(ended.providerMessageId).toBe(sent?.message.sid);
      expect(await watched(id)).toBe(state === 'dead' ? 1 : 0);
      expect([textsTo(phone).length, stage.twilio.lists]).toEqual([1, lists]);
      const answers = stage.twilio.statusCallbacks.filter(({ sid }) => sid === sent?.message.sid);
      expect(new Set(answers.map(({ answered }) => answered))).toEqual(new Set([204]));
    },
    PATIENCE_MS,
  );

  it.each(['delivered', 'failed'] as const)(
    'ends once as reported, when Herald is killed between the report and the answer: %s (P11, C6)',
    async (outcome) => {
      const phone = number();
      await stage.server.api('POST', '/v1/channels/sms/resume');
      stage.twilio.failNext('report-hang');
      stage.twilio.nextOutcome(outcome === 'failed' ? { status: 'failed', errorCode: 30006 } : { status: 'delivered' });
      const id = await onlyDelivery(stage, { phone, watched: 'yes' });
      const deadline = Date.now() + PATIENCE_MS;
      while (
        !stage.twilio.statusCallbacks.some(
          ({ status, answered, url }) => status === outcome && answered === 204 && url.includes(id),
        )
      ) {
        expect(Date.now()).toBeLessThan(deadline);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      expect((await stage.delivery(id)).state).toBe('sending');
      await stage.server.end('SIGKILL');
      // Another replica takes over what a dead one had in hand when the lease has run out.
      await stage.sql(`update deliveries set lease_until = 0 where state = 'sending'`);
      await stage.server.restart();
      const state = outcome === 'failed' ? 'dead' : 'delivered';
      const ended = await stage.delivery(id, (delivery) => delivery.state === state);
      expect(ended.attempts).toHaveLength(1);
      expect(await watched(id)).toBe(state === 'dead' ? 1 : 0);
      expect(textsTo(phone)).toHaveLength(1);
    },
    2 * PATIENCE_MS,
  );
});
