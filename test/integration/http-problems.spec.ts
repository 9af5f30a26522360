import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Body, Controller, Get, NotFoundException, Param, Post, Query } from '@nestjs/common';
import { z } from 'zod';
import { ForbiddenError, RateLimitedError, StorageUnavailableError } from '../../src/errors.js';
import { Public, RequireScope } from '../../src/http/api-key.guard.js';
import { ADMIN_KEY, rawRequest, startHttpApp, type HttpTestApp } from '../support/http-app.js';

const CANARY = 'canary-7f3e91';
const Thing = z.strictObject({
  name: z.string().max(20),
  options: z.strictObject({ diarize: z.boolean().optional(), model: z.string().optional() }).optional(),
  to: z.array(z.union([z.strictObject({ email: z.string() }), z.strictObject({ phone: z.string() })])).optional(),
});
const Listing = z.strictObject({ limit: z.coerce.number().int().min(1).max(200).default(50) });

@Controller('v1/things')
@RequireScope('admin')
class ThingsController {
  @Post()
  create(@Body({ schema: Thing }) thing: unknown): unknown {
    return { thing };
  }

  @Get()
  list(@Query({ schema: Listing }) query: unknown): unknown {
    return { query };
  }

  @Get(':id')
  one(@Param('id', { schema: z.uuid() }) id: string): unknown {
    return { id };
  }
}

@Controller('faults')
@Public()
class FaultsController {
  @Get(':kind')
  fail(@Param('kind', { schema: z.string() }) kind: string): never {
    if (kind === 'forbidden') throw new ForbiddenError('The key needs the scope admin');
    if (kind === 'limited') throw new RateLimitedError('Wait', 1_500);
    if (kind === 'storage') throw new StorageUnavailableError('Later');
    if (kind === 'nest') throw new NotFoundException(CANARY);
    if (kind === 'busy') throw Object.assign(new Error(CANARY), { code: 'SQLITE_BUSY_SNAPSHOT' });
    if (kind === 'refused') throw Object.assign(new Error(CANARY), { code: 'ECONNREFUSED' });
    if (kind === 'query') {
      const driverError = Object.assign(new Error(CANARY), { code: 'SQLITE_CONSTRAINT' });
      throw Object.assign(new Error(`insert ${CANARY}`), { name: 'QueryFailedError', query: CANARY, driverError });
    }
    throw Object.assign(new TypeError(CANARY), { statusCode: 500 });
  }
}

