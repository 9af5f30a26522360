import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { databases, PATIENCE_MS, Stage, type DeliveryBody } from '../support/stage.js';

const PHONE = '+14155552999';
const ADDRESS = 'ann@clinic.example';

type Masked = DeliveryBody & { masked?: { kind: string; count: number }[]; matches: { text: string }[] };

/** A call in which a card number is said in two goes, the other speaker in between. */
function body(): string {
  const said: [speaker: number, start: number, text: string][] = [
    [1, 0.5, 'My card is 4111 1111'],
    [0, 4, 'Go on.'],
    [1, 6, '1111 1111. I want a refund.'],
  ];
  const words = said.flatMap(([speaker, start, text]) =>
    text.split(' ').map((word, i) => ({
      ...{ word: word.toLowerCase().replace(/\W/g, ''), punctuated_word: word, speaker },
      ...{ start: start + i * 0.4, end: start + i * 0.4 + 0.3, confidence: 0.99 },
    })),
  );
  const transcript = said.map(([, , text]) => text).join(' ');
  return JSON.stringify({
    metadata: {
      request_id: '52012a29-5296-734b-a988-7465b901c54c',
      created: '2026-09-01T08:30:00.000Z',
      duration: 9,
      channels: 1,
      models: [],
    },
    results: { channels: [{ alternatives: [{ transcript, confidence: 0.99, words }] }] },
  });
}

