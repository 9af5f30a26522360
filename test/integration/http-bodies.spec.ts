import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Body, Controller, Get, HttpCode, Param, Post, Put, Req, StreamableFile } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { BodyTooLargeError, UnauthorizedError } from '../../src/errors.js';
import { Public, RequireScope } from '../../src/http/api-key.guard.js';
import { ADMIN_KEY, rawRequest, startHttpApp, type HttpTestApp } from '../support/http-app.js';

interface Counted {
  bytes: number;
  first: string;
  type: string | undefined;
}

async function count(request: FastifyRequest): Promise<Counted> {
  if (!(request.body instanceof Readable)) throw new Error('The body is not the stream');
  const counted = { bytes: 0, first: '', type: request.headers['content-type'] };
  for await (const chunk of request.body as AsyncIterable<Buffer>) {
    if (counted.first === '') counted.first = chunk.subarray(0, 8).toString('latin1');
    counted.bytes += chunk.length;
  }
  return counted;
}

@Public()
@Controller('hook')
class HookStub {
  @Post(':jobId')
  @HttpCode(200)
  post(@Param('jobId', { schema: z.string() }) _jobId: string, @Req() request: FastifyRequest): Promise<Counted> {
    return count(request);
  }

  @Put(':jobId')
  put(@Param('jobId', { schema: z.string() }) jobId: string, @Req() request: FastifyRequest): Promise<Counted> {
    if (jobId === 'unauthorized') throw new UnauthorizedError('No credential', 'Basic realm="herald"');
    if (jobId === 'large') throw new BodyTooLargeError('Too large');
    return count(request);
  }
}

@RequireScope('jobs:write')
@Controller('v1/jobs')
class JobsStub {
  @Post()
  submit(@Req() request: FastifyRequest): Promise<Counted> | { json: unknown } {
    return request.body instanceof Readable ? count(request) : { json: request.body };
  }

  @Get('large')
  large(): StreamableFile {
    const chunk = Buffer.alloc(64 * 1024);
    return new StreamableFile(
      new Readable({
        read() {
          this.push(chunk);
        },
      }),
    );
  }

  @Post('other')
  other(@Req() request: FastifyRequest): unknown {
    return { json: request.body };
  }
}

@Public()
@Controller('reports')
class ReportsStub {
  @Post('twilio/:id')
  report(
    @Param('id', { schema: z.string() }) _id: string,
    @Body({ schema: z.record(z.string(), z.string()) }) body: unknown,
  ): unknown {
    return body;
  }
}

