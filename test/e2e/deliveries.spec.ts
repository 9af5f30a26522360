import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFixture } from '../fixtures/deepgram/index.js';
import { lookUpAfter } from '../support/doubt.js';
import { ADMIN_KEY } from '../support/server.js';
import { databases, PATIENCE_MS, Stage, type DeliveryBody } from '../support/stage.js';

const BODY = readFixture('diarized.json');
const SID = `SM${'a'.repeat(32)}`;

interface Retried {
  dryRun: boolean;
  count: number;
}

describe.each(await databases())('deliveries on %s', (kind) => {
  let stage: Stage;
  let serial = 0;

  beforeAll(async () => {
    stage = await Stage.start(kind, { twilio: { statusDelayMs: 3_600_000 } });
    stage.deepgram.holdCallbacks();
  }, PATIENCE_MS);

  afterAll(async () => {
    await stage.stop();
  }, PATIENCE_MS);

  /** Lets a transcript come for a job with these tags. @returns ids of its deliveries */
  async function transcript(tags: Record<string, string>): Promise<string[]> {
    const id = await stage.submitted(tags);
    await stage.server.hook(id, BODY);
    const job = await stage.job(id, ({ state }) => state === 'completed');
    return job.deliveries.map((delivery) => delivery.id);
  }

  async function only(tags: Record<string, string>): Promise<string> {
    const ids = await transcript(tags);
    expect(ids).toHaveLength(1);
    return ids[0] ?? '';
  }

  const mailbox = (): string => `person-${String(++serial)}@clinic.example`;
  const number = (): string => `+1415555${String(2000 + ++serial)}`;
  const act = (id: string, what: 'retry' | 'cancel', body?: unknown) =>
    stage.server.api<DeliveryBody & { detail: string }>('POST', `/v1/deliveries/${id}/${what}`, body);
  const mailsTo = (address: string) => stage.smtp.mails.filter(({ envelope }) => envelope.to.includes(address));
  const textsTo = (phone: string) => stage.twilio.messages.filter(({ message }) => message.to === phone);

  /** Starts again with these variables, and makes everything that waits due, as if the time had passed; a start looks at once. */
  async function later(env: Record<string, string>): Promise<void> {
    await stage.server.end();
    await stage.sql(`update deliveries set due_at = 0 where state = 'queued'`);
    await stage.server.restart(env);
  }

  describe('e-mail', () => {
    it(
      'a refused recipient is dead with the code, and is not tried again by itself; after the mend a retry sends it once (P2)',
      async () => {
        const address = mailbox();
        stage.smtp.refuse(address);
        const id = await only({ email: address });
        const dead = await stage.delivery(id, ({ state }) => state === 'dead');
        expect(dead.reason).toMatch(/^rejected: .*550/);
        expect(dead.attempts).toEqual([
          expect.objectContaining({ number: 1, outcome: 'rejected', code: expect.stringMatching(/^550/) }),
        ]);
        expect(dead.reason).not.toContain(address);
        stage.smtp.refuse(address, 451, '4.3.0 later');
        expect((await act(id, 'retry')).status).toBe(200);
        const waiting = await stage.delivery(id, ({ state, attempts }) => state === 'queued' && attempts.length === 2);
        expect(waiting.attempts[1]).toMatchObject({ outcome: 'deferred', code: expect.stringMatching(/^451/) });
        expect((await act(id, 'retry')).status).toBe(409);
        stage.smtp.refuse(address, 250, 'welcome');
        expect(mailsTo(address)).toHaveLength(0);
        await act(id, 'cancel');
      },
      PATIENCE_MS,
    );

    it(
      'what the mail server refuses after the words is dead with the code as well (P2)',
      async () => {
        for (const code of [552, 554]) {
          const address = mailbox();
          stage.smtp.failNext('data', code, '5.7.1 not this one');
          const id = await only({ email: address });
          const dead = await stage.delivery(id, ({ state }) => state === 'dead');
          expect(dead.attempts.map(({ outcome, code: told }) => [outcome, told?.slice(0, 3)])).toEqual([
            ['rejected', String(code)],
          ]);
          expect(mailsTo(address)).toHaveLength(0);
        }
      },
      PATIENCE_MS,
    );

    it(
      'of several recipients the one that is refused is dead, and the others have one mail each (P3)',
      async () => {
        const [good, gone, other] = [mailbox(), mailbox(), mailbox()];
        const rule = {
          name: 'several',
          on: 'transcript.completed',
          when: `has(job.tags.several)`,
          actions: [{ channel: 'email', to: [good, gone, other], template: 'transcript-ready' }],
        };
        expect((await stage.server.api('POST', '/v1/rules', rule)).status).toBe(201);
        stage.smtp.refuse(gone);
        const deliveries = [];
        for (const id of await transcript({ several: 'yes' })) {
          deliveries.push(await stage.delivery(id, ({ state }) => ['sent', 'dead'].includes(state)));
        }
        expect(deliveries.map(({ state }) => state).sort()).toEqual(['dead', 'sent', 'sent']);
        const dead = deliveries.find(({ state }) => state === 'dead')?.id ?? '';
        expect((await act(dead, 'retry')).status).toBe(200);
        await stage.delivery(dead, ({ state, attempts }) => state === 'dead' && attempts.length === 2);
        expect([good, gone, other].map((address) => mailsTo(address).length)).toEqual([1, 0, 1]);
      },
      PATIENCE_MS,
    );

    it(
      'a temporary refusal is tried again by itself and sent once (P1)',
      async () => {
        const address = mailbox();
        stage.smtp.failNext('data', 451, '4.3.0 Try again later');
        const id = await only({ email: address });
        const sent = await stage.delivery(id, ({ state }) => state === 'sent');
        expect(sent.attempts.map(({ outcome }) => outcome)).toEqual(['deferred', 'sent']);
        expect(mailsTo(address)).toHaveLength(1);
        expect(sent.message).toMatchObject({ subject: mailsTo(address)[0]?.subject });
      },
      PATIENCE_MS,
    );

    it(
      'an answer that is lost brings the same mail again, under the same Message-ID (P5)',
      async () => {
        const address = mailbox();
        stage.smtp.failNext('cut');
        const id = await only({ email: address });
        const sent = await stage.delivery(id, ({ state }) => state === 'sent');
        expect(sent.attempts.map(({ outcome }) => outcome)).toEqual(['ambiguous', 'sent']);
        const mails = mailsTo(address);
        expect(mails.map(({ messageId }) => messageId)).toEqual([mails[0]?.messageId, mails[0]?.messageId]);
        expect(mails[0]?.messageId).toContain(id);
        expect(mails[0]?.text).toBe(mails[1]?.text);
      },
      PATIENCE_MS,
    );

    it(
      'a server that is away, or says 421, keeps mail queued; cancel and retry work on it (P1, P5)',
      async () => {
        const address = mailbox();
        await stage.server.restart({ SMTP_URL: 'smtp://127.0.0.1:1' });
        const id = await only({ email: address });
        const first = await stage.delivery(id, ({ attempts, state }) => state === 'queued' && attempts.length === 1);
        expect(first.attempts[0]).toMatchObject({ outcome: 'deferred', code: expect.stringMatching(/ECONN/) });
        stage.smtp.failNext('connect', 421, '4.7.0 Too busy');
        await later({ SMTP_URL: stage.smtpUrl });
        const second = await stage.delivery(id, ({ attempts, state }) => state === 'queued' && attempts.length === 2);
        expect(second.attempts[1]).toMatchObject({ outcome: 'deferred', code: expect.stringMatching(/421/) });
        expect((await act(id, 'cancel')).body.state).toBe('cancelled');
        expect((await act(id, 'cancel')).status).toBe(409);
        expect((await act(id, 'retry')).status).toBe(200);
        // It waits until the server's pause is over, or a person ends that.
        const { body } = await stage.server.get<{ items: { name: string; state: object }[] }>('/v1/channels');
        expect(body.items.find(({ name }) => name === 'email')?.state).toMatchObject({ cause: 'throttled' });
        expect((await stage.server.api('POST', '/v1/channels/email/resume')).status).toBe(200);
        await stage.delivery(id, ({ state }) => state === 'sent');
        expect(mailsTo(address)).toHaveLength(1);
      },
      PATIENCE_MS,
    );

    it(
      'one and many are put back by filter, and dryRun only counts',
      async () => {
        const addresses = [mailbox(), mailbox(), mailbox()];
        const ids: string[] = [];
        for (const address of addresses) {
          stage.smtp.refuse(address);
          ids.push(await only({ email: address }));
        }
        for (const id of ids) await stage.delivery(id, ({ state }) => state === 'dead');
        const { body: shown } = await stage.server.get<DeliveryBody>(`/v1/deliveries/${ids[0] ?? ''}`);
        expect(Object.keys(shown)).toEqual(expect.arrayContaining(['jobId', 'ruleId', 'to', 'template', 'matches']));
        const many = (body: unknown) => stage.server.api<Retried>('POST', '/v1/deliveries/retry', body);
        expect((await many({})).status).toBe(400);
        expect((await many({ dryRun: true })).status).toBe(400);
        const filter = { recipient: addresses[0] };
        expect((await many({ ...filter, dryRun: true })).body).toEqual({ dryRun: true, count: 1 });
        expect((await stage.delivery(ids[0] ?? '')).state).toBe('dead');
        for (const address of addresses) stage.smtp.refuse(address, 250, 'welcome');
        expect((await many({ jobId: shown.jobId })).body).toEqual({ dryRun: false, count: 1 });
      },
      PATIENCE_MS,
    );

    it(
      'a suppressed address gets nothing, at the plan and at a retry',
      async () => {
        const [before, after] = [mailbox(), mailbox()];
        const suppress = (address: string) =>
          stage.server.api('POST', '/v1/suppressions', { kind: 'email', address, reason: 'asked' });
        expect((await suppress(before)).status).toBe(201);
        const planned = await only({ email: before });
        expect(await stage.delivery(planned)).toMatchObject({ state: 'suppressed', attempts: [] });
        stage.smtp.refuse(after);
        const dead = await only({ email: after });
        await stage.delivery(dead, ({ state }) => state === 'dead');
        expect((await suppress(after)).status).toBe(201);
        await act(dead, 'retry');
        const shown = await stage.delivery(dead, ({ state }) => state === 'suppressed');
        expect(shown.reason).toMatch(/^suppressed: asked/);
        expect([...mailsTo(before), ...mailsTo(after)]).toEqual([]);
      },
      PATIENCE_MS,
    );

    it(
      'a template that fails for this job is dead with the reason, and sent after the mend',
      async () => {
        const name = 'fragile';
        const put = (text: string, headers: Record<string, string> = {}) => {
          const parts = { 'email.subject': 'Fragile', 'email.text': text, 'email.html': '<p>Fragile</p>' };
          return stage.server.api<{ detail: string }>('PUT', `/v1/templates/${name}`, { parts }, { headers });
        };
        const saved = await put('{{#each job.tags}}{{#each ../job.tags}}{{this}}{{/each}}{{/each}}');
        expect([saved.status, saved.body.detail]).toEqual([201, undefined]);
        const rule = {
          name: 'fragile-mail',
          when: 'has(job.tags.fragile)',
          actions: [{ channel: 'email', to: ['{{job.tags.fragile}}'], template: name }],
        };
        expect((await stage.server.api('POST', '/v1/rules', rule)).status).toBe(201);
        const address = mailbox();
        // Every tag for every tag: more than the megabyte that a part may have.
        const many = Object.fromEntries(Array.from({ length: 49 }, (_, i) => [`t${String(i)}`, 'x'.repeat(512)]));
        const id = await only({ ...many, fragile: address });
        const dead = await stage.delivery(id, ({ state }) => state === 'dead');
        expect(dead).toMatchObject({
          attempts: [{ outcome: 'rejected', code: 'TEMPLATE_RENDER_FAILED' }],
          message: null,
        });
        expect(dead.reason).toMatch(/^rejected: .*1 MB/);
        expect(
          (
            await put('Mended', {
              'if-match': saved.headers.get('etag') ?? '',
            })
          ).status,
        ).toBe(200);
        await act(id, 'retry');
        await stage.delivery(id, ({ state }) => state === 'sent');
        expect(mailsTo(address)).toHaveLength(1);
      },
      PATIENCE_MS,
    );

    it(
      'a death fires delivery.dead once, and not for what that rule sent',
      async () => {
        const parts = {
          'email.subject': 'Dead',
          'email.text': '{{delivery.ruleName}}: {{delivery.reason}}',
          'email.html': '<p>{{delivery.reason}}</p>',
        };
        expect((await stage.server.api('PUT', '/v1/templates/dead-note', { parts })).status).toBe(201);
        const watcher = mailbox();
        const rule = {
          name: 'watch',
          on: 'delivery.dead',
          when: 'has(job.tags.watched)',
          actions: [{ channel: 'email', to: [watcher], template: 'dead-note' }],
        };
        expect((await stage.server.api('POST', '/v1/rules', rule)).status).toBe(201);
        const first = mailbox();
        stage.smtp.refuse(first);
        const [id = ''] = await transcript({ email: first, watched: 'yes' });
        const { jobId } = await stage.delivery(id, ({ state }) => state === 'dead');
        const told = await stage.job(jobId, ({ deliveries }) => deliveries[1]?.state === 'sent');
        expect(told.deliveries.map(({ ruleName }) => ruleName)).toEqual(['email-on-completion', 'watch']);
        expect(mailsTo(watcher)[0]?.text).toMatch(/email-on-completion: rejected/);

        stage.smtp.refuse(watcher);
        const second = mailbox();
        stage.smtp.refuse(second);
        const [otherId = ''] = await transcript({ email: second, watched: 'yes' });
        const other = await stage.delivery(otherId, ({ state }) => state === 'dead');
        await stage.job(
          other.jobId,
          ({ deliveries }) => deliveries.length === 2 && deliveries.every(({ state }) => state === 'dead'),
        );
        await new Promise((resolve) => setTimeout(resolve, 500));
        expect((await stage.job(other.jobId, () => true)).deliveries).toHaveLength(2);
      },
      PATIENCE_MS,
    );
  });

  describe('SMS', () => {
    it.each([
      [21610, 400],
      [21211, 400],
    ])(
      'Twilio %s is dead with the code (P4)',
      async (code, status) => {
        stage.twilio.failNext({ status, code, message: 'no' });
        const id = await only({ phone: number() });
        const dead = await stage.delivery(id, ({ state }) => state === 'dead');
        expect(dead.attempts).toEqual([expect.objectContaining({ outcome: 'rejected', code: String(code) })]);
        expect(dead.reason).toMatch(/^rejected/);
      },
      PATIENCE_MS,
    );

    it(
      '20429 waits and is not held against it; a cancel ends it (P4)',
      async () => {
        const phone = number();
        stage.twilio.failNext({ status: 429, code: 20429, message: 'slow down' });
        const id = await only({ phone });
        const waiting = await stage.delivery(id, ({ state, attempts }) => state === 'queued' && attempts.length === 1);
        expect(waiting.attempts[0]).toMatchObject({ outcome: 'deferred', code: '20429' });
        expect((await act(id, 'cancel')).body.state).toBe('cancelled');
        expect(textsTo(phone)).toEqual([]);
        // The others need not wait until the pause is over.
        expect((await stage.server.api('POST', '/v1/channels/sms/resume')).status).toBe(200);
      },
      PATIENCE_MS,
    );

    it(
      'what may have been sent is unknown, and sent again only with mayDuplicate',
      async () => {
        const phone = number();
        stage.twilio.failNext({ status: 500, body: '<html>oops</html>' });
        const id = await only({ phone });
        const unknown = await stage.delivery(id, ({ state }) => state === 'unknown');
        expect(unknown.attempts).toEqual([expect.objectContaining({ outcome: 'ambiguous' })]);
        const refused = await act(id, 'retry');
        expect([refused.status, refused.body.detail]).toEqual([409, expect.stringContaining('mayDuplicate')]);
        expect((await act(id, 'retry', { mayDuplicate: true })).status).toBe(200);
        await stage.delivery(id, ({ state }) => state === 'sent');
        expect(textsTo(phone)).toHaveLength(1);
      },
      PATIENCE_MS,
    );

    it(
      'a look-up finds what Twilio made, and sends what it did not make: one message each',
      async () => {
        const [made, lost] = [number(), number()];
        stage.twilio.failNext('reset-after');
        const first = await only({ phone: made });
        await stage.delivery(first, ({ state }) => state === 'unknown');
        stage.twilio.failNext({ status: 503, body: 'away' });
        const second = await only({ phone: lost });
        await stage.delivery(second, ({ state }) => state === 'unknown');
        await lookUpAfter(stage, 61);
        const found = await stage.delivery(first, ({ state }) => state === 'sent');
        expect(found.providerMessageId).toBe(textsTo(made)[0]?.message.sid);
        const sent = await stage.delivery(second, ({ state }) => state === 'sent');
        expect(sent.attempts.map(({ outcome }) => outcome)).toEqual(['ambiguous', 'sent']);
        expect([textsTo(made).length, textsTo(lost).length]).toEqual([1, 1]);
      },
      PATIENCE_MS,
    );

    describe('status callbacks', () => {
      const report = (id: string, status: string, more: Record<string, string> = {}) => {
        const form = { AccountSid: stage.twilio.accountSid, MessageSid: SID, MessageStatus: status, ...more };
        return stage.twilio.postSigned(`${stage.server.url}/reports/twilio/${id}`, form);
      };

      it(
        'never take a state back, in any order and however often (P10, P12)',
        async () => {
          const id = await only({ phone: number() });
          await stage.delivery(id, ({ state }) => state === 'sent');
          for (const status of ['delivered', 'sent', 'queued', 'delivered', 'undelivered', 'sent']) {
            expect(await report(id, status)).toBe(204);
            expect((await stage.delivery(id)).state).toBe('delivered');
          }
        },
        PATIENCE_MS,
      );

      it(
        'end a delivery that the network refused, with the code',
        async () => {
          const id = await only({ phone: number() });
          await stage.delivery(id, ({ state }) => state === 'sent');
          expect(await report(id, 'undelivered', { ErrorCode: '30006' })).toBe(204);
          expect(await stage.delivery(id)).toMatchObject({ state: 'dead', reason: expect.stringContaining('30006') });
        },
        PATIENCE_MS,
      );

      it(
        'fire delivery.dead for what the network refused, once',
        async () => {
          const watcher = mailbox();
          const rule = {
            name: 'watch-reports',
            on: 'delivery.dead',
            when: 'has(job.tags.reported)',
            actions: [{ channel: 'email', to: [watcher], template: 'transcript-ready' }],
          };
          expect((await stage.server.api('POST', '/v1/rules', rule)).status).toBe(201);
          const id = await only({ phone: number(), reported: 'yes' });
          const { jobId } = await stage.delivery(id, ({ state }) => state === 'sent');
          expect(await report(id, 'undelivered', { ErrorCode: '30006' })).toBe(204);
          expect(await report(id, 'undelivered', { ErrorCode: '30006' })).toBe(204);
          const told = await stage.job(jobId, ({ deliveries }) => deliveries[1]?.state === 'sent');
          expect(told.deliveries.map(({ ruleName, state }) => [ruleName, state])).toEqual([
            ['sms-preview', 'dead'],
            ['watch-reports', 'sent'],
          ]);
          expect(mailsTo(watcher)).toHaveLength(1);
        },
        PATIENCE_MS,
      );

      it(
        'prove that a message exists whose answer was lost (P11)',
        async () => {
          stage.twilio.failNext('reset-after');
          const id = await only({ phone: number() });
          await stage.delivery(id, ({ state }) => state === 'unknown');
          expect(await report(id, 'sent')).toBe(204);
          expect(await stage.delivery(id)).toMatchObject({ state: 'sent', providerMessageId: SID });
        },
        PATIENCE_MS,
      );

      it(
        'are refused when forged, altered or unsigned, and without effect for an unknown delivery (P12)',
        async () => {
          const id = await only({ phone: number() });
          await stage.delivery(id, ({ state }) => state === 'sent');
          const url = `${stage.server.url}/reports/twilio/${id}`;
          const body = new URLSearchParams({ MessageSid: SID, MessageStatus: 'delivered' });
          const signatures: Record<string, string>[] = [
            {},
            { 'x-twilio-signature': '' },
            { 'x-twilio-signature': 'AAAA' },
            { authorization: `Bearer ${ADMIN_KEY}` },
          ];
          for (const headers of signatures) {
            const answer = await fetch(url, { method: 'POST', body, headers });
            expect(answer.status).toBe(403);
          }
          expect((await stage.delivery(id)).state).toBe('sent');
          expect(await report('01900000-0000-7000-8000-000000000000', 'delivered')).toBe(204);
          expect(await report(id, 'nonsense')).toBe(422);
          expect((await stage.delivery(id)).state).toBe('sent');
        },
        PATIENCE_MS,
      );
    });
  });
});

