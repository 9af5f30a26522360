import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Body, Controller, Param, Post, Query } from '@nestjs/common';
import { z } from 'zod';
import { RequireScope } from '../../src/http/api-key.guard.js';
import { startHttpApp, type HttpTestApp } from '../support/http-app.js';

const Thing = z
  .strictObject({ name: z.string().max(20).describe('What it is called'), at: z.coerce.date().optional() })
  .meta({ examples: [{ name: 'a call' }] });

@RequireScope('admin')
@Controller('v1/things')
class ThingsController {
  @Post(':id')
  change(
    @Param('id', { schema: z.uuid() }) id: string,
    @Query({
      schema: z.strictObject({ dryRun: z.stringbool().optional(), limit: z.coerce.number().max(9).default(3) }),
    })
    query: unknown,
    @Body({ schema: Thing }) body: unknown,
  ): unknown {
    return { id, query, body };
  }
}

interface Operation {
  operationId: string;
  security?: object[];
  parameters: { name: string; in: string; required?: boolean; schema: object }[];
  requestBody: { content: Record<string, { schema: object }> };
  responses: Record<string, object>;
}

describe('documentation and health', () => {
  let http: HttpTestApp;

  beforeAll(async () => {
    http = await startHttpApp([ThingsController]);
  });
  afterAll(async () => {
    await http.close();
  });

  it('describes routes by the schemas that check them', async () => {
    const response = await fetch(`${http.url}/openapi.json`);
    expect(response.status).toBe(200);
    const document = (await response.json()) as {
      paths: Record<string, Record<string, Operation>>;
      components: { schemas: object; responses: object; securitySchemes: object };
    };
    const operation = document.paths['/v1/things/{id}']?.post;
    expect(operation).toMatchObject({
      operationId: 'Things_change',
      security: [{ bearer: [] }],
      responses: { default: { $ref: '#/components/responses/Problem' } },
    });
    expect(operation?.parameters).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ name: 'id', in: 'path', required: true }),
        expect.objectContaining({ name: 'dryRun', in: 'query', required: false }),
        expect.objectContaining({
          name: 'limit',
          in: 'query',
          schema: expect.objectContaining({ maximum: 9, default: 3 }),
        }),
      ]),
    );
    expect(operation?.requestBody.content['application/json']?.schema).toMatchObject({
      type: 'object',
      required: ['name'],
      properties: { name: { type: 'string', maxLength: 20, description: 'What it is called' } },
      example: { name: 'a call' },
    });
    expect(document.components).toMatchObject({
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } },
      responses: { Problem: { content: { 'application/problem+json': {} } } },
    });
    expect(Object.keys(document.paths)).toEqual(
      expect.arrayContaining([
        '/v1/api-keys',
        '/v1/api-keys/{id}',
        '/v1/audit',
        '/v1/events',
        '/healthz',
        '/readyz',
        '/metrics',
      ]),
    );
  });

  it('has every reference resolve', async () => {
    const text = await (await fetch(`${http.url}/openapi.json`)).text();
    const document = JSON.parse(text) as Record<string, unknown>;
    const references = [...text.matchAll(/"\$ref":"#\/([^"]+)"/g)].map((match) => match[1] ?? '');
    expect(references.length).toBeGreaterThan(0);
    for (const reference of references) {
      const found = reference
        .split('/')
        .reduce<unknown>((at, step) => (at as Record<string, unknown> | undefined)?.[step], document);
      expect([reference, typeof found]).toEqual([reference, 'object']);
    }
  });

  it('serves the page at /docs from this server only, under a policy that allows no inline script', async () => {
    const response = await fetch(`${http.url}/docs`);
    const html = await response.text();
    expect(response.headers.get('content-security-policy')).toContain("script-src 'self';");
    const addresses = [...html.matchAll(/(?:src|href)=["']([^"']+)["']/g)].map((match) => match[1] ?? '');
    expect(addresses.filter((address) => /\.(js|css)$/.test(address)).length).toBeGreaterThanOrEqual(4);
    for (const address of addresses.filter((one) => !one.startsWith('#') && !one.startsWith('data:'))) {
      const asset = await fetch(new URL(address, `${http.url}/docs`));
      await asset.arrayBuffer();
      expect([address, asset.status]).toEqual([address, 200]);
      expect(new URL(asset.url).origin).toBe(http.url);
    }
    expect(html).not.toMatch(/<script(?![^>]*\bsrc=)/);
  });

  it('is alive, and ready while the database answers; says which channels capture', async () => {
    expect(await (await fetch(`${http.url}/healthz`)).json()).toEqual({ status: 'ok' });
    const ready = await fetch(`${http.url}/readyz`);
    expect(ready.status).toBe(200);
    expect(await ready.json()).toEqual({
      status: 'ready',
      reasons: [],
      channels: [
        { name: 'email', kind: 'email', mode: 'capture' },
        { name: 'sms', kind: 'sms', mode: 'capture' },
      ],
    });
  });

  it('shows what was counted, and queues as they are when asked', async () => {
    let waiting = 3;
    http.metrics.watchQueue('callbacks', () => waiting);
    http.metrics.watchQueue('deliveries', () => Promise.resolve(7));
    http.metrics.callbacks.inc({ outcome: 'accepted' });
    http.metrics.deliveries.inc({ channel: 'email', outcome: 'sent' }, 2);
    http.metrics.ackSeconds.observe(0.004);
    waiting = 4;
    const response = await fetch(`${http.url}/metrics`);
    expect(response.headers.get('content-type')).toContain('text/plain');
    const text = await response.text();
    expect(text).toContain('herald_callbacks_total{outcome="accepted"} 1');
    expect(text).toContain('herald_deliveries_total{channel="email",outcome="sent"} 2');
    expect(text).toContain('herald_queue_depth{queue="callbacks"} 4');
    expect(text).toContain('herald_queue_depth{queue="deliveries"} 7');
    expect(text).toContain('herald_ack_seconds_count 1');
  });
});

it('is alive but not ready when the database is gone', async () => {
  const http = await startHttpApp();
  await http.database.close();
  const ready = await fetch(`${http.url}/readyz`);
  expect(ready.status).toBe(503);
  expect(await ready.json()).toMatchObject({ status: 'not ready', reasons: ['The database does not answer'] });
  expect((await fetch(`${http.url}/healthz`)).status).toBe(200);
  await http.close().catch(() => undefined);
});
