import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { TemplateInvalidError, TemplateRenderError } from '../../src/errors.js';
import type { RenderData } from '../../src/templates/render.js';
import { RenderPool, type RenderPoolOptions } from '../../src/templates/render-pool.service.js';
import { SAMPLE_DATA } from '../../src/templates/sample-facts.js';

/** Utterances that make two nested loops run for minutes. */
function hugeData(): RenderData {
  const { transcript } = SAMPLE_DATA;
  if (!transcript) throw new Error('the sample has a transcript');
  return { ...SAMPLE_DATA, job: { ...SAMPLE_DATA.job, options: { list: Array.from({ length: 7_000 }, () => 0) } } };
}
const LOOP =
  '{{#each job.options.list}}{{#each @root.job.options.list}}{{upper "abc"}}{{#if (eq 1 2)}}x{{/if}}{{/each}}{{/each}}x';
const HUNGRY = `{{#each job.options.list}}{{#each @root.job.options.list}}${'long text that fills the heap '.repeat(40)}{{@index}}{{/each}}{{/each}}`;

describe('RenderPool', () => {
  let pool: RenderPool;
  const open = (options: RenderPoolOptions = {}): RenderPool => (pool = new RenderPool(options));
  afterEach(async () => {
    await pool.close();
  });

  it('renders messages, with partials', async () => {
    open({ partials: { sign: '{{brand}}' } });
    const sms = await pool.render({ sms: '{{> sign}}: {{preview}} {{link}}' }, 'sms', SAMPLE_DATA, { smsSegments: 2 });
    expect(sms).toEqual({ kind: 'sms', parts: { text: expect.stringMatching(/^Herald: Good morning.*\/t\/sample$/) } });
    const email = await pool.render(
      { 'email.subject': '{{brand}}', 'email.html': '<p>{{job.id}}</p>' },
      'email',
      SAMPLE_DATA,
    );
    expect(email).toMatchObject({ kind: 'email', parts: { subject: 'Herald', html: `<p>${SAMPLE_DATA.job.id}</p>` } });
  });

  it('answers soon once it is warm', async () => {
    open();
    const parts = { sms: '{{brand}}: {{preview}} {{link}}' };
    await pool.render(parts, 'sms', SAMPLE_DATA);
    const times: number[] = [];
    for (let i = 0; i < 50; i++) {
      const started = performance.now();
      await pool.render(parts, 'sms', SAMPLE_DATA);
      times.push(performance.now() - started);
    }
    expect(times.sort((a, b) => a - b)[25]).toBeLessThan(40);
  });

  it('stops a template without an end, leaves the event loop alone, and goes on with the next one (T3)', async () => {
    open({ timeLimitMs: 400 });
    await pool.render({ sms: 'warm' }, 'sms', SAMPLE_DATA);
    const gaps: number[] = [];
    let last = performance.now();
    const ticker = setInterval(() => {
      gaps.push(performance.now() - last);
      last = performance.now();
    }, 10);
    const stuck = pool.render({ sms: LOOP }, 'sms', hugeData());
    const next = pool.render({ sms: 'next' }, 'sms', SAMPLE_DATA);
    await expect(stuck).rejects.toThrow(TemplateRenderError);
    await expect(stuck).rejects.toThrow('took longer than 0.4 s');
    await expect(next).resolves.toMatchObject({ parts: { text: 'next' } });
    clearInterval(ticker);
    expect(gaps.length).toBeGreaterThan(20);
    expect(Math.max(...gaps)).toBeLessThan(250);
  });

  it('counts processor time: on a machine that gives it none a template has ten times as long', async () => {
    open({ timeLimitMs: 100 });
    await pool.render({ sms: 'warm' }, 'sms', SAMPLE_DATA);
    const starved = jest.spyOn(process, 'cpuUsage').mockReturnValue({ user: 0, system: 0 });
    try {
      const started = performance.now();
      await expect(pool.render({ sms: LOOP }, 'sms', hugeData())).rejects.toThrow('took longer than 0.1 s');
      expect(performance.now() - started).toBeGreaterThan(1_000);
    } finally {
      starved.mockRestore();
    }
  });

  it('leaves no stuck thread behind', async () => {
    open({ timeLimitMs: 200 });
    await expect(pool.render({ sms: LOOP }, 'sms', hugeData())).rejects.toThrow('took longer');
    await pool.render({ sms: 'next' }, 'sms', SAMPLE_DATA);
    const before = process.cpuUsage();
    await new Promise((resolve) => setTimeout(resolve, 400));
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1_000).toBeLessThan(200);
  });

  it('stops a template that fills the memory, and goes on', async () => {
    open({ timeLimitMs: 10_000, heapLimitMb: 48 });
    const before = process.memoryUsage().rss;
    await expect(pool.render({ sms: HUNGRY }, 'sms', hugeData())).rejects.toThrow(/48 MB|1 MB|grows too long/);
    expect(process.memoryUsage().rss - before).toBeLessThan(250 * 1024 * 1024);
    await expect(pool.render({ sms: 'next' }, 'sms', SAMPLE_DATA)).resolves.toMatchObject({ parts: { text: 'next' } });
  });

  it.each([
    ['has no end', LOOP, { timeLimitMs: 400 }],
    ['fills the memory', HUNGRY, { timeLimitMs: 10_000, heapLimitMb: 48 }],
  ])('a template that %s costs nobody who is with the worker beside it', async (_what, sms, options) => {
    open(options);
    await pool.render({ sms: 'warm' }, 'sms', SAMPLE_DATA);
    const plain = (text: string) => pool.render({ sms: text }, 'sms', SAMPLE_DATA);
    const before = [plain('a'), plain('b')];
    const bad = pool.render({ sms }, 'sms', hugeData());
    bad.catch(() => undefined);
    const after = Array.from({ length: 10 }, (_, i) => plain(`after ${String(i)}`));
    const texts = (await Promise.all([...before, ...after])).map(({ parts }) => ('text' in parts ? parts.text : ''));
    expect(texts).toEqual(['a', 'b', ...Array.from({ length: 10 }, (_, i) => `after ${String(i)}`)]);
    await expect(bad).rejects.toThrow(TemplateRenderError);
  });

  it('brings errors across with their class, fields and places', async () => {
    open();
    const refused = await pool.check({ sms: 'a\n{{brnd}}' }).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(TemplateInvalidError);
    expect((refused as TemplateInvalidError).errors).toEqual([
      expect.objectContaining({ pointer: '/parts/sms', line: 2, column: 3, suggestion: 'brand' }),
    ]);
    await expect(pool.render({ sms: '{{brnd}}' }, 'sms', SAMPLE_DATA)).rejects.toBeInstanceOf(TemplateInvalidError);
    await expect(pool.render({ sms: '{{failure.code}}' }, 'sms', SAMPLE_DATA)).rejects.toThrow(/rendered nothing/);
    await expect(pool.render({ sms: 'x' }, 'email', SAMPLE_DATA)).rejects.toThrow(/no part email/);
  });

  it('checks good parts, refuses objects, and tells a bomb at save as invalid', async () => {
    open({ timeLimitMs: 300 });
    await expect(pool.check({ sms: '{{brand}}' })).resolves.toBeUndefined();
    await expect(pool.check({ sms: { type: 'Program', body: [] } } as never)).rejects.toBeInstanceOf(
      TemplateInvalidError,
    );
    await expect(pool.check({ sms: (() => 'x') as never })).rejects.toBeInstanceOf(TemplateInvalidError);
    const text = `{{#each transcript.utterances}}{{#each @root.transcript.utterances}}${'{{upper (upper (upper @root.transcript.text))}}'.repeat(1_000)}{{/each}}{{/each}}`;
    const bomb = await pool.check({ sms: text }).catch((error: unknown) => error);
    expect(bomb).toBeInstanceOf(TemplateInvalidError);
  });

  it('refuses what waits when it closes, and everything after', async () => {
    open();
    const waiting = pool.render({ sms: 'x' }, 'sms', SAMPLE_DATA);
    const refused = expect(waiting).rejects.toThrow('closed');
    await pool.close();
    await refused;
    await expect(pool.render({ sms: 'x' }, 'sms', SAMPLE_DATA)).rejects.toThrow('closed');
    await expect(pool.check({ sms: 'x' })).rejects.toThrow('closed');
  });
});
