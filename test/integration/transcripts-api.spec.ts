import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { makeLinkToken } from '../../src/transcripts/link.js';
import { toStored } from '../../src/transcripts/pack.service.js';
import { TranscriptsStore } from '../../src/transcripts/transcripts.store.js';
import { databases, HOOK_PASSWORD, SECRET, TestApp } from '../support/app.js';
import { callTranscript } from '../support/transcript.js';

const FIXTURE = fileURLToPath(new URL('../fixtures/deepgram/diarized.json', import.meta.url));
const NOBODY = '01900000-0000-7000-8000-000000000000';

describe.each(await databases())('transcripts on %s', (kind) => {
  let herald: TestApp;
  let call: string;
  beforeAll(async () => {
    herald = await TestApp.start(kind);
    call = await herald.storeTranscript(callTranscript());
  });
  afterAll(() => herald.close());

  const store = () => herald.app.get(TranscriptsStore, { strict: false });
  const found = async (query: string) =>
    (await herald.get(`/v1/transcripts?${query}`)).body.items.map(({ jobId }: { jobId: string }) => jobId);
  const search = (q: string) => herald.get(`/v1/transcripts?q=${encodeURIComponent(q)}`);
  const page = (token: string) => fetch(`${herald.url}/t/${token}`);

  it('gives the transcript as JSON, whole', async () => {
    const { status, body } = await herald.get(`/v1/transcripts/${call}`);
    expect(status).toBe(200);
    const { jobId, callbackId, createdAt, ...transcript } = body;
    expect({ jobId, callbackId }).toEqual({ jobId: call, callbackId: 'none' });
    expect(Date.parse(createdAt)).toBeGreaterThan(0);
    expect(transcript).toEqual(callTranscript());
    expect((await herald.get(`/v1/transcripts/${call}.json`)).body).toEqual(body);
  });

  it.each([
    ['txt', 'text/plain', '[0:03] Speaker 2: I want a refund'],
    ['srt', 'application/x-subrip', '00:00:03,000 -->'],
    ['vtt', 'text/vtt', 'WEBVTT\n\n00:00:00.500 -->'],
  ])('gives it as .%s, to be saved under the id of the job', async (suffix, contentType, part) => {
    const { status, headers, body } = await herald.get(`/v1/transcripts/${call}.${suffix}`);
    expect(status).toBe(200);
    expect(headers.get('content-type')).toBe(`${contentType}; charset=utf-8`);
    expect(headers.get('content-disposition')).toBe(`attachment; filename="${call}.${suffix}"`);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(body).toContain(part);
  });

  it('gives captions of silence, and a page of it', async () => {
    const silence = await herald.storeTranscript(
      callTranscript('', { words: [], utterances: [], speakers: [], text: '' }),
    );
    expect((await herald.get(`/v1/transcripts/${silence}.srt`)).body).toBe('');
    expect((await herald.get(`/v1/transcripts/${silence}.vtt`)).body).toBe('WEBVTT\n');
    expect((await herald.get(`/v1/transcripts/${silence}.txt`)).status).toBe(200);
    expect(await (await page(makeLinkToken(silence, SECRET))).text()).toContain('Nobody speaks');
  });

  it.each([`${NOBODY}.pdf`, 'x', 'x.txt', `${NOBODY}.txt.txt`, `${NOBODY}.`, '..%2f..%2fetc%2fpasswd', `'%20or%201=1`])(
    'refuses %s as a transcript',
    async (file) => {
      expect((await herald.get(`/v1/transcripts/${file}`)).status).toBe(400);
    },
  );

  it('answers 404 for a job without a transcript, in every form', async () => {
    for (const file of [NOBODY, `${NOBODY}.txt`, `${NOBODY}/raw`]) {
      expect((await herald.get(`/v1/transcripts/${file}`)).status).toBe(404);
    }
  });

  it('gives the untouched bytes of a real callback, as nothing that a browser would show', async () => {
    const bytes = await readFile(FIXTURE);
    const posted = await fetch(`${herald.url}/hook`, {
      method: 'POST',
      body: bytes,
      headers: {
        authorization: `Basic ${Buffer.from(`herald:${HOOK_PASSWORD}`).toString('base64')}`,
        'content-type': 'application/json',
      },
    });
    expect(posted.status).toBe(200);
    let jobId: string | undefined;
    for (let tries = 0; jobId === undefined && tries < 200; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 25));
      jobId = (await herald.get('/v1/transcripts?limit=1')).body.items.find(
        (item: { requestId: string }) => item.requestId !== callTranscript().requestId,
      )?.jobId;
    }
    const raw = await fetch(`${herald.url}/v1/transcripts/${String(jobId)}/raw`, {
      headers: { authorization: 'Bearer admin-key-of-the-tests-0123456789' },
    });
    expect(raw.headers.get('content-type')).toContain('application/json');
    expect(raw.headers.get('content-disposition')).toContain('attachment');
    expect(raw.headers.get('x-content-type-options')).toBe('nosniff');
    expect(Buffer.from(await raw.arrayBuffer()).equals(bytes)).toBe(true);
  });

  it('finds the words that were said: all of them, whatever their case, accents or order', async () => {
    const french = await herald.storeTranscript(
      callTranscript('Le client demande un rendez-vous à Montréal', { language: 'fr' }),
    );
    expect(await found('q=client%20demande')).toEqual([french]);
    expect(await found('q=DEMANDE%20client')).toEqual([french]);
    expect(await found('q=rendez-vous')).toEqual([french]);
    expect(await found('q=client%20lawsuit')).toEqual([]);
    for (const word of ['Montréal', 'MONTRÉAL', 'montreal', 'a montréal']) {
      expect(await found(`q=${encodeURIComponent(word)}`)).toEqual([french]);
    }
  });

  it('shows where the word stands, as one line cut at words', async () => {
    const before = 'lorem ipsum dolor sit amet '.repeat(40);
    const jobId = await herald.storeTranscript(callTranscript(`${before}the\nZebra crossed ${before}`));
    const { items } = (await search('zebra')).body;
    expect(items).toHaveLength(1);
    expect(items[0]).toMatchObject({ jobId, duration: 12.5, language: 'en-GB' });
    expect(items[0].snippet).toContain('the Zebra crossed');
    expect(items[0].snippet).toMatch(/^…(lorem|ipsum|dolor|sit|amet) .* (lorem|ipsum|dolor|sit|amet)…$/);
    expect(items[0].snippet.length).toBeLessThan(190);
  });

  it.each([
    '"',
    '""',
    '*',
    'refund*',
    '"refund',
    'refund" OR "x',
    'refund OR nothing',
    'NOT refund',
    'NEAR(refund, 3)',
    'refund AND',
    '(refund',
    'text:refund',
    '-refund',
    '^refund',
    ':*',
    '& | !',
    "'; drop table transcripts;--",
    '\\',
    '%',
    '🦄',
    '\0refund',
    '?',
    '$1',
  ])('does not break on the search %j', async (q) => {
    const answer = await search(q);
    expect([200, 422]).toContain(answer.status);
    if (answer.status === 422) expect(answer.body.errors).toMatchObject([{ pointer: 'q' }]);
  });

  it('takes words of the query language as words', async () => {
    expect(await found('q=refund%20or%20order')).toEqual([]);
    expect(await found('q=refund%20order')).toEqual([call]);
    expect((await search('!?.,')).status).toBe(422);
  });

  it('filters by language and time, and says what is wrong with a filter', async () => {
    const german = await herald.storeTranscript(callTranscript('guten Tag', { language: 'de-AT' }));
    expect(await found('language=de')).toEqual([german]);
    expect(await found('language=DE-at')).toEqual([german]);
    expect(await found('language=d')).toEqual([]);
    expect(await found('to=2001-01-01T00:00:00Z')).toEqual([]);
    expect(await found(`from=${String(Date.now() + 60_000)}`)).toEqual([]);
    expect(await found('language=de&from=2001-01-01T00:00:00%2B01:00&q=tag')).toEqual([german]);
    for (const query of [
      'language=%25',
      'from=yesterday',
      'limit=0',
      'limit=1e9',
      'cursor=x',
      'langauge=de',
      'q[$ne]=x',
    ]) {
      expect((await herald.get(`/v1/transcripts?${query}`)).status).toBe(400);
    }
    expect((await herald.get('/v1/transcripts?langauge=de')).body.errors).toMatchObject([{ suggestion: 'language' }]);
  });

  it('pages to the end, with a search as well', async () => {
    for (let i = 0; i < 7; i++) await herald.storeTranscript(callTranscript(`needle number ${String(i)}`));
    const needles = await herald.all<{ snippet: string; jobId: string }>('/v1/transcripts?q=needle', 3);
    expect(needles.items.map(({ snippet }) => snippet)).toEqual(
      [6, 5, 4, 3, 2, 1, 0].map((i) => `needle number ${String(i)}`),
    );
    expect(needles.pages).toBe(3);
    const all = await herald.all<{ jobId: string }>('/v1/transcripts', 4);
    expect(all.items.map(({ jobId }) => jobId)).toEqual([...new Set(all.items.map(({ jobId }) => jobId))]);
    expect(all.items.length).toBeGreaterThan(9);
  });

  it('replaces a transcript that is settled again, in the index too', async () => {
    const jobId = await herald.storeTranscript(callTranscript('firstly aardvark'));
    await herald.database.uow.run((tx) =>
      store().insert(tx, { jobId, callbackId: 'again', stored: toStored(callTranscript('secondly badger')) }),
    );
    expect(await found('q=aardvark')).toEqual([]);
    expect(await found('q=badger')).toEqual([jobId]);
    expect((await herald.get(`/v1/transcripts/${jobId}`)).body).toMatchObject({
      callbackId: 'again',
      text: 'secondly badger',
    });
  });

  it('stores what a provider may send: NUL, half a surrogate pair, megabytes of different words', async () => {
    const odd = 'before\0nul \ud800 after';
    const jobId = await herald.storeTranscript(callTranscript(odd));
    expect(await found('q=after%20before')).toEqual([jobId]);
    const huge = Array.from({ length: 300_000 }, (_, i) => `w${i.toString(36)}`).join(' ');
    const hugeId = await herald.storeTranscript(callTranscript(undefined, { text: huge, words: [], utterances: [] }));
    expect((await herald.get(`/v1/transcripts/${hugeId}`)).status).toBe(200);
    expect(await found('q=w1%20w2')).toEqual([hugeId]);
  });

  it('leaves nothing of an erased transcript: JSON, files, raw, page, search', async () => {
    const jobId = await herald.storeTranscript(callTranscript('xylophone canary'));
    const token = makeLinkToken(jobId, SECRET);
    expect((await page(token)).status).toBe(200);
    expect(await found('q=xylophone')).toEqual([jobId]);
    await herald.database.uow.run((tx) => store().erase(tx, jobId));
    for (const file of [jobId, `${jobId}.txt`, `${jobId}.vtt`, `${jobId}/raw`]) {
      expect((await herald.get(`/v1/transcripts/${file}`)).status).toBe(404);
    }
    expect((await page(token)).status).toBe(404);
    expect(await found('q=xylophone')).toEqual([]);
    expect(await store().find(jobId)).toBeUndefined();
    if (kind === 'SQLite') {
      expect(
        await herald.database.read('select * from transcripts_fts where transcripts_fts match ?', ['xylophone']),
      ).toEqual([]);
    }
    await herald.database.uow.run((tx) => store().erase(tx, jobId));
  });

  it('can be erased with its job over the API', async () => {
    const jobId = await herald.storeTranscript(callTranscript('quokka'));
    expect((await herald.api('DELETE', `/v1/jobs/${jobId}`)).status).toBeLessThan(300);
    expect(await found('q=quokka')).toEqual([]);
    expect((await page(makeLinkToken(jobId, SECRET))).status).toBe(404);
  });

  it('is read with jobs:read', async () => {
    const headers = { authorization: `Bearer ${await herald.key('jobs:read')}` };
    expect((await herald.get(`/v1/transcripts/${call}`, headers)).status).toBe(200);
    expect((await fetch(`${herald.url}/v1/transcripts/${call}`)).status).toBe(401);
  });

  describe('the page behind a link', () => {
    it('opens without a key, runs nothing, is kept and indexed nowhere', async () => {
      const answer = await page(makeLinkToken(call, SECRET));
      expect(answer.status).toBe(200);
      expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8');
      expect(answer.headers.get('cache-control')).toBe('no-store');
      expect(answer.headers.get('x-robots-tag')).toContain('noindex');
      expect(answer.headers.get('referrer-policy')).toBe('no-referrer');
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
      expect(answer.headers.get('x-frame-options')).toBe('DENY');
      const policy = answer.headers.get('content-security-policy')!;
      expect(policy).toContain("default-src 'none'");
      expect(policy).not.toMatch(/script-src|unsafe-eval|\*/);
      const html = await answer.text();
      expect(html).toContain('I want a refund for my order, please.');
      expect(html).toContain('Speaker 2');
    });

    it('shows markup that was spoken as text', async () => {
      const jobId = await herald.storeTranscript(callTranscript('<script>alert(1)</script> <img src=x onerror=y>'));
      const html = await (await page(makeLinkToken(jobId, SECRET))).text();
      expect(html).not.toMatch(/<script|<img/);
      expect(html).toContain('alert(1)');
    });

    it.each([
      ['a token of another secret', () => makeLinkToken(call, 'another secret')],
      ['a token with one letter changed', () => flip(makeLinkToken(call, SECRET), 30)],
      ['the token of another job', () => flip(makeLinkToken(call, SECRET), 3)],
      ['the id of the job', () => call],
      ['a token that was cut off', () => makeLinkToken(call, SECRET).slice(0, -1)],
      ['a token with padding', () => `${makeLinkToken(call, SECRET)}==`],
      ['a token of a job that does not exist', () => makeLinkToken(NOBODY, SECRET)],
      ['nonsense', () => '%00%ff'],
    ])('answers %s with a friendly 404 that tells nothing', async (_what, token) => {
      const answer = await page(token());
      const body = await answer.text();
      if (answer.status === 400) return;
      expect(answer.status).toBe(404);
      expect(answer.headers.get('content-type')).toContain('text/html');
      expect(body).toContain('There is no transcript here');
      expect(body).not.toContain(call);
    });
  });
});

function flip(token: string, at: number): string {
  return token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1);
}
