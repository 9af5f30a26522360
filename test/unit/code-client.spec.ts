import { afterEach, describe, expect, it } from '@jest/globals';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { z } from 'zod';
import { HeraldClient, HeraldRefusal } from '../../src/code/herald-client.service.js';

const open: Server[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

async function serving(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  open.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
}

const refusal = (work: Promise<unknown>): Promise<HeraldRefusal> =>
  work.then(
    () => Promise.reject(new Error('it was not refused')),
    (error: unknown) => {
      expect(error).toBeInstanceOf(HeraldRefusal);
      return error as HeraldRefusal;
    },
  );

async function gathered(client: HeraldClient): Promise<{ found: number[]; error?: HeraldRefusal }> {
  const found: number[] = [];
  try {
    for await (const { n } of client.lines('/', z.object({ n: z.number() }), {})) found.push(n);
    return { found };
  } catch (error) {
    return { found, error: error as HeraldRefusal };
  }
}

describe('asking a running Herald', () => {
  it('gives the key to the address that was named, and to no other', async () => {
    const seen: (string | undefined)[] = [];
    const other = await serving((request, response) => {
      seen.push(request.headers.authorization);
      response.end('{}');
    });
    const named = await serving((request, response) => {
      expect(request.headers.authorization).toBe('Bearer the-key');
      response.writeHead(307, { location: other }).end();
    });
    await refusal(new HeraldClient(named, 'the-key').ask('GET', '/v1/rules', z.unknown()));
    expect(seen).toEqual([]);
  });

  it('tells what a problem says, with its fields', async () => {
    const errors = [{ pointer: '/when', message: 'is wrong', line: 1, column: 3 }];
    const url = await serving((_request, response) => {
      response.writeHead(422, { 'content-type': 'application/problem+json' });
      response.end(JSON.stringify({ code: 'RULE_INVALID', detail: 'The rule has one problem', errors }));
    });
    const told = await refusal(new HeraldClient(url, 'key').ask('PUT', '/v1/rules/x', z.unknown(), { body: {} }));
    expect(told).toMatchObject({ status: 422, message: 'The rule has one problem', errors });
  });

  it('says so when nobody is there, when it is no Herald, and when it is another version', async () => {
    const url = await serving((request, response) => {
      if (request.url === '/html') response.writeHead(502);
      response.end(request.url === '/html' ? '<html>' : '{"name": 5}');
    });
    const client = new HeraldClient(url, 'key');
    expect((await refusal(client.ask('GET', '/html', z.unknown()))).message).toContain('502');
    const newer = await refusal(client.ask('GET', '/json', z.object({ name: z.string() })));
    expect(newer.message).toContain('of the version that the server runs');
    const [server] = open.splice(0);
    server?.closeAllConnections();
    await new Promise((resolve) => server?.close(resolve));
    expect((await refusal(client.ask('GET', '/json', z.unknown()))).message).toContain('cannot be reached');
  });

  it('reads all pages of a list', async () => {
    const url = await serving(({ url: asked = '' }, response) => {
      const isLast = asked.includes('cursor=a%2Fb');
      response.end(JSON.stringify(isLast ? { items: [3] } : { items: [1, 2], nextCursor: 'a/b' }));
    });
    expect(await new HeraldClient(url, 'key').all('/v1/rules', z.number())).toEqual([1, 2, 3]);
  });

  it('reads lines however they are cut into pieces, and does not take a broken answer for a whole one', async () => {
    const whole = await serving((_request, response) => {
      response.write('{"n": 1}\n{"n"');
      setImmediate(() => response.end(': 2}\n{"n": 3}\n'));
    });
    expect(await gathered(new HeraldClient(whole, 'key'))).toEqual({ found: [1, 2, 3] });
    const broken = await serving((_request, response) => {
      response.write('{"n": 1}\n', () => response.destroy());
    });
    expect((await gathered(new HeraldClient(broken, 'key'))).error?.message).toMatch(/broke off|cannot be reached/);
  });
});
