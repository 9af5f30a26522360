import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { readFixture } from '../fixtures/deepgram/index.js';
import { runCli } from '../support/cli.js';
import { ADMIN_KEY } from '../support/server.js';
import { PATIENCE_MS, Stage } from '../support/stage.js';

describe('rules as code, against a running server', () => {
  let stage: Stage;
  let folder: string;

  beforeAll(async () => {
    stage = await Stage.start('SQLite');
    const { server } = stage;
    await server.api('POST', '/v1/contacts', { name: 'Ann', email: 'Ann@Example.COM', phone: '+1 212 555 0145' });
    await server.api('POST', '/v1/groups', { name: 'billing', members: ['ann'] });
    await server.api('PUT', '/v1/templates/short', { parts: { sms: '{{preview}}' }, description: 'Short' });
    await server.api('PUT', '/v1/redactions/sms', { rules: [{ kind: 'cards' }] });
    const actions = [{ channel: 'sms', to: ['group:billing'], template: 'short' }];
    const made = await server.api('POST', '/v1/rules', { name: 'refund-risk', when: "speech.says('refund')", actions });
    expect(made.status).toBe(201);
  }, PATIENCE_MS);
  afterAll(() => stage.stop(), PATIENCE_MS);

  beforeEach(async () => {
    folder = path.join(await mkdtemp(path.join(tmpdir(), 'herald-code-')), 'herald');
  });
  afterEach(() => rm(path.dirname(folder), { recursive: true, force: true }));

  const run = (...args: string[]) =>
    runCli([args[0] ?? '', folder, ...args.slice(1)], { HERALD_URL: stage.server.url, HERALD_ADMIN_KEY: ADMIN_KEY });
  const put = async (file: string, text: string): Promise<void> => {
    await mkdir(path.dirname(path.join(folder, file)), { recursive: true });
    await writeFile(path.join(folder, file), text);
  };
  const rule = (when: string) =>
    `name: refund-risk\nwhen: ${when}\nactions:\n  - channel: sms\n    to: [group:billing]\n    template: short\n`;

  it(
    'exports what there is; exported again and planned there is nothing to do',
    async () => {
      expect((await run('export')).code).toBe(0);
      expect((await readdir(path.join(folder, 'rules'))).includes('refund-risk.yaml')).toBe(true);
      const contact = await readFile(path.join(folder, 'contacts/Ann.yaml'), 'utf8');
      expect(contact).toBe('name: Ann\nemail: Ann@example.com\nphone: "+12125550145"\n');
      expect(await readFile(path.join(folder, 'redactions/sms.yaml'), 'utf8')).toBe(
        'channel: sms\nrules:\n  - kind: cards\n',
      );
      expect((await run('export')).output).toContain('Nothing to write');
      const planned = await run('plan', '--prune');
      expect(planned).toEqual({ code: 0, output: expect.stringContaining('Nothing to do') });
      expect(planned.output).not.toContain(ADMIN_KEY);
    },
    PATIENCE_MS,
  );

  it(
    'shows a change with its effect on the transcripts that came, applies it, and has nothing to do then',
    async () => {
      stage.deepgram.holdCallbacks();
      const job = await stage.submitted();
      expect((await stage.server.hook(job, readFixture('diarized.json'))).status).toBe(200);
      await stage.settled(job);
      await put('rules/refund-risk.yaml', rule(`"speech.says('zebra')"`));
      const planned = await run('plan');
      expect(planned.output).toContain('~ rule refund-risk');
      expect(planned.output).toContain(`when: "speech.says('refund')" -> "speech.says('zebra')"`);
      expect(planned.output).toContain('Over the 1 transcript of the last 7 days');
      expect(planned.output).toMatch(/ - .* refund-risk: sms to \+12125550145.* for "refund/);
      expect(planned.code).toBe(2);
      expect((await run('apply', '--dry-run', '--days', '0')).code).toBe(2);
      expect(await run('apply')).toMatchObject({
        code: 0,
        output: expect.stringContaining('rule refund-risk: changed'),
      });
      expect(await run('apply')).toMatchObject({ code: 0, output: expect.stringContaining('Nothing to do') });
      expect((await run('plan')).code).toBe(0);
    },
    2 * PATIENCE_MS,
  );

  it(
    'refuses a folder with a mistake and names file, line and column; nothing is done',
    async () => {
      await put('contacts/bob.yaml', 'name: Bob\nemail: bob@example.com\n');
      await put('rules/refund-risk.yaml', rule('transcript.durration > 3'));
      await put('templates/short/sms.hbs', '{{previw}}\n');
      const applied = await run('apply');
      expect(applied.code).toBe(1);
      expect(applied.output).toMatch(/rules\/refund-risk\.yaml:2:\d+ .*duration/);
      expect(applied.output).toMatch(/templates\/short\/sms\.hbs:1:\d+ .*preview/);
      const { body } = await stage.server.get<{ items: unknown[] }>('/v1/contacts?name=Bob');
      expect(body.items).toEqual([]);
    },
    PATIENCE_MS,
  );

  it(
    'runs the tests beside a rule without a server, and fails with what is not as they say',
    async () => {
      await put('contacts/ann.yaml', 'name: Ann\nphone: +12125550145\n');
      await put(
        'rules/mine.yaml',
        rule("speech.says('refund')").replace('refund-risk', 'mine').replace('group:billing', 'contact:ann'),
      );
      await put('templates/short/sms.hbs', 'They want: {{preview}}\n');
      const test = (text: string) =>
        `- name: money back\n  transcript: { text: 'I want a refund' }\n  expect:\n    matched: true\n    words: [refund]\n    messages: [{ channel: sms, to: '+12125550145', contains: ${text} }]\n`;
      await put('rules/mine.test.yaml', test("'They want: I want a refund'"));
      const alone = () => runCli(['test', folder], {});
      expect(await alone()).toMatchObject({ code: 0, output: expect.stringContaining('1 of 1 tests pass') });
      await put('rules/mine.test.yaml', test('thanks'));
      expect(await alone()).toMatchObject({
        code: 1,
        output: expect.stringContaining('does not hold "thanks"'),
      });
    },
    PATIENCE_MS,
  );

  it(
    'says what is missing when there is no server, no key or no folder',
    async () => {
      await put('rules/r.yaml', rule('true'));
      const nobody = await runCli(['plan', folder, '--url', 'http://127.0.0.1:9', '--key', ADMIN_KEY], {});
      expect(nobody).toMatchObject({ code: 1, output: expect.stringContaining('cannot be reached') });
      const keyless = await runCli(['plan', folder, '--url', stage.server.url], {});
      expect(keyless).toMatchObject({ code: 1, output: expect.stringContaining('HERALD_ADMIN_KEY') });
      const wrong = await runCli(['plan', folder, '--url', stage.server.url, '--key', 'x'.repeat(20)], {});
      expect(wrong).toMatchObject({ code: 1, output: expect.stringContaining('the key is not right') });
      const nowhere = await runCli(['plan', `${folder}-none`, '--key', ADMIN_KEY], {});
      expect(nowhere).toMatchObject({ code: 1, output: expect.stringContaining('there is no folder') });
    },
    PATIENCE_MS,
  );
});
