import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { HealthWatch } from '../support/health.js';
import { longBody } from '../support/long-transcript.js';
import { PATIENCE_MS, Stage, type DeliveryBody, type JobBody } from '../support/stage.js';

/** The bound is 250 ms. A machine that runs other suites beside this one gets more: what is shown here is no stall of seconds. */
const HEALTH_MS = 1_000;
/** 250 turns of speech. */
const BODY = longBody(10_000, 'turns');

const each = (inner: string): string => `{{#each @root.transcript.utterances}}${inner}{{/each}}`;
/** Harmless on the few turns of the sample, by which a template is tried when it is saved. */
const TEMPLATES = {
  endless: each(each('{{#if (eq text "x")}}x{{/if}}'.repeat(1_500))),
  huge: each(each('{{text}} {{text}} {{text}} {{text}}')),
};

describe('templates and patterns that burst their limits', () => {
  let stage: Stage;

  beforeAll(async () => {
    stage = await Stage.start('SQLite');
    stage.deepgram.holdCallbacks();
  }, PATIENCE_MS);
  afterAll(() => stage.stop());

  async function watched<T>(what: string, work: () => Promise<T>): Promise<T> {
    const health = new HealthWatch(stage.server.url);
    try {
      return await work();
    } finally {
      const { slowestMs, failures } = await health.end();
      process.stdout.write(`slowest health beside ${what}: ${String(slowestMs)} ms\n`);
      expect(failures).toBe(0);
      expect(slowestMs).toBeLessThan(HEALTH_MS);
    }
  }

  it(
    'end their own delivery with the reason, and no other (T3, T5)',
    async () => {
      for (const [name, html] of Object.entries(TEMPLATES)) {
        const parts = { 'email.subject': 'x', 'email.html': `<p>x</p>${html}`, 'email.text': 'x' };
        expect(await status('PUT', `/v1/templates/${name}`, { parts })).toBe(201);
        const actions = [{ channel: 'email', to: [`${name}@clinic.example`], template: name }];
        expect(await status('POST', '/v1/rules', { name, actions })).toBe(201);
      }
      await watched('template bombs', async () => {
        const id = await stage.submitted({ email: 'dana@clinic.example' });
        const before = await stage.server.rss();
        expect((await stage.server.hook(id, BODY)).status).toBe(200);
        const ended = (job: JobBody): boolean =>
          job.deliveries.length === 3 && job.deliveries.every(({ state }) => state === 'sent' || state === 'dead');
        const { deliveries } = await stage.job(id, (job) => ended(job));
        process.stdout.write(
          `RSS after template bombs: ${before.toFixed(0)} -> ${(await stage.server.rss()).toFixed(0)} MiB\n`,
        );
        const outcome = async (ruleName: string): Promise<DeliveryBody> =>
          stage.delivery(deliveries.find((one) => one.ruleName === ruleName)?.id ?? '');
        expect(await outcome('email-on-completion')).toMatchObject({ state: 'sent' });
        for (const [name, reason] of [
          ['endless', /took longer than 2 s/],
          ['huge', /larger|longer|characters|MB/],
        ] as const)
          expect(await outcome(name)).toMatchObject({ state: 'dead', reason: expect.stringMatching(reason) });
      });
    },
    PATIENCE_MS,
  );

  it(
    'are refused at once when they are saved: partials of themselves, 20,000 blocks, a megabyte (T3)',
    async () => {
      const bombs = {
        recursive: '{{#*inline "a"}}{{> a}}{{/inline}}{{> a}}',
        nested: `${'{{#if brand}}'.repeat(20_000)}x${'{{/if}}'.repeat(20_000)}`,
        megabyte: '{{brand}}'.repeat(120_000),
      };
      for (const [name, sms] of Object.entries(bombs)) {
        const started = performance.now();
        const answer = await watched(`saving ${name}`, () =>
          status('PUT', `/v1/templates/${name}`, { parts: { sms } }),
        );
        process.stdout.write(`refused ${name} in ${String(Math.round(performance.now() - started))} ms\n`);
        expect([name, Math.floor(answer / 100)]).toEqual([name, 4]);
      }
    },
    PATIENCE_MS,
  );

  it(
    'are patterns too: those that backtrack elsewhere are run over 50,000 characters, and a second callback goes by (T1)',
    async () => {
      const patterns = ['(a+)+$', '(a|aa)+$', String.raw`\d+\d+x`, '(.*,){20}x', '([a-zA-Z]+)*$'];
      for (const [i, pattern] of patterns.entries()) {
        const actions = [{ channel: 'email', to: ['pattern@clinic.example'], template: 'transcript-ready' }];
        const rule = { name: `pattern-${String(i)}`, when: `regex(transcript.text, r'${pattern}')`, actions };
        expect([pattern, await status('POST', '/v1/rules', rule)]).toEqual([pattern, 201]);
      }
      const texts = [`${'a'.repeat(50_000)}!`, '1'.repeat(50_000), 'a,'.repeat(25_000)];
      await watched('patterns', async () => {
        for (const transcript of texts) {
          const alternatives = [{ transcript, confidence: 0.9, words: [] }];
          const body = {
            metadata: { request_id: `p${transcript.slice(0, 2)}` },
            results: { channels: [{ alternatives }] },
          };
          const [first, second] = [await stage.submitted(), await stage.submitted()];
          const started = performance.now();
          expect((await stage.server.hook(first, JSON.stringify(body))).status).toBe(200);
          expect((await stage.server.hook(second, BODY)).status).toBe(200);
          expect(performance.now() - started).toBeLessThan(2_000);
          const { evaluations } = await stage.settled(first);
          expect(evaluations.filter(({ ruleName }) => ruleName.startsWith('pattern-'))).toHaveLength(patterns.length);
        }
      });
    },
    PATIENCE_MS,
  );

  async function status(method: string, route: string, body: unknown): Promise<number> {
    return (await stage.server.api(method, route, body)).status;
  }
});