describe('a mail server that refuses the password', () => {
  it(
    'closes the channel: messages wait, held against none, and go once it is right (P4)',
    async () => {
      const credentials = { user: 'herald', password: 'right-password' };
      const stage = await Stage.start('SQLite', { smtp: { credentials }, smtpLogin: 'herald:wrong-password' });
      stage.deepgram.holdCallbacks();
      try {
        const ids: string[] = [];
        for (const email of ['a@clinic.example', 'b@clinic.example']) {
          const id = await stage.submitted({ email });
          await stage.server.hook(id, BODY);
          const job = await stage.job(id, ({ deliveries }) => deliveries.length === 1);
          ids.push(job.deliveries[0]?.id ?? '');
        }
        const refused = await stage.delivery(
          ids[0] ?? '',
          ({ state, attempts }) => state === 'queued' && attempts[0]?.outcome === 'deferred',
        );
        expect(refused.attempts[0]?.code).toMatch(/535|EAUTH/);
        const { body } = await stage.server.get<{ items: { name: string; state: object }[] }>('/v1/channels');
        expect(body.items.find(({ name }) => name === 'email')?.state).toMatchObject({ cause: 'vendor' });
        expect(await stage.count('deliveries', 'attempts_counted > 0')).toBe(0);
        await stage.server.end();
        await stage.sql('update deliveries set due_at = 0');
        await stage.server.restart({ SMTP_URL: stage.smtpUrl.replace('//', '//herald:right-password@') });
        for (const id of ids) await stage.delivery(id, ({ state }) => state === 'sent');
        expect(stage.smtp.mails.map(({ envelope }) => envelope.to[0]).sort()).toEqual([
          'a@clinic.example',
          'b@clinic.example',
        ]);
        expect(stage.server.log).not.toMatch(/wrong-password|right-password/);
      } finally {
        await stage.stop();
      }
    },
    PATIENCE_MS,
  );
});

