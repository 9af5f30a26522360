import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { databases, TestApp } from '../support/app.js';
import { callTranscript } from '../support/transcript.js';

const CARD = '4111 1111 1111 1111';
const CARDS = { rules: [{ kind: 'cards' }] };

describe.each(await databases())('redaction policies on %s', (kind) => {
  let herald: TestApp;
  beforeAll(async () => {
    herald = await TestApp.start(kind, { env: { HERALD_PUBLIC_URL: 'https://herald.example.com:12345' } });
  });
  afterAll(() => herald.close());

  const save = (channel: string, body: object, ifMatch?: string) =>
    herald.api('PUT', `/v1/redactions/${channel}`, body, ifMatch === undefined ? {} : { 'if-match': ifMatch });
  const remove = (channel: string, ifMatch?: string) =>
    herald.api('DELETE', `/v1/redactions/${channel}`, undefined, ifMatch === undefined ? {} : { 'if-match': ifMatch });

  it('are one a channel, changed only by who read them, and no version comes twice', async () => {
    expect((await herald.get('/v1/redactions/email')).status).toBe(404);
    const made = await save('email', CARDS);
    expect(made.status).toBe(201);
    expect(made.headers.get('etag')).toBe('"v1"');
    expect(made.body).toMatchObject({
      channel: 'email',
      version: 1,
      enabled: true,
      author: 'HERALD_ADMIN_KEY',
      ...CARDS,
    });
    expect((await save('email', CARDS)).status).toBe(428);
    expect((await save('email', { ...CARDS, enabled: false }, '"v1"')).body).toMatchObject({
      version: 2,
      enabled: false,
    });
    expect((await save('email', CARDS, '"v1"')).status).toBe(412);
    const read = await herald.get('/v1/redactions/email');
    expect(read.headers.get('etag')).toBe('"v2"');
    expect((await herald.get('/v1/redactions')).body).toEqual({ items: [read.body] });
    expect((await remove('email')).status).toBe(428);
    expect((await remove('email', '"v1"')).status).toBe(412);
    expect((await remove('email', '"v2"')).status).toBe(204);
    expect((await remove('email', '"v3"')).status).toBe(404);
    expect((await herald.get('/v1/redactions/email')).status).toBe(404);
    expect((await save('email', CARDS, '"v3"')).status).toBe(412);
    expect((await save('email', CARDS)).body.version).toBe(4);
    expect((await remove('email', '"v4"')).status).toBe(204);
    const { items } = (await herald.get('/v1/audit')).body;
    expect(items).toContainEqual(
      expect.objectContaining({ action: 'redaction.deleted', subject: 'email', actor: 'HERALD_ADMIN_KEY' }),
    );
  });

  it('lets exactly one of many win that save at the same moment', async () => {
    const answers = await Promise.all(Array.from({ length: 5 }, () => save('sms', CARDS)));
    expect(answers.map(({ status }) => status).filter((status) => status === 201)).toHaveLength(1);
    expect(answers.every(({ status }) => [201, 412, 428].includes(status))).toBe(true);
    const { headers } = await herald.get('/v1/redactions/sms');
    expect((await remove('sms', headers.get('etag') ?? '')).status).toBe(204);
  });

  it.each([
    ['a channel that is not there', 'emial', CARDS, 404, 'channel'],
    ['no rule', 'sms', { rules: [] }, 400, '/rules'],
    ['an unknown kind', 'sms', { rules: [{ kind: 'card' }] }, 400, '/rules/0/kind'],
    ['an unknown member', 'sms', { rules: [{ kind: 'cards', replace: 'x' }] }, 400, '/rules/0/replace'],
    ['a pattern without a pattern', 'sms', { rules: [{ kind: 'pattern' }] }, 400, '/rules/0/pattern'],
    ['a look-ahead', 'sms', { rules: [{ kind: 'pattern', pattern: 'a(?=b)' }] }, 400, '/rules/0/pattern'],
    ['a pattern that is everywhere', 'sms', { rules: [{ kind: 'pattern', pattern: 'a*' }] }, 400, '/rules/0/pattern'],
    ['a pattern for cards', 'sms', { rules: [{ kind: 'cards', pattern: 'a' }] }, 400, '/rules/0/pattern'],
    ['digits for cards', 'sms', { rules: [{ kind: 'cards', minDigits: 5 }] }, 400, '/rules/0/minDigits'],
    ['a kind twice', 'sms', { rules: [{ kind: 'cards' }, { kind: 'cards' }] }, 400, '/rules/1/kind'],
    ['markup', 'sms', { rules: [{ kind: 'cards', replacement: '<b>' }] }, 400, '/rules/0/replacement'],
    ['nothing in its place', 'sms', { rules: [{ kind: 'cards', replacement: '' }] }, 400, '/rules/0/replacement'],
  ])('refuses %s', async (_what, channel, body, status, pointer) => {
    const answer = await save(channel, body);
    expect(answer.status).toBe(status);
    expect(answer.body.errors).toContainEqual(expect.objectContaining({ pointer }));
    expect((await herald.get('/v1/redactions')).body.items).toEqual([]);
  });

  it('can be tried on a text, with the names of contacts', async () => {
    await herald.api('POST', '/v1/contacts', { name: 'Ann Miller', email: 'ann@example.com' });
    const rules = [{ kind: 'cards' }, { kind: 'names', replacement: '***' }];
    const answer = await herald.api('POST', '/v1/redactions/check', { rules, text: `ann miller: ${CARD}` });
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({
      text: '***: [card]',
      masked: [
        { kind: 'cards', count: 1 },
        { kind: 'names', count: 1 },
      ],
    });
  });

  it('shows in a preview what would be sent, and what is masked in it', async () => {
    const jobId = await herald.storeTranscript(callTranscript(`My card is ${CARD}, thank you.`));
    const preview = async () => (await herald.api('POST', '/v1/templates/transcript-ready/preview', { jobId })).body;
    const plain = await preview();
    expect(plain.email.html).toContain(CARD);
    expect(plain.email.masked).toBeUndefined();
    const { headers } = await save('email', { rules: [{ kind: 'cards' }, { kind: 'numbers' }] });
    await save('sms', { ...CARDS, enabled: false });
    const { email, sms } = await preview();
    expect(JSON.stringify([email.subject, email.html, email.text])).not.toMatch(/1111/);
    expect(email.html).toContain('My card is [card], thank you.');
    expect(email.html).toContain(jobId);
    expect(email.html).toMatch(/https:\/\/herald\.example\.com:12345\/t\/[\w-]{32}#t\d+"/);
    expect(email.masked).toEqual([{ kind: 'cards', count: expect.any(Number) }]);
    expect(sms.text).toContain('1111');
    expect(sms.masked).toBeUndefined();
    await remove('email', headers.get('etag') ?? '');
    await remove('sms', (await herald.get('/v1/redactions/sms')).headers.get('etag') ?? '');
  });
});
