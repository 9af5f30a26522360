import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFixture } from '../fixtures/deepgram/index.js';
import { ADMIN_KEY, basic } from '../support/server.js';
import { databases, PATIENCE_MS, Stage } from '../support/stage.js';

/** Texts that occur nowhere else: each stands in one secret, address or content, and must stay out of every log and metric. */
const CANARY = {
  word: 'Xylographer',
  email: 'canary.mailbox@clinic.example',
  phone: '+14155557731',
  adminKey: ADMIN_KEY,
  hookPassword: 'canary-hook-password-0123456789',
  deepgramKey: 'canary-deepgram-key-0123456789',
  smtpPassword: 'canary-smtp-password-0123456789',
  twilioToken: 'canary-twilio-token-0123456789',
  tag: 'canary-tag-value-0123456789',
  template: 'canary-template-text',
  refusedKey: 'canary-refused-key-0123456789',
} as const;

interface Problem {
  status: number;
  code: string;
  detail: string;
  requestId: string;
  errors?: { pointer: string; message: string }[];
}

describe.each(await databases())('misuse on %s', (kind) => {
  let stage: Stage;

  beforeAll(async () => {
    stage = await Stage.start(kind, {
      env: {
        HERALD_HOOK_PASSWORD: CANARY.hookPassword,
        DEEPGRAM_API_KEY: CANARY.deepgramKey,
        HERALD_OPERATOR_EMAIL: CANARY.email,
        TWILIO_AUTH_TOKEN: CANARY.twilioToken,
        HERALD_LOG_LEVEL: 'trace',
      },
      smtp: { credentials: { user: 'canary', password: 'another password' } },
      smtpLogin: `canary:${CANARY.smtpPassword}`,
      twilio: { authToken: CANARY.twilioToken },
    });
    stage.deepgram.holdCallbacks();
  }, PATIENCE_MS);

  afterAll(async () => {
    await stage.stop();
  }, PATIENCE_MS);

  const call = async (
    method: string,
    route: string,
    body?: string | Uint8Array,
    headers: Record<string, string> = {},
  ) => {
    const response = await fetch(`${stage.server.url}${route}`, {
      method,
      headers: { authorization: `Bearer ${CANARY.adminKey}`, 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body }),
    });
    const text = await response.text();
    return {
      status: response.status,
      type: response.headers.get('content-type') ?? '',
      body: (text === '' ? {} : JSON.parse(text)) as Problem,
    };
  };
  const json = (method: string, route: string, body: unknown) => call(method, route, JSON.stringify(body));
  const action = { channel: 'email', to: ['dana@clinic.example'], template: 'transcript-ready' };
  const rule = { name: 'misuse', when: 'true', actions: [action] };
  const part = (text: string) => ({ parts: { 'email.subject': 'x', 'email.text': text, 'email.html': '<p>x</p>' } });

  it.each<[string, () => ReturnType<typeof call>, number, RegExp]>([
    [
      'a wrong key',
      () => call('GET', '/v1/jobs', undefined, { authorization: `Bearer ${CANARY.refusedKey}` }),
      401,
      /key/i,
    ],
    ['no key', () => call('GET', '/v1/jobs', undefined, { authorization: '' }), 401, /Bearer/],
    [
      'a callback with a wrong password',
      () => call('POST', '/hook', '{}', { authorization: basic('wrong') }),
      401,
      /credential/,
    ],
    ['a wrong method', () => call('DELETE', '/v1/jobs'), 405, /Allow/],
    ['an unknown path', () => call('GET', '/v1/jbos'), 404, /./],
    [
      'a wrong content type',
      () => call('POST', '/v1/rules', 'name=x', { 'content-type': 'application/x-www-form-urlencoded' }),
      415,
      /application\/json/,
    ],
    [
      'audio without a content type that says so',
      () => call('POST', '/v1/jobs', 'RIFF', { 'content-type': 'application/x-www-form-urlencoded' }),
      415,
      /audio\/\*.*multipart\/form-data/,
    ],
    ['bad JSON', () => call('POST', '/v1/rules', `{"name": ${CANARY.word}`), 400, /JSON/],
    ['deep JSON', () => call('POST', '/v1/rules', '['.repeat(100_000)), 400, /deep|nest|level/i],
    [
      'two megabytes of JSON',
      () => call('POST', '/v1/rules', JSON.stringify({ name: 'x'.repeat(2_000_000) })),
      413,
      /bytes/,
    ],
    ['an unknown field of a rule', () => json('POST', '/v1/rules', { ...rule, whne: 'true' }), 422, /whne.*when/s],
    ['an unknown fact', () => json('POST', '/v1/rules', { ...rule, when: 'transcript.lenght > 3' }), 422, /lenght/],
    [
      'a template that does not exist',
      () => json('POST', '/v1/rules', { ...rule, actions: [{ ...action, template: 'transcript-redy' }] }),
      422,
      /transcript-ready/,
    ],
    [
      'a template that loops',
      () =>
        json(
          'PUT',
          '/v1/templates/looping',
          part('{{#each transcript.words}}'.repeat(9) + 'x' + '{{/each}}'.repeat(9)),
        ),
      422,
      /nest/,
    ],
    ['an unknown variable', () => json('PUT', '/v1/templates/typo', part('{{transcript.txet}}')), 422, /txet/],
    [
      'a recipient with CR LF',
      () =>
        json('POST', '/v1/rules', {
          ...rule,
          actions: [{ ...action, to: ['a@clinic.example\r\nBcc: b@clinic.example'] }],
        }),
      422,
      /to|recipient|address/,
    ],
    [
      'a recipient with a comma',
      () => json('POST', '/v1/rules', { ...rule, actions: [{ ...action, to: ['a@clinic.example,b@clinic.example'] }] }),
      422,
      /comma|one/,
    ],
    [
      'a contact with a comma',
      () => json('POST', '/v1/contacts', { name: 'two', email: 'a@clinic.example,b@clinic.example' }),
      422,
      /email/,
    ],
    [
      'a phone without country',
      () => json('POST', '/v1/contacts', { name: 'local', phone: '0171 1234567' }),
      422,
      /country|\+/,
    ],
  ])(
    'answers %s with a problem that names the field and the mend',
    async (_what, act, status, says) => {
      const answer = await act();
      expect([answer.status, JSON.stringify(answer.body)]).toEqual([status, expect.stringMatching(says)]);
      expect(answer.type).toContain('application/problem+json');
      expect(answer.body).toMatchObject({ status, requestId: expect.any(String) });
      expect(JSON.stringify(answer.body)).not.toMatch(/node_modules|\.ts:|\.js:|SQLITE|select /i);
    },
    PATIENCE_MS,
  );

  it(
    'writes no secret, address or content into its output, its metrics or its health (X17)',
    async () => {
      const body = readFixture('diarized.json').toString('utf8').replaceAll('Lantern', CANARY.word);
      const tags = { email: CANARY.email, phone: CANARY.phone, note: CANARY.tag };
      stage.twilio.failNext({ status: 400, code: 21211, message: `The 'To' number ${CANARY.phone} is not valid` });
      const id = await stage.submitted(tags);
      await stage.server.hook(id, body);
      await stage.server.hook(id, `${body}{`);
      await stage.server.hook(id, `{"err_code":"X","err_msg":"${CANARY.word}"}`);
      stage.deepgram.failNext(400, { err_code: 'Bad Request', err_msg: `${CANARY.word} ${CANARY.deepgramKey}` });
      await json('POST', '/v1/jobs', { audio: { url: `https://files.example/a.wav?k=${CANARY.tag}` }, tags });
      await json('PUT', '/v1/templates/canary', part(`${CANARY.template} {{transcript.txet}}`));
      await json('POST', '/v1/contacts', { name: 'x', email: `${CANARY.email},${CANARY.email}` });
      await json('POST', '/v1/rules', { ...rule, when: `transcript.text == '${CANARY.word}' && nope` });
      await call('GET', `/v1/transcripts?q=${CANARY.word}`);
      await call('GET', `/v1/${CANARY.tag}/${CANARY.word}`);
      await call('POST', '/hook', `{"metadata":{"extra":{"callback_secret":"${CANARY.refusedKey}"}}}`, {
        authorization: basic(CANARY.refusedKey),
      });
      await stage.server.until<{ deliveries: { state: string }[] }, boolean>(
        `/v1/jobs/${id}`,
        ({ deliveries }) => deliveries.length === 2 && deliveries.every(({ state }) => /queued|dead/.test(state)),
        PATIENCE_MS,
      );
      await stage.server.end();
      await stage.server.restart();
      const shown = await Promise.all(
        ['/metrics', '/healthz', '/readyz'].map(async (route) => (await fetch(`${stage.server.url}${route}`)).text()),
      );
      const everything = [stage.server.log, ...shown].join('\n');
      expect(everything).toContain('delivery.attempted');
      for (const [name, text] of Object.entries(CANARY))
        expect([name, everything.includes(text)]).toEqual([name, false]);
      expect(everything).not.toContain(CANARY.phone.slice(1));
    },
    PATIENCE_MS,
  );
});