describe('every error is a problem', () => {
  let http: HttpTestApp;

  beforeAll(async () => {
    http = await startHttpApp([ThingsController, FaultsController]);
  });
  afterAll(async () => {
    await http.close();
  });

  const ask = async (path: string, init: RequestInit = {}) => {
    const response = await fetch(`${http.url}${path}`, {
      ...init,
      headers: { authorization: `Bearer ${ADMIN_KEY}`, ...(init.headers as Record<string, string> | undefined) },
    });
    const text = await response.text();
    return { response, text, status: response.status, body: JSON.parse(text) as Record<string, unknown> };
  };
  const post = (body: string, type = 'application/json') =>
    ask('/v1/things', { method: 'POST', body, headers: { 'content-type': type } });

  const expectProblem = (answer: Awaited<ReturnType<typeof ask>>, status: number, code: string) => {
    expect(answer.status).toBe(status);
    expect(answer.response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(answer.body).toMatchObject({ status, code, type: `/docs/errors#${code}` });
    expect(answer.body.requestId).toBe(answer.response.headers.get('x-request-id'));
    expect(answer.text).not.toMatch(/canary|node_modules|at .*\.ts/);
  };

  it('names each wrong field of a body by pointer, with what was meant', async () => {
    const answer = await post(JSON.stringify({ nam: 1, options: { diarise: true }, to: [{ emial: 'x' }] }));
    expectProblem(answer, 400, 'REQUEST_INVALID');
    expect(answer.body.errors).toEqual([
      { pointer: '/name', message: 'is missing: expected string' },
      { pointer: '/options/diarise', message: 'is not known here: did you mean diarize?', suggestion: 'diarize' },
      { pointer: '/to/0/email', message: 'is missing: expected string' },
      { pointer: '/to/0/emial', message: 'is not known here: did you mean email?', suggestion: 'email' },
      { pointer: '/nam', message: 'is not known here: did you mean name?', suggestion: 'name' },
    ]);
  });

  it('names a wrong or unknown query parameter, and a wrong path parameter', async () => {
    const wrong = await ask('/v1/things?limit=1e9&limt=2');
    expectProblem(wrong, 400, 'REQUEST_INVALID');
    expect((wrong.body.errors as { pointer: string }[]).map((error) => error.pointer)).toEqual(['limit', 'limt']);
    const path = await ask('/v1/things/17');
    expectProblem(path, 400, 'REQUEST_INVALID');
    expect(path.body.errors).toEqual([{ pointer: 'id', message: 'Invalid UUID' }]);
  });

  it.each(['limit=-1', 'limit=0', 'limit=NaN', 'limit=1e400', 'limit=1&limit=2', 'limit[$ne]=1', '__proto__=1', 'x=1'])(
    'refuses the query %s',
    async (query) => {
      expectProblem(await ask(`/v1/things?${query}`), 400, 'REQUEST_INVALID');
    },
  );

  it.each([
    '{"name":"a",}',
    'name',
    '{"name":NaN}',
    "{'name':'a'}",
    '{"name":"a"} {"name":"b"}',
    '{"name":"a',
    '{"name":"\\x"}',
    '// c\n{}',
    '{"n":01}',
    '{"name":"a\nb"}',
  ])('answers 400 to the text %j, which is not JSON, without quoting it', async (text) => {
    const answer = await post(text);
    expectProblem(answer, 400, 'REQUEST_INVALID');
    expect(answer.body.detail).toBe('The body is not valid JSON');
  });

  it('answers 400 to bytes that are not UTF-8', async () => {
    const body = Buffer.concat([Buffer.from('{"name":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')]);
    const headers = { 'content-type': 'application/json' };
    expectProblem(await ask('/v1/things', { method: 'POST', body, headers }), 400, 'REQUEST_INVALID');
  });

  it.each([
    ['__proto__', '{"name":"a","__proto__":{"status":599}}'],
    ['nested __proto__', '{"name":"a","options":{"__proto__":{"status":599}}}'],
    ['constructor.prototype', '{"name":"a","constructor":{"prototype":{"status":599}}}'],
    ['escaped __proto__', String.raw`{"name":"a","\u005f_proto__":{"status":599}}`],
  ])('refuses %s and stays as it was', async (_name, text) => {
    const answer = await post(text);
    expectProblem(answer, 400, 'REQUEST_INVALID');
    expect(answer.body.detail).toBe('The body holds a forbidden name (__proto__ or constructor.prototype)');
    expect(({} as Record<string, unknown>).status).toBeUndefined();
  });

  it('answers deep JSON at once: 100,000 levels by depth, 5 million by size', async () => {
    const deep = await post('['.repeat(100_000) + ']'.repeat(100_000));
    expectProblem(deep, 400, 'REQUEST_INVALID');
    expect(deep.body.detail).toBe('JSON nests deeper than 64 levels');
    const before = Date.now();
    expectProblem(await post('['.repeat(5_000_000)), 413, 'BODY_TOO_LARGE');
    expect(Date.now() - before).toBeLessThan(2_000);
  });

  it('answers 413 to a body that is too large, announced or not', async () => {
    expectProblem(await post(`"${'a'.repeat(1024 * 1024)}"`), 413, 'BODY_TOO_LARGE');
    const chunked = (async function* () {
      for (let i = 0; i < 20; i++) yield await Promise.resolve(Buffer.alloc(100_000, 0x20));
    })();
    const init = { method: 'POST', body: chunked, duplex: 'half', headers: { 'content-type': 'application/json' } };
    expectProblem(await ask('/v1/things', init as unknown as RequestInit), 413, 'BODY_TOO_LARGE');
  });

  it.each([
    'text/plain',
    'application/xml',
    'application/json; charset=utf-16',
    'audio/wav',
    'nonsense',
    'multipart/form-data; boundary=x',
  ])('answers 415 to %s where JSON is taken', async (type) => {
    expectProblem(await post('{"name":"a"}', type), 415, 'UNSUPPORTED_MEDIA_TYPE');
  });

  it('answers 415 to an encoded body and to one without a type', async () => {
    const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' };
    expectProblem(await ask('/v1/things', { method: 'POST', body: 'x', headers }), 415, 'UNSUPPORTED_MEDIA_TYPE');
    const raw = await rawRequest(
      http.port,
      `POST /v1/things HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer ${ADMIN_KEY}\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}`,
    );
    expect(raw).toMatch(/^HTTP\/1\.1 415 /);
  });

  it('takes application/vnd.x+json, and UTF-8 with a byte order mark', async () => {
    expect((await post('{"name":"a"}', 'application/vnd.herald+json')).status).toBe(201);
    expect((await post('\uFEFF{"name":"ä"}', 'application/json; charset=UTF-8')).body).toEqual({
      thing: { name: 'ä' },
    });
  });

  it('answers 404 to an unknown path without repeating it, whatever the method and body', async () => {
    expectProblem(await ask(`/nothing/${CANARY}?x=${CANARY}`), 404, 'NOT_FOUND');
    const headers = { 'content-type': 'application/x-strange' };
    expectProblem(await ask('/nothing', { method: 'POST', body: 'x', headers }), 404, 'NOT_FOUND');
    expectProblem(await ask('/faults/nest'), 404, 'NOT_FOUND');
  });

  it('answers 405 with Allow to a known path under another method', async () => {
    const answer = await ask('/v1/things', { method: 'DELETE' });
    expectProblem(answer, 405, 'METHOD_NOT_ALLOWED');
    expect(answer.response.headers.get('allow')).toBe('GET, HEAD, POST');
    const one = await ask('/v1/things/5', {
      method: 'PUT',
      body: '{}',
      headers: { 'content-type': 'application/json' },
    });
    expectProblem(one, 405, 'METHOD_NOT_ALLOWED');
    expect(one.response.headers.get('allow')).toBe('GET, HEAD');
  });

  it('answers 400 to a path that cannot be decoded and 414 to a parameter that is too long', async () => {
    const bad = await rawRequest(http.port, 'GET /v1/things/%zz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n');
    expect(bad).toMatch(/^HTTP\/1\.1 400 /);
    expect(bad).toContain('"code":"REQUEST_INVALID"');
    expectProblem(await ask(`/v1/things/${'a'.repeat(300)}`), 414, 'REQUEST_INVALID');
  });

  it.each([
    ['two lengths', 'POST /v1/things HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}', 400],
    [
      'a length and chunks',
      'POST /v1/things HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
    ],
    [
      'a chunk size that lies',
      'POST /v1/things HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n',
      400,
    ],
    ['two encodings', 'POST /v1/things HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, identity\r\n\r\n', 400],
    ['a folded header', 'GET /v1/things HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n', 400],
    ['a space before the colon', 'GET /v1/things HTTP/1.1\r\nHost: h\r\nContent-Length : 2\r\n\r\n{}', 400],
    ['an unknown method', 'FROB / HTTP/1.1\r\nHost: h\r\n\r\n', 400],
    ['a bare line feed', 'GET / HTTP/1.1\nHost: h\n\n', 400],
    ['no HTTP at all', '\x16\x03\x01\x02\x00\x01\x00', 400],
    ['too large headers', `GET / HTTP/1.1\r\nHost: h\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`, 431],
  ])('answers %s with a problem and closes (I8)', async (_name, bytes, status) => {
    const answer = await rawRequest(http.port, bytes);
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${String(status)} `));
    expect(answer).toContain('Content-Type: application/problem+json');
    expect(JSON.parse(answer.split('\r\n\r\n', 2)[1] ?? '')).toMatchObject({ status, code: 'REQUEST_INVALID' });
  });

  it('tells who is limited, and whose storage is away, when to come back', async () => {
    const limited = await ask('/faults/limited');
    expectProblem(limited, 429, 'RATE_LIMITED');
    expect(limited.response.headers.get('retry-after')).toBe('2');
    for (const kind of ['storage', 'busy', 'refused']) {
      const answer = await ask(`/faults/${kind}`);
      expectProblem(answer, 503, 'STORAGE_UNAVAILABLE');
      expect(answer.response.headers.get('retry-after')).toBe('5');
    }
  });

  it('tells nothing of an unexpected error but the request id, and logs its name and code only', async () => {
    for (const kind of ['query', 'unknown']) {
      const answer = await ask(`/faults/${kind}`);
      expectProblem(answer, 500, 'INTERNAL');
      const line = http.lines.find((one) => one.requestId === answer.body.requestId && one.event === 'http.failed');
      expect(line).toMatchObject({ status: 500, error: kind === 'query' ? 'QueryFailedError' : 'TypeError' });
    }
    expect(JSON.stringify(http.lines)).not.toContain(CANARY);
  });

  it('logs one line a request, with the pattern of the route and not its URL', async () => {
    const answer = await ask(`/v1/things/${CANARY}?secret=${CANARY}`);
    const lines = http.lines.filter((line) => line.requestId === answer.body.requestId);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({ event: 'http.request', method: 'GET', route: '/v1/things/:id', status: 400 });
    await fetch(`${http.url}/healthz`);
    expect(http.lines.some((line) => line.route === '/healthz')).toBe(false);
  });

  it('makes its own request id, whatever the caller sends', async () => {
    const answer = await ask('/v1/things', { headers: { 'x-request-id': 'spoofed', 'request-id': 'spoofed' } });
    expect(answer.response.headers.get('x-request-id')).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
  });

  it('sends security headers on every answer, no CORS, and no-store under /v1', async () => {
    for (const path of ['/v1/things', '/v1/things/5', '/nothing', '/healthz']) {
      const { headers } = await fetch(`${http.url}${path}`, { headers: { origin: 'https://evil.example' } });
      expect(headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('access-control-allow-origin')).toBeNull();
      expect(headers.get('x-powered-by')).toBeNull();
      expect(headers.get('cache-control')).toBe(path.startsWith('/v1/') ? 'no-store' : null);
    }
  });

  it('serves a page with the codes that problems point to', async () => {
    const page = await fetch(`${http.url}/docs/errors`);
    expect(page.headers.get('content-type')).toContain('text/html');
    expect(await page.text()).toContain('id="REQUEST_INVALID"');
  });
});
