import { request, type IncomingMessage } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ADMIN_KEY, startHttpApp, type HttpTestApp } from '../support/http-app.js';

interface Client {
  response: IncomingMessage;
  text: () => string;
  closed: Promise<void>;
}

describe('the event stream', () => {
  let http: HttpTestApp;

  beforeEach(async () => {
    http = await startHttpApp();
  });
  afterEach(async () => {
    await http.close();
  });

  const follow = (options: { read: boolean }): Promise<Client> =>
    new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${ADMIN_KEY}` };
      const req = request(`${http.url}/v1/events`, { headers }, (response) => {
        let text = '';
        if (options.read) response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        const closed = new Promise<void>((done) => {
          response.on('close', done);
          response.on('error', () => undefined);
        });
        resolve({ response, text: () => text, closed });
      });
      req.on('error', reject);
      req.end();
    });

  const until = async (condition: () => boolean): Promise<void> => {
    for (let i = 0; i < 200 && !condition(); i++) await new Promise((done) => setTimeout(done, 10));
    expect(condition()).toBe(true);
  };

  it('tells ids and states of what changed, and nothing else of it', async () => {
    const client = await follow({ read: true });
    expect(client.response.headers['content-type']).toBe('text/event-stream');
    expect(client.response.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
    expect(client.response.headers['x-content-type-options']).toBe('nosniff');
    const event = { type: 'job.completed', id: 'j1', jobId: 'j1', state: 'completed', text: 'canary words' };
    http.bus.publish(event);
    await until(() => client.text().includes('job.completed'));
    expect(client.text()).toContain('event: job.completed\n');
    expect(client.text()).toContain('data: {"id":"j1","jobId":"j1","state":"completed"}\n');
    expect(client.text()).not.toContain('canary');
    client.response.destroy();
  });

  it('needs a key', async () => {
    expect((await fetch(`${http.url}/v1/events`)).status).toBe(401);
  });

  it('ends at shutdown, so that the server can close', async () => {
    const client = await follow({ read: true });
    const before = Date.now();
    await http.app.close();
    await client.closed;
    expect(Date.now() - before).toBeLessThan(5_000);
  });

  it('lets go of a client that went away', async () => {
    const listeners = () => http.bus.listenerCount;
    const client = await follow({ read: true });
    expect(listeners()).toBeGreaterThan(0);
    client.response.destroy();
    await until(() => listeners() === 0);
  });

  it('disconnects a client that does not read, and keeps nothing for it', async () => {
    const client = await follow({ read: false });
    const before = process.memoryUsage().rss;
    for (let round = 0; round < 300 && http.bus.listenerCount > 0; round++) {
      for (let i = 0; i < 500; i++) http.bus.publish({ type: 'delivery.sent', id: 'x'.repeat(200), state: 'sent' });
      await new Promise((done) => setImmediate(done));
    }
    expect(http.bus.listenerCount).toBe(0);
    expect(process.memoryUsage().rss - before).toBeLessThan(150 * 1024 * 1024);
    client.response.destroy();
  });
});
