import { existsSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { chromium, type Browser, type Page } from 'playwright-core';
import { readFixture } from '../fixtures/deepgram/index.js';
import { Stage } from '../support/stage.js';

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
if (CHROMIUM === undefined) {
  if (process.env.CI === 'true') throw new Error('CI needs Chromium: apt-get install -y chromium');
  process.stderr.write('Skipped: pages in a browser (X12), because no Chromium is installed\n');
}

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const PATIENCE_MS = 120_000;

/** Speech, tags and names that a page must show and never run. `URL` is a server that nobody may call. */
const PAYLOADS = [
  '<script>document.title="ran";fetch("URL/script")</script>',
  '<img src=x onerror="fetch(\'URL/onerror\')">',
  '<svg onload=alert(1)><animate onbegin=alert(1) attributeName=x></svg>',
  '"><iframe src="javascript:alert(1)"></iframe>',
  '</style><link rel=stylesheet href="URL/css"><style>@import "URL/import";',
  '<a href="javascript:alert(1)">x</a><a href="data:text/html,<script>alert(1)</script>">y</a>',
  '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">',
  '{{constructor.constructor "return 1"}}$' + '{alert(1)}<%= alert(1) %>',
];

(CHROMIUM === undefined ? describe.skip : describe)('pages in a browser', () => {
  let stage: Stage;
  let browser: Browser;
  let canary: Server;
  let called: string[];

  beforeAll(async () => {
    called = [];
    canary = createServer((request, response) => {
      called.push(request.url ?? '');
      response.end();
    });
    await new Promise<void>((resolve) => canary.listen(0, '127.0.0.1', resolve));
    stage = await Stage.start('SQLite', { env: { HERALD_LOG_LEVEL: 'warn' } });
    stage.deepgram.holdCallbacks();
    browser = await chromium.launch({ ...(CHROMIUM && { executablePath: CHROMIUM }), args: FLAGS });
  }, PATIENCE_MS);

  afterAll(async () => {
    await browser.close();
    canary.close();
    await stage.stop();
  }, PATIENCE_MS);

  /** Opens a page and gives what happened on it: dialogs, and requests to anywhere but `own`. */
  async function visit(open: (page: Page) => Promise<unknown>, own: string) {
    const context = await browser.newContext();
    const page = await context.newPage();
    const strange: string[] = [];
    page.on('dialog', (dialog) => {
      strange.push(`dialog ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on('request', (request) => {
      if (!request.url().startsWith(own) && !request.url().startsWith('about:')) strange.push(request.url());
    });
    await open(page);
    await page.waitForTimeout(300);
    const scripts = await page.locator('script').count();
    const handlers = await page.evaluate(
      `[...document.querySelectorAll('*')].flatMap((e) => [...e.attributes]).filter((a) => /^on/i.test(a.name) || /^\\s*(javascript|data):/i.test(a.value)).length`,
    );
    const shown = await page.locator('body').innerText();
    const title = await page.title();
    await context.close();
    return { strange, scripts, handlers, shown, title };
  }

  it(
    'the transcript page and the mail show what was said, and run none of it (X12)',
    async () => {
      const url = `http://127.0.0.1:${String((canary.address() as AddressInfo).port)}`;
      const hostile = PAYLOADS.join(' ').replaceAll('URL', url);
      const spoken = JSON.parse(readFixture('diarized.json').toString('utf8')) as object;
      const body = JSON.stringify(spoken, (key, value: unknown) =>
        key === 'transcript' || key === 'punctuated_word' ? `${String(value)} ${hostile}` : value,
      );
      const id = await stage.submitted({ email: 'reader@clinic.example', name: hostile.slice(0, 500) });
      await stage.server.hook(id, body);
      const mail = await stage.smtp.next(30_000);
      const link = /https?:\/\/\S+\/t\/[\w.-]+/.exec(mail.text)?.[0] ?? '';
      expect(link).toContain(stage.server.url);

      const page = await visit((tab) => tab.goto(link), stage.server.url);
      expect(page).toMatchObject({ strange: [], scripts: 0, handlers: 0 });
      expect(page.shown).toContain('<script>document.title="ran"');
      expect(page.title).not.toBe('ran');

      const read = await visit((tab) => tab.setContent(mail.html), stage.server.url);
      expect(read).toMatchObject({ strange: [], scripts: 0, handlers: 0 });
      expect(read.shown).toContain('<script>document.title="ran"');
      expect(called).toEqual([]);
    },
    PATIENCE_MS,
  );

  it(
    'the documentation loads from this server only',
    async () => {
      const { strange } = await visit((tab) => tab.goto(`${stage.server.url}/docs`), stage.server.url);
      expect(strange.filter((each) => !each.startsWith('data:'))).toEqual([]);
    },
    PATIENCE_MS,
  );
});
