import { createHash } from 'node:crypto';
import { openAsBlob } from 'node:fs';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { CALL_AUDIO } from '../../src/sandbox/bundled-call.service.js';
import { DeepgramStandIn, type DeepgramStandInOptions } from '../../src/sandbox/deepgram-stand-in.service.js';

interface Received {
  method: string;
  authorization: string | undefined;
  contentType: string | undefined;
  body: string;
}

interface ParsedBody {
  metadata: { request_id: string; sha256: string; extra?: Record<string, string>; tags?: string[] };
  results: {
    utterances?: unknown[];
    channels: { alternatives: { transcript: string; words: { speaker?: number }[] }[] }[];
  };
}

const AUDIO = { 'content-type': 'audio/wav', authorization: 'Token secret' };

describe('the stand-in for Deepgram', () => {
  const received: Received[] = [];
  let statuses: number[];
  let receiver: Server;
  let callback: string;
  let deepgram: DeepgramStandIn;
  let base: string;

  beforeEach(async () => {
    received.length = 0;
    statuses = [];
    receiver = createServer((incoming, response) => {
      let body = '';
      incoming.on('data', (chunk: Buffer) => (body += chunk.toString()));
      incoming.on('end', () => {
        const { authorization, 'content-type': contentType } = incoming.headers;
        received.push({ method: incoming.method ?? '', authorization, contentType, body });
        response.writeHead(statuses.shift() ?? 200, { 'www-authenticate': 'Basic' }).end();
      });
    });
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
    const { port } = receiver.address() as AddressInfo;
    callback = `http://herald:p%40ss@127.0.0.1:${String(port)}/hook/1?a=b`;
  });

  afterEach(async () => {
    await deepgram.stop();
    receiver.closeAllConnections();
    await new Promise((resolve) => receiver.close(resolve));
  });

  async function play(options: DeepgramStandInOptions = {}): Promise<void> {
    deepgram = new DeepgramStandIn({ retryScale: 0.001, ...options });
    base = await deepgram.start();
  }

  /** A key that is undefined is left out. */
  async function listen(query: Record<string, string | string[]>, init: RequestInit = {}): Promise<[number, unknown]> {
    const parameters = new URLSearchParams();
    for (const [name, values] of Object.entries(query)) {
      for (const value of [values].flat()) parameters.append(name, value);
    }
    const answer = await fetch(`${base}/v1/listen?${parameters.toString()}`, {
      method: 'POST',
      headers: AUDIO,
      body: 'sound',
      ...init,
    });
    const text = await answer.text();
    return [answer.status, answer.headers.get('content-type') === 'application/json' ? JSON.parse(text) : text];
  }

  const parsed = (index = 0): ParsedBody => JSON.parse(received[index]?.body ?? '{}') as ParsedBody;

  it('answers with a request id and posts compact JSON with Basic Auth taken from the URL', async () => {
    await play();
    const [status, answer] = await listen({ callback });
    await deepgram.settled();
    expect(status).toBe(200);
    const { request_id } = answer as { request_id: string };
    expect(request_id).toMatch(/^[0-9a-f-]{36}$/);
    expect(received).toHaveLength(1);
    expect(received[0]).toMatchObject({
      method: 'POST',
      contentType: 'application/json',
      authorization: `Basic ${Buffer.from('herald:p@ss').toString('base64')}`,
    });
    expect(received[0]?.body).not.toContain('\n');
    expect(parsed().metadata).toMatchObject({
      request_id,
      sha256: createHash('sha256').update('sound').digest('hex'),
    });
    expect(deepgram.callbacks).toMatchObject([{ requestId: request_id, attempt: 1, status: 200, authenticated: true }]);
  });

  it('uses PUT when asked, and echoes extra and tag', async () => {
    await play();
    await listen({ callback, callback_method: 'PUT', extra: ['a:1', 'a:x:y', 'b:2'], tag: ['one', 'two'] });
    await deepgram.settled();
    expect(received[0]?.method).toBe('PUT');
    expect(parsed().metadata).toMatchObject({ extra: { a: 'x:y', b: '2' }, tags: ['one', 'two'] });
  });

  it('transcribes the bundled call, and only as far as was asked', async () => {
    await play();
    const call = { body: await openAsBlob(CALL_AUDIO), headers: { ...AUDIO, 'content-type': 'audio/ogg' } };
    await listen({ callback }, call);
    await listen({ callback, diarize_model: 'latest', utterances: 'true' }, call);
    await deepgram.settled();
    const [plain, full] = [parsed(0), parsed(1)];
    expect(plain.results.channels[0]?.alternatives[0]?.transcript).toContain('I would like a refund, please.');
    expect(plain.results.channels[0]?.alternatives[0]?.words[0]).not.toHaveProperty('speaker');
    expect(plain.results).not.toHaveProperty('utterances');
    expect(full.results.channels[0]?.alternatives[0]?.words[0]).toHaveProperty('speaker', 0);
    expect(full.results.utterances).toHaveLength(10);
    const bytes = (await readFile(CALL_AUDIO)).length;
    expect(deepgram.requests[0]).toMatchObject({ bytes, contentLength: bytes, contentType: 'audio/ogg', status: 200 });
  });

  it('sends what bodyFor says: bytes as they are, objects with metadata', async () => {
    const bodies = [Buffer.from('not json'), { results: { channels: [] } }];
    await play({ bodyFor: () => bodies.shift() ?? Buffer.from('') });
    await listen({ callback });
    await deepgram.settled();
    const [, answer] = await listen({ callback });
    await deepgram.settled();
    expect(received[0]?.body).toBe('not json');
    expect(parsed(1).metadata.request_id).toBe((answer as { request_id: string }).request_id);
  });

  it('repeats a callback on any answer but 2xx, and stops at the first that is', async () => {
    await play();
    statuses = [500, 404, 302, 204];
    await listen({ callback });
    await deepgram.settled();
    expect(deepgram.callbacks.map((attempt) => attempt.status)).toEqual([500, 404, 302, 204]);
    expect(deepgram.lost).toEqual([]);
  });

  it('gives the transcript up after ten retries', async () => {
    await play();
    statuses = Array.from({ length: 20 }, () => 503);
    await listen({ callback });
    await deepgram.settled();
    expect(deepgram.callbacks).toHaveLength(11);
    expect(deepgram.lost).toEqual([deepgram.requests[0]?.requestId]);
  });

  it('counts a receiver that is not there, or does not answer in time, as refused', async () => {
    await play({ callbackTimeoutMs: 30, retryScale: 0 });
    await listen({ callback: 'http://127.0.0.1:1/hook' });
    const silent = createServer(() => undefined);
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    await listen({ callback: `http://127.0.0.1:${String((silent.address() as AddressInfo).port)}/hook` });
    await deepgram.settled();
    silent.closeAllConnections();
    silent.close();
    expect(deepgram.lost).toHaveLength(2);
    const errors = new Set(deepgram.callbacks.map((attempt) => attempt.error));
    expect(errors).toEqual(new Set(['connect ECONNREFUSED 127.0.0.1:1', 'time-out']));
  });

  it('authenticates only when asked, if told to', async () => {
    await play({ authenticateWhenAsked: true });
    statuses = [401, 200];
    await listen({ callback });
    await deepgram.settled();
    expect(received.map((one) => one.authorization !== undefined)).toEqual([false, true]);
    expect(deepgram.callbacks).toHaveLength(1);
  });

  it('can call back before it answers, and more than once', async () => {
    await play({ callbackBeforeAnswer: true, duplicateCallbacks: 2 });
    await listen({ callback });
    expect(received).toHaveLength(3);
    expect(new Set(received.map((one) => one.body)).size).toBe(1);
  });

  it('holds callbacks until they are released', async () => {
    await play();
    deepgram.holdCallbacks();
    await listen({ callback });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(received).toHaveLength(0);
    deepgram.release();
    await deepgram.settled();
    expect(received).toHaveLength(1);
  });

  it('stops at once while callbacks wait, are held or are repeated', async () => {
    await play({ callbackDelayMs: 60_000 });
    await listen({ callback });
    const started = Date.now();
    await deepgram.stop();
    expect(Date.now() - started).toBeLessThan(1_000);
    expect(received).toHaveLength(0);
  });

  it('fails as it is told, in order, then works again', async () => {
    await play();
    deepgram.failNext(429, undefined, { 'retry-after': '3' });
    deepgram.failNext(502, '<html>Bad Gateway</html>');
    deepgram.failNext('reset');
    expect(await listen({ callback })).toMatchObject([429, { err_code: 'TOO_MANY_REQUESTS' }]);
    expect(await listen({ callback })).toEqual([502, '<html>Bad Gateway</html>']);
    await expect(listen({ callback })).rejects.toThrow('fetch failed');
    expect((await listen({ callback }))[0]).toBe(200);
    expect(deepgram.requests.map((one) => one.status)).toEqual([429, 502, 0, 200]);
  });

  it.each<[string, Record<string, string | string[]>, number, string]>([
    ['a boolean that is none', { diarize: 'yes' }, 400, 'INVALID_QUERY_PARAMETER'],
    ['a choice that is none', { diarize_model: 'v9' }, 400, 'INVALID_QUERY_PARAMETER'],
    ['a callback method that is none', { callback_method: 'PATCH' }, 400, 'INVALID_QUERY_PARAMETER'],
    ['a callback that is no URL', { callback: 'hook' }, 400, 'INVALID_QUERY_PARAMETER'],
    ['a callback over ftp', { callback: 'ftp://a.example/x' }, 400, 'INVALID_QUERY_PARAMETER'],
    ['a callback to another port', { callback: 'https://a.example:3000/x' }, 400, 'INVALID_QUERY_PARAMETER'],
    ['a callback host with an underscore', { callback: 'https://a_b.example/x' }, 400, 'Bad Request'],
    ['a tag that is too long', { tag: 'x'.repeat(129) }, 400, 'INVALID_QUERY_PARAMETER'],
    ['too many searches', { search: Array.from({ length: 51 }, String) }, 400, 'INVALID_QUERY_PARAMETER'],
    ['a summary of German', { summarize: 'v2', language: 'de' }, 400, 'Bad Request'],
  ])('refuses %s', async (_name, query, status, code) => {
    await play({ anyPort: false });
    const [answered, body] = await listen(query);
    expect([answered, (body as { err_code: string }).err_code]).toEqual([status, code]);
  });

  it('ignores options that it does not know, and takes the four ports', async () => {
    await play({ anyPort: false, bodyFor: () => Buffer.from('{}') });
    deepgram.holdCallbacks();
    for (const port of ['', ':80', ':8080', ':8443']) {
      expect((await listen({ dairize: 'yes', callback: `http://a.invalid${port}/x` }))[0]).toBe(200);
    }
  });

  it('refuses a missing or a wrong key', async () => {
    await play({ apiKey: 'right' });
    const key = (authorization?: string): RequestInit => ({
      headers: { 'content-type': 'audio/wav', ...(authorization === undefined ? {} : { authorization }) },
    });
    expect(await listen({}, key())).toMatchObject([401, { err_code: 'INVALID_AUTH' }]);
    expect(await listen({}, key('Token wrong'))).toMatchObject([401, { err_code: 'INVALID_AUTH' }]);
    expect((await listen({}, key('Token right')))[0]).toBe(200);
  });

  it('wants a length, and audio, or a URL', async () => {
    await play();
    const chunked = await new Promise<number>((resolve, reject) => {
      const open = request(`${base}/v1/listen`, { method: 'POST', headers: AUDIO }, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      });
      open.on('error', reject);
      open.write('sou');
      open.end('nd');
    });
    expect(chunked).toBe(411);
    const json = { ...AUDIO, 'content-type': 'application/json' };
    expect(await listen({}, { body: '' })).toMatchObject([400, { err_code: 'Bad Request' }]);
    expect(await listen({}, { headers: json })).toMatchObject([400, { category: 'INVALID_JSON' }]);
    expect(await listen({}, { headers: json, body: '{}' })).toMatchObject([400, { err_code: 'PAYLOAD_ERROR' }]);
    const remote = JSON.stringify({ url: 'https://a.example/a.wav' });
    expect((await listen({}, { headers: json, body: remote }))[0]).toBe(200);
    expect(deepgram.requests.at(-1)?.audioUrl).toBe('https://a.example/a.wav');
  });

  it('records no secret', async () => {
    await play();
    await listen({ callback, extra: ['callback_secret:hush', 'job:7'] });
    await deepgram.settled();
    const record = JSON.stringify([deepgram.requests, deepgram.callbacks]);
    expect(record).not.toMatch(/hush|p%40ss|p@ss|secret"|Token/);
    expect(deepgram.requests[0]?.options.extra).toEqual(['callback_secret:…', 'job:7']);
    expect(parsed().metadata.extra).toEqual({ callback_secret: 'hush', job: '7' });
  });

  it('takes a large upload without keeping it', async () => {
    await play();
    const chunk = Buffer.alloc(1 << 20, 7);
    const pieces = 200;
    const before = process.memoryUsage().rss;
    const body = Readable.from(
      (function* () {
        for (let i = 0; i < pieces; i++) yield chunk;
      })(),
    );
    const headers = { ...AUDIO, 'content-length': String(pieces * chunk.length) };
    const open = request(`${base}/v1/listen?${new URLSearchParams({ callback }).toString()}`, {
      method: 'POST',
      headers,
    });
    const answered = new Promise((resolve) => open.on('response', resolve));
    await pipeline(body, open);
    expect(await answered).toMatchObject({ statusCode: 200 });
    expect(deepgram.requests[0]?.bytes).toBe(pieces * chunk.length);
    expect(process.memoryUsage().rss - before).toBeLessThan(120 << 20);
  });
});
