import { afterEach, describe, expect, it } from '@jest/globals';
import { Body, Controller, Delete, Get, Param, Post, Put, Query } from '@nestjs/common';
import { Actor, Public, RequireScope, type Principal } from '../../src/http/api-key.guard.js';
import { ADMIN_KEY, startHttpApp, type HttpTestApp } from '../support/http-app.js';

@RequireScope('jobs:read')
@Controller('v1/work')
class WorkController {
  @Get()
  read(@Actor() actor: Principal): unknown {
    return { actor };
  }

  @RequireScope('jobs:write')
  @Post()
  write(): unknown {
    return {};
  }

  @RequireScope('admin')
  @Delete()
  remove(): unknown {
    return {};
  }

  @Public()
  @Put()
  open(): unknown {
    return {};
  }
}

@Controller('v1/forgotten')
class ForgottenController {
  @Get()
  list(@Query() _query: unknown): unknown {
    return {};
  }

  @Public()
  @Post(':id')
  change(@Param('id') _id: string, @Body() _body: unknown): unknown {
    return {};
  }
}

describe('API keys', () => {
  let http: HttpTestApp;
  const start = async (...args: Parameters<typeof startHttpApp>) => (http = await startHttpApp(...args));
  afterEach(async () => {
    await http.close();
  });

  const ask = async (method: string, path: string, key?: string, body?: unknown) => {
    const response = await fetch(`${http.url}${path}`, {
      method,
      headers: {
        ...(key !== undefined && { authorization: `Bearer ${key}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      text,
      body: (text === '' ? {} : JSON.parse(text)) as Record<string, unknown>,
    };
  };
  const makeKey = async (...scopes: string[]) => {
    const { body } = await ask('POST', '/v1/api-keys', ADMIN_KEY, { name: scopes.join(' '), scopes });
    return { id: String(body.id), key: String(body.key) };
  };

  it('lets each scope do what it says and no more', async () => {
    await start([WorkController]);
    const read = await makeKey('jobs:read');
    const write = await makeKey('jobs:write');
    const admin = await makeKey('admin');
    const matrix: [string, number[]][] = [
      [read.key, [200, 403, 403]],
      [write.key, [200, 201, 403]],
      [admin.key, [200, 201, 200]],
      [ADMIN_KEY, [200, 201, 200]],
    ];
    for (const [key, expected] of matrix) {
      const answers = [
        await ask('GET', '/v1/work', key),
        await ask('POST', '/v1/work', key),
        await ask('DELETE', '/v1/work', key),
      ];
      expect(answers.map((answer) => answer.status)).toEqual(expected);
      expect((await ask('GET', '/v1/api-keys', key)).status).toBe(expected[2]);
    }
    expect((await ask('POST', '/v1/work', read.key)).body.detail).toBe('The key needs the scope jobs:write');
    expect((await ask('PUT', '/v1/work')).status).toBe(200);
    expect((await ask('GET', '/v1/work', read.key)).body).toEqual({
      actor: { id: read.id, name: 'jobs:read', scopes: ['jobs:read'] },
    });
  });

  it.each([
    undefined,
    'Bearer',
    'Bearer ',
    `Basic ${Buffer.from(`x:${ADMIN_KEY}`).toString('base64')}`,
    ADMIN_KEY,
    `Token ${ADMIN_KEY}`,
    `Bearer ${ADMIN_KEY}x`,
    `Bearer ${ADMIN_KEY.slice(0, -1)}`,
    'Bearer herald_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
  ])('answers 401 with a challenge to the header %s', async (authorization) => {
    await start([WorkController]);
    const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
    const response = await fetch(`${http.url}/v1/work`, { headers });
    expect(response.status).toBe(401);
    expect(response.headers.get('www-authenticate')).toBe('Bearer realm="herald"');
    expect(await response.json()).toMatchObject({ code: 'UNAUTHORIZED', status: 401 });
  });

  it('takes no key from the query', async () => {
    await start([WorkController]);
    expect((await ask('GET', `/v1/work?key=${ADMIN_KEY}&access_token=${ADMIN_KEY}`)).status).toBe(401);
  });

  it('shows a key once, stores its hash only, and lists neither', async () => {
    await start();
    const made = await ask('POST', '/v1/api-keys', ADMIN_KEY, { name: 'one', scopes: ['jobs:read'] });
    expect(made.status).toBe(201);
    expect(made.body.key).toMatch(/^herald_[\w-]{43}$/);
    const listed = await ask('GET', '/v1/api-keys', ADMIN_KEY);
    expect(listed.body).toMatchObject({
      items: [{ id: made.body.id, name: 'one', lastUsedAt: null, revokedAt: null }],
    });
    expect(listed.text).not.toMatch(/hash|"key"/);
    const stored = JSON.stringify(await http.database.read('select * from api_keys'));
    expect(stored).not.toContain(String(made.body.key));
    expect(JSON.stringify(http.lines)).not.toContain(String(made.body.key));
  });

  it('refuses fields that a caller must not set', async () => {
    await start();
    for (const extra of ['id', 'hash', 'createdAt', 'revokedAt', 'isAdmin']) {
      const answer = await ask('POST', '/v1/api-keys', ADMIN_KEY, { name: 'x', scopes: ['admin'], [extra]: 'x' });
      expect(answer).toMatchObject({ status: 400, body: { errors: [{ pointer: `/${extra}` }] } });
    }
    expect((await ask('POST', '/v1/api-keys', ADMIN_KEY, { name: 'x', scopes: ['root'] })).status).toBe(400);
  });

  it('revokes a key at once, and audits both', async () => {
    await start([WorkController]);
    const { id, key } = await makeKey('jobs:read');
    expect((await ask('GET', '/v1/work', key)).status).toBe(200);
    http.clock.time += 1;
    expect((await ask('DELETE', `/v1/api-keys/${id}`, ADMIN_KEY)).status).toBe(204);
    expect((await ask('GET', '/v1/work', key)).status).toBe(401);
    expect((await ask('DELETE', `/v1/api-keys/${id}`, ADMIN_KEY)).status).toBe(404);
    const audit = await ask('GET', '/v1/audit?limit=10', ADMIN_KEY);
    expect(audit.body).toMatchObject({
      items: [
        { action: 'api-key.revoked', subject: id, actor: 'HERALD_ADMIN_KEY' },
        { action: 'api-key.created', subject: id, actor: 'HERALD_ADMIN_KEY', detail: { scopes: ['jobs:read'] } },
      ],
    });
    expect((await ask('GET', '/v1/audit?action=api-key.revoked', ADMIN_KEY)).body.items).toHaveLength(1);
    expect((await ask('GET', '/v1/audit?action=x', ADMIN_KEY)).status).toBe(400);
  });

  it('pages through keys and audit rows, newest first', async () => {
    await start();
    for (let i = 0; i < 5; i++) {
      http.clock.time += 1_000;
      await makeKey('jobs:read');
    }
    for (const list of ['/v1/api-keys', '/v1/audit']) {
      const seen: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await ask('GET', `${list}?limit=2${cursor === undefined ? '' : `&cursor=${cursor}`}`, ADMIN_KEY);
        seen.push(...(page.body.items as { id: string }[]).map((item) => item.id));
        cursor = page.body.nextCursor as string | undefined;
      } while (cursor !== undefined);
      expect(seen).toEqual([...new Set(seen)].toSorted().reverse());
      expect(seen).toHaveLength(5);
    }
  });

  it('notes when a key was last used, at most once a minute', async () => {
    await start([WorkController]);
    const { id, key } = await makeKey('jobs:read');
    const lastUsed = async () => {
      await ask('GET', '/v1/work', key);
      // The note is written after the answer, in the one queue of writers.
      await http.database.uow.run(() => Promise.resolve());
      const [row] = await http.database.read<{ last: number }>(
        'select last_used_at as last from api_keys where id = ?',
        [id],
      );
      return row?.last;
    };
    const first = http.clock.time;
    expect(await lastUsed()).toBe(first);
    http.clock.time += 59_000;
    expect(await lastUsed()).toBe(first);
    http.clock.time += 1_000;
    expect(await lastUsed()).toBe(first + 60_000);
  });

  it('makes one admin key when nobody could come in, and only then', async () => {
    await start([WorkController], '');
    const key = await http.keys.ensureAdminKey();
    expect(key).toMatch(/^herald_/);
    expect((await ask('DELETE', '/v1/work', key)).status).toBe(200);
    expect(await http.keys.ensureAdminKey()).toBeUndefined();
    expect((await ask('GET', '/v1/work', '')).status).toBe(401);
  });

  it('makes no admin key beside HERALD_ADMIN_KEY', async () => {
    await start();
    expect(await http.keys.ensureAdminKey()).toBeUndefined();
  });

  it('limits wrong keys by source, and never a right one (X5, X20)', async () => {
    await start([WorkController]);
    const tries = [];
    for (let i = 0; i < 25; i++) tries.push(await ask('GET', '/v1/work', `herald_wrong-${String(i)}`));
    expect(tries.map((one) => one.status)).toEqual([...Array<number>(20).fill(401), ...Array<number>(5).fill(429)]);
    expect(tries.at(-1)?.headers.get('retry-after')).toMatch(/^([1-9]|[1-5]\d|60)$/);
    expect(tries.at(-1)?.body).toMatchObject({ code: 'RATE_LIMITED', status: 429 });
    expect((await ask('GET', '/v1/work', ADMIN_KEY)).status).toBe(200);
    expect(await http.metrics.registry.metrics()).toContain('herald_auth_failures_total{area="api"} 25');
  });

  it('does not believe X-Forwarded-For', async () => {
    await start([WorkController]);
    let last = 0;
    for (let i = 0; i < 21; i++) {
      const headers = { authorization: 'Bearer wrong', 'x-forwarded-for': `10.0.0.${String(i)}` };
      last = (await fetch(`${http.url}/v1/work`, { headers })).status;
    }
    expect(last).toBe(429);
  });

  it('does not start with a route that says nothing of who may call it, or with an unchecked parameter (X8)', async () => {
    await start();
    await expect(startHttpApp([ForgottenController])).rejects.toThrow(
      [
        'ForgottenController.list does not say who may call it: add @RequireScope(...) or @Public().',
        'ForgottenController.list takes @Query() without a schema: add {schema}, a strict object for a body or a query.',
        'ForgottenController.change takes @Body() without a schema: add {schema}, a strict object for a body or a query.',
        "ForgottenController.change takes @Param('id') without a schema: add {schema}, a strict object for a body or a query.",
      ].join('\n'),
    );
  });
});
