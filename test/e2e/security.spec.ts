import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFixture } from '../fixtures/deepgram/index.js';
import { hookPassword } from '../../src/callbacks/hook-credential.js';
import { basic, SECRET } from '../support/server.js';
import { databases, PATIENCE_MS, Stage, type JobBody } from '../support/stage.js';

interface Operation {
  requestBody?: { content: Record<string, unknown> };
  parameters?: { name: string; in: string }[];
}

const BODY = readFixture('diarized.json');
const ID = '0190f000-0000-7000-8000-000000000000';

/** What a caller has no business to set (X2, X9). */
const FOREIGN = {
  id: ID,
  tenantId: 'other',
  role: 'admin',
  isAdmin: true,
  createdAt: 0,
  status: 'sent',
  state: 'sent',
  attempts: 0,
  secret: 'x',
  keyHash: 'x',
  hash: 'x',
  raw: 'x',
  envelope: { to: ['evil@z.example'] },
  attachments: [{ path: '/etc/hostname' }],
  headers: { Bcc: 'evil@z.example' },
  text: { path: '/etc/hostname' },
};

/** Whatever the route, one of these is what it takes. */
const BODIES: Record<string, unknown> = {
  'POST /v1/api-keys': { name: 'mass', scopes: ['jobs:read'] },
  'POST /v1/contacts': { name: 'mass', email: 'mass@clinic.example' },
  'POST /v1/groups': { name: 'mass', members: [] },
  'POST /v1/suppressions': { kind: 'email', address: 'mass@clinic.example', reason: 'x' },
  'POST /v1/jobs': { audio: { url: 'https://files.clinic.example/a.wav' } },
  'POST /v1/rules': {
    name: 'mass',
    when: 'true',
    actions: [{ channel: 'email', to: ['mass@clinic.example'], template: 'transcript-ready' }],
  },
};

/** Not known, or not known and too often so. */
const isShut = (status: number): boolean => status === 401 || status === 429;