describe.each(await databases())('redaction on %s', (kind) => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.start(kind, { env: { HERALD_PUBLIC_URL: 'http://127.0.0.1:12345' } });
    stage.deepgram.holdCallbacks();
    const template = {
      parts: {
        'email.subject': '{{truncate transcript.text 20}}',
        'email.html':
          '<p>{{#each transcript.utterances}}<b>{{text}}</b> {{/each}}{{#each matches}}{{quote this}}{{/each}}</p>',
        sms: '{{preview}} {{link}}',
      },
    };
    const actions = [
      { channel: 'email', to: [ADDRESS], template: 'sly', attach: ['txt', 'srt', 'vtt', 'json'] },
      { channel: 'sms', to: [PHONE], template: 'sly', preview: { segments: 1 } },
    ];
    const rule = { name: 'cards', when: "speech.says('4111') && speech.says('refund')", actions };
    expect((await stage.server.api('PUT', '/v1/templates/sly', template)).status).toBe(201);
    expect((await stage.server.api('POST', '/v1/rules', rule)).status).toBe(201);
    for (const channel of ['email', 'sms']) {
      const policy = { rules: [{ kind: 'cards', replacement: '[a card]' }] };
      expect((await stage.server.api('PUT', `/v1/redactions/${channel}`, policy)).status).toBe(201);
    }
  }, PATIENCE_MS);
  afterAll(() => stage.stop(), PATIENCE_MS);

  /** Lets the call come. @returns its deliveries, e-mail first, once they are over */
  async function call(): Promise<[email: Masked, sms: Masked]> {
    const id = await stage.submitted();
    await stage.server.hook(id, body());
    const job = await stage.job(id, ({ state }) => state === 'completed');
    const mine = job.deliveries.filter(({ ruleName }) => ruleName === 'cards');
    const [email, sms] = ['email', 'sms'].map((channel) => mine.find((one) => one.channel === channel)?.id ?? '');
    const over = ({ state }: DeliveryBody): boolean => !['queued', 'sending'].includes(state);
    return [(await stage.delivery(email ?? '', over)) as Masked, (await stage.delivery(sms ?? '', over)) as Masked];
  }

  it(
    'no part of a masked number leaves the house, in no part of a message; the delivery holds what was sent',
    async () => {
      const [email, sms] = await call();
      const mail = stage.smtp.mails.find(({ envelope }) => envelope.to.includes(ADDRESS));
      const text = stage.twilio.messages.find(({ message }) => message.to === PHONE)?.message.body ?? '';
      expect(mail?.attachments).toHaveLength(4);
      const { subject = '', html = '', text: plain = '', attachments = [] } = mail ?? {};
      for (const part of [subject, html, plain, text, ...attachments.map(({ content }) => content)]) {
        expect(part).not.toMatch(/4111|1111/);
      }
      for (const part of [html, text, ...attachments.map(({ content }) => content)]) expect(part).toContain('[a card]');
      expect(text).toMatch(/http:\/\/127\.0\.0\.1:12345\/t\/[\w-]{32}$/);
      expect(JSON.stringify([email.message, email.matches, sms.message, sms.matches])).not.toMatch(/4111|1111/);
      expect(sms.message?.text).toBe(text);
      expect(sms.masked).toEqual([{ kind: 'cards', count: 1 }]);
      expect(email.masked).toEqual([{ kind: 'cards', count: expect.any(Number) }]);
      expect(email.matches.map((match) => match.text)).toEqual(expect.arrayContaining(['[a card]', 'refund.']));
    },
    PATIENCE_MS,
  );

  it(
    'a policy that cannot be applied holds the message back, and the operator is told (T8)',
    async () => {
      const sent = stage.smtp.mails.length;
      await stage.sql(
        `update redactions set rules = '[{"kind":"pattern","pattern":"(?=x)"}]', version = 7 where channel = 'email'`,
      );
      const [email, sms] = await call();
      expect(email).toMatchObject({ state: 'dead', message: null });
      expect(email.reason).toMatch(/^redaction-failed: .*REDACTION_FAILED/);
      expect(sms.state).not.toBe('dead');
      expect(stage.smtp.mails).toHaveLength(sent);
      const told = await stage.server.until<{ problems: { kind: string; severity: string }[] }, { severity: string }>(
        '/v1/health',
        ({ problems }) => problems.find((problem) => problem.kind === 'redaction.failed'),
      );
      expect(told.severity).toBe('critical');

      // After the mend a retry sends it.
      const policy = { rules: [{ kind: 'cards' }] };
      expect(
        (await stage.server.api('PUT', '/v1/redactions/email', policy, { headers: { 'if-match': '"v7"' } })).status,
      ).toBe(200);
      expect((await stage.server.api('POST', `/v1/deliveries/${email.id}/retry`)).status).toBe(200);
      const again = (await stage.delivery(email.id, ({ state }) => state === 'sent')) as Masked;
      expect(again.message?.html).toContain('[card]');
    },
    PATIENCE_MS,
  );

  it(
    'a policy that came between two tries holds for the next one, though the message was rendered before',
    async () => {
      await stage.server.api('DELETE', '/v1/redactions/email', undefined, { headers: { 'if-match': '*' } });
      stage.smtp.failNext('data', 451, '4.3.0 Try again later');
      const id = await stage.submitted();
      await stage.server.hook(id, body());
      const job = await stage.job(id, ({ deliveries }) => deliveries.some(({ channel }) => channel === 'email'));
      const email =
        job.deliveries.find(({ channel, ruleName }) => channel === 'email' && ruleName === 'cards')?.id ?? '';
      await stage.delivery(email, ({ state, attempts }) => state === 'queued' && attempts.length === 1);
      expect((await stage.delivery(email)).message?.html).toContain('4111');
      expect((await stage.server.api('PUT', '/v1/redactions/email', { rules: [{ kind: 'cards' }] })).status).toBe(201);
      await stage.server.end();
      await stage.sql(`update deliveries set due_at = 0 where state = 'queued'`);
      await stage.server.restart();
      const sent = (await stage.delivery(email, ({ state }) => state === 'sent')) as Masked;
      const { html = '', text = '', attachments = [] } = stage.smtp.mails.at(-1) ?? {};
      expect(html).toContain('[card]');
      expect([html, text, JSON.stringify([sent.message, attachments])].join()).not.toMatch(/4111|1111/);
    },
    PATIENCE_MS,
  );
});
