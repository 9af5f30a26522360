import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TemplatesStore } from '../../src/templates/templates.store.js';
import { databases, TestApp } from '../support/app.js';
import { callTranscript } from '../support/transcript.js';

const SMS = { parts: { sms: 'New: {{preview}} {{link}}' } };

describe.each(await databases())('templates on %s', (kind) => {
  let herald: TestApp;
  beforeAll(async () => {
    herald = await TestApp.start(kind, { env: { HERALD_PUBLIC_URL: 'https://herald.example.com' } });
  });
  afterAll(() => herald.close());

  const save = (name: string, body: object, ifMatch?: string) =>
    herald.api('PUT', `/v1/templates/${name}`, body, ifMatch === undefined ? {} : { 'if-match': ifMatch });
  const remove = (name: string, ifMatch?: string) =>
    herald.api('DELETE', `/v1/templates/${name}`, undefined, ifMatch === undefined ? {} : { 'if-match': ifMatch });
  const preview = (name: string, body: object) => herald.api('POST', `/v1/templates/${name}/preview`, body);
  const current = (name: string) => herald.app.get(TemplatesStore, { strict: false }).current(name);

  it('lists the files as version 0', async () => {
    const { items } = (await herald.get('/v1/templates')).body;
    expect(items.map(({ name }: { name: string }) => name)).toEqual([
      'consent-invitation',
      'digest',
      'transcript-failed',
      'transcript-late',
      'transcript-ready',
    ]);
    // An invitation is how a phone number is asked whether it wants text messages.
    for (const item of items)
      expect(item).toMatchObject({
        version: 0,
        source: 'file',
        kinds: item.name === 'consent-invitation' ? ['sms'] : ['email', 'sms'],
      });
  });

  it('overrides a file only for who read it, counts versions, and goes back to the file', async () => {
    const file = await herald.get('/v1/templates/transcript-late');
    expect(file.headers.get('etag')).toBe('"v0"');
    expect((await save('transcript-late', SMS)).status).toBe(428);
    expect((await save('transcript-late', SMS, '"v1"')).status).toBe(412);
    const first = await save('transcript-late', SMS, '"v0"');
    expect(first.status).toBe(200);
    expect(first.headers.get('etag')).toBe('"v1"');
    expect(first.body).toMatchObject({ version: 1, source: 'stored', kinds: ['sms'], parts: SMS.parts });
    expect(first.body.description).toBe(file.body.description);
    expect((await current('transcript-late'))?.parts).toEqual(SMS.parts);
    expect((await save('transcript-late', SMS, '"v0"')).status).toBe(412);
    expect((await save('transcript-late', { parts: { sms: 'two' } }, '"v1"')).headers.get('etag')).toBe('"v2"');
    expect((await remove('transcript-late')).status).toBe(428);
    expect((await remove('transcript-late', '"v1"')).status).toBe(412);
    const back = await remove('transcript-late', '"v2"');
    expect(back.status).toBe(200);
    expect(back.body).toEqual(file.body);
    expect((await current('transcript-late'))?.version).toBe(0);
    expect((await save('transcript-late', SMS, '"v0"')).body.version).toBe(4);
    const versions = await herald.all('/v1/templates/transcript-late/versions', 2);
    expect(versions.items).toMatchObject([
      { version: 4, author: 'HERALD_ADMIN_KEY' },
      { version: 3 },
      { version: 2, parts: { sms: 'two' } },
      { version: 1, parts: SMS.parts },
    ]);
    expect(versions.items[1].parts).toBeUndefined();
  });

  it('makes a new template with 201, and deletes it for good', async () => {
    const made = await save('brand-new', { description: 'Short', ...SMS });
    expect(made.status).toBe(201);
    expect(made.headers.get('location')).toBe('/v1/templates/brand-new');
    expect((await herald.get('/v1/templates/brand-new')).body).toEqual(made.body);
    expect((await remove('brand-new', '"v1"')).status).toBe(204);
    expect((await herald.get('/v1/templates/brand-new')).status).toBe(404);
    expect(await current('brand-new')).toBeUndefined();
    expect((await herald.get('/v1/templates')).body.items).not.toContainEqual(
      expect.objectContaining({ name: 'brand-new' }),
    );
    expect((await save('brand-new', SMS, '"v1"')).status).toBe(412);
    expect((await save('brand-new', SMS)).body.version).toBe(3);
  });

  it('does not delete a file, and says where it lies', async () => {
    const answer = await remove('transcript-ready', '"v0"');
    expect(answer.status).toBe(404);
    expect(answer.body.detail).toContain('folder');
  });

  it('lets exactly one of many win that save the same version at the same moment', async () => {
    await save('race', SMS);
    const answers = await Promise.all(Array.from({ length: 6 }, () => save('race', SMS, '"v1"')));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 412, 412, 412, 412, 412]);
  });

  it.each([
    ['an unknown variable', { sms: 'Hello\n{{transcript.sumary}}' }, '/parts/sms', 2, 'summary'],
    ['an unknown helper', { sms: '{{uper brand}}' }, '/parts/sms', 1, 'upper'],
    ['a block without an end', { sms: '{{#if failure}}' }, '/parts/sms', 1, undefined],
    ['a prototype', { sms: '{{constructor}}' }, '/parts/sms', 1, undefined],
  ])('refuses %s at save with its line', async (_what, parts, pointer, line, suggestion) => {
    const answer = await save('refused', { parts });
    expect(answer.status).toBe(422);
    expect(answer.body.code).toBe('TEMPLATE_INVALID');
    expect(answer.body.errors[0]).toMatchObject({
      pointer,
      line,
      ...(suggestion && { suggestion: expect.stringContaining(suggestion) }),
    });
    expect(await current('refused')).toBeUndefined();
  });

  it.each([
    ['an object in the place of a source', { sms: { type: 'Program', body: [] } }],
    ['a list', { sms: ['x'] }],
    ['an unknown part', { smss: 'x' }],
    ['no part', {}],
    ['half an e-mail', { 'email.subject': 'x' }],
  ])('refuses %s', async (_what, parts) => {
    expect((await save('refused', { parts })).status).toBe(422);
  });

  it.each([
    ['calls itself', '{{#*inline "x"}}{{> x}}{{/inline}}{{> x}}'],
    [
      'loops in loops in loops',
      '{{#each matches}}{{#each ../matches}}{{#each ../../matches}}x{{/each}}{{/each}}{{/each}}',
    ],
    ['nests 20,000 blocks', '{{#if brand}}'.repeat(20_000) + '{{/if}}'.repeat(20_000)],
    ['has a megabyte', 'x'.repeat(1_000_000)],
  ])('refuses a template that %s in less than a second, while health answers', async (_what, sms) => {
    const started = Date.now();
    const [answer, health] = await Promise.all([
      save('endless', { parts: { sms } }),
      herald.get('/healthz').then(({ status }) => ({ status, ms: Date.now() - started })),
    ]);
    expect([413, 422]).toContain(answer.status);
    expect(Date.now() - started).toBeLessThan(2_000);
    expect(health.status).toBe(200);
    expect(health.ms).toBeLessThan(1_000);
    expect(await current('endless')).toBeUndefined();
  });

  it.each([
    '..%2f..%2fetc',
    '%2fetc%2fpasswd',
    '..%5cwindows',
    'a%00b',
    '%c0%ae%c0%ae%c0%afetc',
    'UPPER',
    '-x',
    'x'.repeat(65),
    'partials',
    '%252e%252e',
  ])('refuses the name %s (T7)', async (name) => {
    expect((await save(name, SMS)).status).toBe(400);
    expect((await herald.get(`/v1/templates/${name}`)).status).toBe(400);
    expect((await preview(name, {})).status).toBe(400);
  });

  it.each(['version', 'name', 'author', 'createdAt', 'updatedAt'])('refuses %s in a body', async (field) => {
    const answer = await save('mass', { ...SMS, [field]: 9 });
    expect(answer.status).toBe(400);
    expect(answer.body.errors[0].pointer).toBe(`/${field}`);
  });

  it('suggests the template that was meant', async () => {
    const answer = await herald.get('/v1/templates/transcript-redy');
    expect(answer.status).toBe(404);
    expect(answer.body.errors).toMatchObject([{ suggestion: 'transcript-ready' }]);
  });

  it('previews a file with the sample facts: every kind, nothing sent', async () => {
    const { status, body } = await preview('transcript-ready', {});
    expect(status).toBe(200);
    expect(body.email.subject.length).toBeGreaterThan(3);
    expect(body.email.html).toContain('refund');
    expect(body.email.text).toContain('refund');
    expect(body.sms).toMatchObject({ segments: 1, encoding: 'GSM-7' });
    const failed = await preview('transcript-failed', { kind: 'sms' });
    expect(Object.keys(failed.body)).toEqual(['sms']);
    expect((await herald.get('/v1/deliveries')).body.items).toEqual([]);
  });

  it('previews with a stored job, with its link, and escapes in HTML only', async () => {
    const said = `<img src=x onerror=alert(1)> it's "fine" & {{constructor}}`;
    const jobId = await herald.storeTranscript(callTranscript(said), { client: "O'Brien" });
    const { body } = await preview('transcript-ready', { jobId });
    expect(body.email.html).not.toContain('<img src=x');
    expect(body.email.html).toContain('{{constructor}}');
    expect(body.sms.text).toContain(`it's`);
    expect(body.sms.text).toMatch(/https:\/\/herald\.example\.com\/t\/[\w-]{32}/);
  });

  it('previews parts that are not saved, in as many segments as asked', async () => {
    const long = 'word '.repeat(200);
    const jobId = await herald.storeTranscript(callTranscript(long));
    const one = await preview('not-saved', { parts: SMS.parts, jobId });
    const three = await preview('not-saved', { parts: SMS.parts, jobId, segments: 3 });
    expect(one.body.sms.segments).toBe(1);
    expect(three.body.sms.segments).toBe(3);
    expect(await current('not-saved')).toBeUndefined();
  });

  it('says what is wrong with a preview: template, parts, kind, job', async () => {
    expect((await preview('no-such', {})).status).toBe(404);
    expect((await preview('x', { parts: { sms: '{{nope}}' } })).status).toBe(422);
    expect((await preview('x', { parts: SMS.parts, kind: 'email' })).status).toBe(422);
    expect((await preview('transcript-ready', { jobId: '01900000-0000-7000-8000-000000000000' })).status).toBe(422);
    expect((await preview('transcript-ready', { jobId: 'x' })).status).toBe(400);
    expect((await preview('transcript-ready', { segmnts: 2 })).body.errors).toMatchObject([{ suggestion: 'segments' }]);
    expect((await preview('transcript-ready', { segments: 99 })).status).toBe(400);
  });

  it('comes back byte for byte, hostile text included (I11)', async () => {
    const sms = `'); DROP TABLE templates;-- \u202e ✓ 👩‍👩‍👧 é e\u0301 %s \${x} {{brand}}`;
    await save('hostile', { description: sms.slice(0, 40), parts: { sms } });
    const { body } = await herald.get('/v1/templates/hostile');
    expect(body.parts.sms).toBe(sms);
    expect(body.description).toBe(sms.slice(0, 40));
    expect((await save('nul', { parts: { sms: 'a\0b\ud800' } })).status).not.toBe(500);
  });

  it('pages through the list to the end', async () => {
    const whole = (await herald.get('/v1/templates?limit=200')).body.items;
    const paged = await herald.all('/v1/templates', 2);
    expect(paged.items).toEqual(whole);
    expect(paged.pages).toBe(Math.ceil(whole.length / 2));
  });
});
