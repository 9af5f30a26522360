import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { PATIENCE_MS, Stage } from '../support/stage.js';

const FORGED = '{"level":"info","event":"forged"}';
/** What breaks lines, or a terminal, when it is written as it came. */
const BREAKS = ['\r\n', '\n', '\u001b[2J\u001b[31m', '\u2028', '\u0085', '\0'];
const LONG = 'x'.repeat(1_000_000);

describe('the log under hostile values', () => {
  let stage: Stage;
  /** Before it listens, a start speaks to a person, in plain text. */
  let preface = 0;
  beforeAll(async () => {
    stage = await Stage.start('SQLite', { env: { HERALD_LOG_LEVEL: 'debug' } });
    preface = stage.server.log.length;
  }, PATIENCE_MS);
  afterAll(async () => {
    await stage.stop();
  }, PATIENCE_MS);

  /** Sends bytes that a client library would refuse to send. */
  const raw = (head: string): Promise<void> =>
    new Promise((resolve) => {
      const { hostname, port } = new URL(stage.server.url);
      const socket = connect(Number(port), hostname, () =>
        socket.end(`${head}\r\nHost: h\r\nConnection: close\r\n\r\n`),
      );
      socket.on('error', () => undefined);
      socket.on('close', () => {
        resolve();
      });
      socket.resume();
    });

  it(
    'has one line of JSON for each event, without control characters and of bounded length (X16)',
    async () => {
      const { server } = stage;
      const forgeries = BREAKS.map((mark) => `a${mark}${FORGED}`);
      for (const value of [...forgeries, LONG]) {
        const encoded = encodeURIComponent(value.slice(0, 4_000));
        await server.get(`/v1/jobs/${encoded}`);
        await server.get(`/v1/jobs?cursor=${encoded}`);
        await server.get(`/${encoded}`);
        await server.api('POST', '/v1/jobs', { audio: { url: `https://files.clinic.example/${value}` } });
        await server.api('POST', '/v1/jobs', {
          audio: { url: 'https://files.clinic.example/a.wav' },
          tags: { email: value.slice(0, 200), name: value.slice(0, 200) },
        });
        await server.api('POST', '/v1/rules', { name: value, when: value, actions: [] });
        await server.api('POST', '/v1/contacts', { name: value, email: value });
        await server.api('PUT', `/v1/templates/${encoded}`, { parts: { 'sms.text': value } });
        await server.hook('0198a8a0-0000-7000-8000-000000000000', JSON.stringify({ err_code: value, err_msg: value }));
        await server.hook(encoded, value);
        await raw(
          `GET /v1/jobs HTTP/1.1\r\nUser-Agent: ${value.slice(0, 4_000)}\r\nX-Request-Id: ${value.slice(0, 4_000)}`,
        );
        await raw(`${value.slice(0, 4_000)} / HTTP/1.1`);
      }
      // A callback that fails in Deepgram's words, on a job that exists.
      stage.deepgram.holdCallbacks();
      for (const value of forgeries) {
        const id = await stage.submitted();
        expect((await server.hook(id, JSON.stringify({ err_code: value, err_msg: value }))).status).toBe(200);
        await stage.settled(id);
      }
      expect((await server.get('/readyz')).status).toBe(200);

      const events = server.log
        .slice(preface)
        .split('\n')
        .filter((line) => line !== '');
      expect(events.length).toBeGreaterThan(forgeries.length * 10);
      for (const line of events) {
        const parsed = JSON.parse(line) as Record<string, unknown>;
        expect(parsed).toMatchObject({ event: expect.stringMatching(/^[a-z][\w.-]+$/) });
        expect(parsed.event).not.toBe('forged');
        expect(line).not.toMatch(/[\p{Cc}\u2028\u2029]/u);
        expect(line.length).toBeLessThan(2_000);
      }
    },
    PATIENCE_MS,
  );
});