describe('nothing configured', () => {
  it(
    'captures every message: rendered, stored and shown, and nothing leaves',
    async () => {
      const none = {
        SMTP_URL: '',
        MAIL_FROM: '',
        TWILIO_ACCOUNT_SID: '',
        TWILIO_AUTH_TOKEN: '',
        TWILIO_FROM: '',
        TWILIO_BASE_URL: '',
      };
      const stage = await Stage.start('SQLite', { env: none });
      stage.deepgram.holdCallbacks();
      try {
        const id = await stage.submitted({ email: 'a@clinic.example', phone: '+14155552671' });
        await stage.server.hook(id, BODY);
        const job = await stage.job(
          id,
          ({ deliveries }) => deliveries.length === 2 && deliveries.every(({ state }) => state === 'sent'),
        );
        for (const { id: delivery } of job.deliveries) {
          const { message, attempts } = await stage.delivery(delivery);
          expect(message?.text).toMatch(/Lantern/);
          expect(attempts).toEqual([expect.objectContaining({ outcome: 'sent' })]);
        }
        expect([stage.smtp.mails.length, stage.twilio.messages.length]).toEqual([0, 0]);
        const { body } = await stage.server.get<{ channels: { mode: string }[] }>('/readyz');
        expect(body.channels.map(({ mode }) => mode)).toEqual(['capture', 'capture']);
      } finally {
        await stage.stop();
      }
    },
    PATIENCE_MS,
  );
});