describe('bodies go where the route and the content type say', () => {
  let http: HttpTestApp;

  beforeAll(async () => {
    http = await startHttpApp([HookStub, JobsStub, ReportsStub]);
  });
  afterAll(async () => {
    await http.close();
  });

  const send = async (method: string, path: string, body: string | Buffer, type?: string) => {
    const headers = { authorization: `Bearer ${ADMIN_KEY}`, ...(type !== undefined && { 'content-type': type }) };
    const response = await fetch(`${http.url}${path}`, { method, headers, body });
    return { response, status: response.status, body: await response.json() };
  };

  it.each([
    'application/json',
    'text/plain',
    'application/x-strange',
    'multipart/form-data; boundary=x',
    'application/x-www-form-urlencoded',
  ])('hands the untouched stream of a callback of type %s through, beyond the limit for JSON', async (type) => {
    const bytes = Buffer.alloc(3 * 1024 * 1024, '{"__proto__":');
    for (const method of ['POST', 'PUT']) {
      const answer = await send(method, '/hook/j1', bytes, type);
      expect(answer).toMatchObject({ status: 200, body: { bytes: bytes.length, first: '{"__prot', type } });
    }
  });

  it('hands a callback through without a content type, with a malformed one, and without a body', async () => {
    const post = (headers: string, body: string) =>
      rawRequest(http.port, `POST /hook/j1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n${headers}\r\n${body}`);
    expect(await post('Content-Length: 5\r\n', 'bytes')).toContain('"bytes":5');
    expect(await post('Content-Length: 5\r\nContent-Type: ;;\r\n', 'bytes')).toContain('"bytes":5');
    expect(await post('Content-Length: 0\r\n', '')).toContain('"bytes":0');
    expect(await post('', '')).toContain('"bytes":0');
    expect(await post('Transfer-Encoding: chunked\r\n', '5\r\nbytes\r\n0\r\n\r\n')).toContain('"bytes":5');
  });

  it('decides by the route that matched, however its path was written', async () => {
    const encoded = await send('POST', '/%68ook/j1', '{"a":1}', 'application/json');
    expect(encoded).toMatchObject({ status: 200, body: { bytes: 7 } });
  });

  it.each(['audio/wav', 'AUDIO/MPEG; x=y', 'video/mp4', 'application/octet-stream', 'multipart/form-data; boundary=x'])(
    'hands audio of type %s through on POST /v1/jobs, and nowhere else',
    async (type) => {
      expect(await send('POST', '/v1/jobs?model=nova-3', 'RIFF', type)).toMatchObject({
        status: 201,
        body: { bytes: 4 },
      });
      expect(await send('POST', '/v1/jobs/other', 'RIFF', type)).toMatchObject({ status: 415 });
    },
  );

  it('parses JSON on POST /v1/jobs', async () => {
    expect((await send('POST', '/v1/jobs', '{"a":1}', 'application/json')).body).toEqual({ json: { a: 1 } });
  });

  it('parses a form flat and untrimmed under /reports, and refuses it elsewhere', async () => {
    const form = 'Body=%20a%2Bb+&To=%2B1555&x[y]=1&MessageStatus=sent';
    const type = 'application/x-www-form-urlencoded';
    expect((await send('POST', '/reports/twilio/d1', form, type)).body).toEqual({
      Body: ' a+b ',
      To: '+1555',
      'x[y]': '1',
      MessageStatus: 'sent',
    });
    expect(await send('POST', '/v1/jobs', form, type)).toMatchObject({ status: 415 });
    expect(await send('POST', '/reports/twilio/d1', '__proto__=1', type)).toMatchObject({ status: 400 });
  });

  it('streams 200 MB with flat memory', async () => {
    const chunk = Buffer.alloc(1024 * 1024, 1);
    const before = process.memoryUsage().rss;
    let highest = before;
    const body = (function* () {
      for (let i = 0; i < 200; i++) {
        highest = Math.max(highest, process.memoryUsage().rss);
        yield chunk;
      }
    })();
    const answer = await upload('/v1/jobs', Readable.from(body));
    expect(answer).toMatchObject({
      status: 201,
      text: expect.stringContaining(`"bytes":${String(200 * chunk.length)}`),
    });
    expect(highest - before).toBeLessThan(80 * 1024 * 1024);
  }, 60_000);

  it('lets a client that expects 100-continue go on', async () => {
    const answer = await new Promise<string>((resolve, reject) => {
      const headers = { expect: '100-continue', 'content-length': 4, 'content-type': 'application/json' };
      const request = httpRequest(`${http.url}/hook/j1`, { method: 'POST', headers });
      let continued = false;
      request.on('continue', () => {
        continued = true;
        request.end('{}  ');
      });
      request.on('response', (response) => {
        response.resume().on('end', () => {
          resolve(`${String(continued)} ${String(response.statusCode)}`);
        });
      });
      request.on('error', reject);
      request.flushHeaders();
    });
    expect(answer).toBe('true 200');
  });

  it.each([
    ['unauthorized', 401],
    ['large', 413],
  ])('answers %s before the body is in, and ends the connection of a sender that goes on', async (job, status) => {
    const before = Date.now();
    const head = `PUT /hook/${job} HTTP/1.1\r\nHost: h\r\nContent-Length: 90000000\r\n\r\n`;
    const answer = await rawRequest(http.port, head + 'x'.repeat(500_000), 8_000);
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${String(status)} `));
    expect(Date.now() - before).toBeLessThan(6_000);
  });

  it('does not let a client that reads nothing hold the shutdown', async () => {
    const own = await startHttpApp([JobsStub]);
    const socket = connect(own.port, '127.0.0.1');
    await once(socket, 'connect');
    socket.pause();
    socket.write(`GET /v1/jobs/large HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer ${ADMIN_KEY}\r\n\r\n`);
    await new Promise((done) => setTimeout(done, 300));
    const before = Date.now();
    await own.close();
    expect(Date.now() - before).toBeLessThan(8_000);
    socket.destroy();
  });

  it('answers 400 and stays up when a sender breaks off', async () => {
    const head = `POST /v1/jobs/other HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer ${ADMIN_KEY}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"a"`;
    await rawRequest(http.port, head, 200);
    expect(await send('POST', '/v1/jobs', '{}', 'application/json')).toMatchObject({ status: 201 });
    expect(http.lines.filter((line) => line.event === 'http.failed')).toEqual([]);
  });

  const upload = (path: string, body: Readable): Promise<{ status: number | undefined; text: string }> =>
    new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'audio/wav' };
      const request = httpRequest(`${http.url}${path}`, { method: 'POST', headers }, (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        response.on('end', () => {
          resolve({ status: response.statusCode, text });
        });
      });
      request.on('error', reject);
      body.pipe(request);
    });
});