describe.each(await databases())('attacks on %s', (kind) => {
  let stage: Stage;
  let operations: { method: string; route: string; operation: Operation }[];
  let canary: Server;
  let touched = 0;

  beforeAll(async () => {
    stage = await Stage.start(kind, { env: { HERALD_LOG_LEVEL: 'warn' } });
    canary = createServer((_request, response) => {
      touched++;
      response.end();
    });
    await new Promise<void>((resolve) => canary.listen(0, '127.0.0.1', resolve));
    const { body } = await stage.server.get<{ paths: Record<string, Record<string, Operation>> }>('/openapi.json');
    operations = Object.entries(body.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({
        method: method.toUpperCase(),
        route: path.replace('{name}', 'transcript-ready').replace(/\{[^}]+\}/g, ID),
        operation,
      })),
    );
  }, PATIENCE_MS);

  afterAll(async () => {
    canary.close();
    await stage.stop();
  }, PATIENCE_MS);

  const takesJson = () => operations.filter(({ operation }) => operation.requestBody?.content['application/json']);

  it(
    'one mail goes to one mailbox, whatever a tag holds (X1)',
    async () => {
      const hostile = [
        'u@y.example\r\nBcc: evil@z.example',
        'u@y.example%0d%0aBcc:evil@z.example',
        'u@y.example\u2028Bcc: evil@z.example',
        'u@y.example, evil@z.example',
        'G: u@y.example, evil@z.example;',
        '"u@y.example, evil"@z.example',
        'u@y.example (evil@z.example)',
        '@relay.example:evil@z.example',
        'u@y\u200bz.example',
        'u@\uff45vil.example',
        'u@y.example\0',
        '<evil@z.example>',
      ];
      const ids: string[] = [];
      for (const email of hostile) {
        const submitted = await stage.server.api<JobBody>('POST', '/v1/jobs', {
          audio: { url: 'https://files.clinic.example/a.wav' },
          tags: { email, name: 'Eve\r\nBcc: evil@z.example' },
        });
        expect([202, 400, 422]).toContain(submitted.status);
        if (submitted.status === 202) ids.push(submitted.body.id);
      }
      const good = await stage.create({ email: 'good@clinic.example', name: 'A\r\nBcc: evil@z.example' });
      for (const id of [...ids, good]) {
        await stage.job(
          id,
          ({ state, deliveries }) =>
            state === 'completed' &&
            deliveries.length > 0 &&
            deliveries.every((delivery) => /sent|dead/.test(delivery.state)),
        );
      }
      expect(ids.length).toBeGreaterThan(5);
      expect((await stage.job(good, () => true)).deliveries).toMatchObject([{ state: 'sent', reason: null }]);
      expect(stage.smtp.mails.map(({ envelope }) => envelope.to)).toEqual([['good@clinic.example']]);
      expect(stage.smtp.mails[0]?.headers).not.toHaveProperty('bcc');
    },
    PATIENCE_MS,
  );

  it(
    'no write takes a field that it does not know, nor makes anything of it (X2, X9)',
    async () => {
      const writes = takesJson();
      expect(writes.length).toBeGreaterThan(15);
      for (const { method, route } of writes) {
        const body = { ...(BODIES[`${method} ${route}`] as object | undefined), ...FOREIGN };
        const answer = await stage.server.api(method, route, body);
        expect([method, route, [400, 404, 412, 422, 428].includes(answer.status)]).toEqual([method, route, true]);
      }
      for (const [table, name] of [
        ['contacts', 'mass'],
        ['rules', 'mass'],
        ['api_keys', 'mass'],
      ] as const) {
        expect(await stage.count(table, `name = '${name}'`)).toBe(0);
      }
    },
    PATIENCE_MS,
  );

  it(
    'Herald itself fetches no URL that anybody gave it (X3)',
    async () => {
      const { port } = canary.address() as AddressInfo;
      const spellings = [
        '127.0.0.1',
        'localhost',
        '0x7f000001',
        '2130706433',
        '0177.0.0.1',
        '127.1',
        '[::ffff:7f00:1]',
      ];
      for (const host of spellings) {
        const url = `http://${host}:${String(port)}/latest/meta-data`;
        await stage.server.api('POST', '/v1/jobs', { audio: { url }, tags: { url, email: 'x@clinic.example' } });
        await stage.server.api('POST', '/v1/rules', {
          name: `url-${host}`,
          when: 'true',
          actions: [{ channel: 'email', to: [url], template: 'transcript-ready' }],
        });
        await stage.server.api('PUT', `/v1/templates/t${String(spellings.indexOf(host))}`, {
          parts: { 'email.subject': 's', 'email.text': url, 'email.html': `<img src="${url}"><a href="${url}">x</a>` },
        });
        await stage.server.api('GET', `/v1/transcripts?q=${encodeURIComponent(url)}`);
      }
      await stage.settled(await stage.create({ email: 'y@clinic.example' }));
      expect(touched).toBe(0);
    },
    PATIENCE_MS,
  );

  it('a credential opens its own door only (X8)', async () => {
    const callback = basic(hookPassword(ID, SECRET));
    for (const { method, route } of operations.filter((one) => one.route.startsWith('/v1/'))) {
      const answer = await fetch(`${stage.server.url}${route}`, { method, headers: { authorization: callback } });
      await answer.body?.cancel();
      expect([method, route, isShut(answer.status)]).toEqual([method, route, true]);
    }
    const admin = await stage.server.api('POST', `/hook/${ID}`, {});
    expect(admin.status).toBe(401);
    const reader = await stage.server.api<{ key: string }>('POST', '/v1/api-keys', {
      name: 'reader',
      scopes: ['jobs:read'],
    });
    for (const { method, route } of operations.filter((one) => one.route.startsWith('/v1/') && one.method !== 'GET')) {
      const answer = await stage.server.api(method, route, undefined, {
        headers: { authorization: `Bearer ${reader.body.key}` },
      });
      expect([method, route, answer.status]).toEqual([method, route, 403]);
    }
  });

  it('pages, filters and cursors are bounded or refused (X10)', async () => {
    const lists = operations.filter(
      ({ method, operation }) => method === 'GET' && operation.parameters?.some(({ name }) => name === 'limit'),
    );
    expect(lists.length).toBeGreaterThan(7);
    const bad = [
      'limit=-1',
      'limit=0',
      'limit=1e9',
      'limit=NaN',
      'limit=1e400',
      'cursor=%27;--',
      'sort=;--',
      'limit[$ne]=1',
    ];
    for (const { route } of lists) {
      for (const query of bad) {
        const answer = await stage.server.get(`${route}?${query}`);
        expect([route, query, answer.status >= 400 && answer.status < 500]).toEqual([route, query, true]);
      }
      const many = Array.from({ length: 500 }, (_, n) => `f${String(n)}=x`).join('&');
      expect([route, (await stage.server.get(`${route}?${many}`)).status < 500]).toEqual([route, true]);
      const whole = await stage.server.get<{ items: unknown[] }>(`${route}?limit=100`);
      expect([200, 404]).toContain(whole.status);
    }
  });

  it('a fragment of SQL or of a query object finds what nonsense finds (X11)', async () => {
    const fragments = [
      `' or '1'='1`,
      `'; drop table jobs; --`,
      `" or ""="`,
      `1 union select * from api_keys`,
      '\\',
      '%',
      '_',
    ];
    const searches = ['/v1/transcripts?q=', '/v1/contacts?name=', '/v1/jobs?tag.email=', '/v1/deliveries?recipient='];
    for (const search of searches) {
      const nonsense = await stage.server.get(search + 'qzxqzx');
      for (const fragment of fragments) {
        const answer = await stage.server.get<{ items?: unknown[] }>(search + encodeURIComponent(fragment));
        expect([search, fragment, answer.status < 500]).toEqual([search, fragment, true]);
        if (answer.status === 200) expect(answer.body).toEqual(nonsense.body);
      }
    }
    for (const query of ['?id[$ne]=', '?state[$ne]=x', '?jobId[]=x', '?state=completed&state=failed']) {
      const answer = await stage.server.get(`/v1/jobs${query}`);
      expect([query, answer.status >= 400 && answer.status < 500]).toEqual([query, true]);
    }
    for (const { method, route } of takesJson()) {
      const answer = await stage.server.api(method, route, { name: { $ne: '' }, to: { length: 1 }, when: ['true'] });
      expect([method, route, answer.status >= 400 && answer.status < 500]).toEqual([method, route, true]);
    }
    expect(await stage.count('jobs')).toBeGreaterThan(0);
  });

  it('nothing changes by a form of another site: no cookie counts, JSON has to say that it is JSON (X13)', async () => {
    const before = await stage.count('rules');
    for (const { method, route } of takesJson()) {
      const answer = await stage.server.api(method, route, undefined, {
        headers: { 'content-type': 'text/plain', origin: 'https://evil.example' },
        body: JSON.stringify(BODIES[`${method} ${route}`] ?? {}),
      });
      expect([method, route, answer.status]).toEqual([method, route, 415]);
      const cookie = await fetch(`${stage.server.url}${route}`, { method, headers: { cookie: 'session=admin' } });
      await cookie.body?.cancel();
      expect(isShut(cookie.status)).toBe(true);
      expect(cookie.headers.get('set-cookie')).toBeNull();
    }
    expect(await stage.count('rules')).toBe(before);
  });

  it('every route answers with the headers that keep pages apart (X14), and tells nothing of its inside (X18)', async () => {
    for (const { method, route } of [
      ...operations,
      { method: 'GET', route: '/docs' },
      { method: 'GET', route: '/t/x' },
      { method: 'GET', route: '/a/x' },
    ]) {
      if (route === '/v1/events') continue;
      const answer = await stage.server.api<unknown>(method, route, undefined, {
        headers: { origin: 'https://evil.example' },
      });
      const { headers } = answer;
      expect([route, headers.get('x-content-type-options')]).toEqual([route, 'nosniff']);
      expect([route, headers.get('content-security-policy')]).toEqual([
        route,
        expect.stringContaining('frame-ancestors'),
      ]);
      expect([route, headers.get('access-control-allow-origin')]).toEqual([route, null]);
      if (route.startsWith('/v1/')) expect([route, headers.get('cache-control')]).toEqual([route, 'no-store']);
      expect([route, headers.get('x-powered-by'), headers.get('server')]).toEqual([route, null, null]);
      if (answer.status >= 400)
        expect(JSON.stringify(answer.body)).not.toMatch(/node_modules|\.[tj]s:\d|SQLITE|select .* from/i);
    }
  });

  it('believes neither Host nor X-Forwarded-For, and builds no URL from them (X19)', async () => {
    const id = await stage.create({ email: 'host@clinic.example' });
    const password = basic(hookPassword(id, SECRET));
    const answer = await fetch(`${stage.server.url}/hook/${id}`, {
      method: 'POST',
      headers: { authorization: password, 'x-forwarded-host': 'evil.example', 'x-forwarded-for': '203.0.113.9' },
      body: BODY,
    });
    expect(answer.status).toBe(200);
    await stage.job(id, ({ deliveries }) => deliveries.length > 0 && deliveries.every(({ state }) => state === 'sent'));
    for (const { raw } of stage.smtp.mails) expect(raw).not.toContain('evil.example');
  });
});
