import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EmailParts } from '../../src/channels/message.js';
import { TemplateInvalidError } from '../../src/errors.js';
import { compileTemplate } from '../../src/templates/compile.js';
import { type RenderData, renderTemplate } from '../../src/templates/render.js';
import { SAMPLE_DATA, SAMPLE_FAILURE } from '../../src/templates/sample-facts.js';
import { loadTemplateFiles, type TemplateFiles } from '../../src/templates/template-files.service.js';
import { countSegments } from '../../src/transcripts/preview.js';

const SHIPPED = new URL('../../templates', import.meta.url).pathname;

describe('the messages that come with Herald', () => {
  let files: TemplateFiles;
  beforeAll(async () => {
    files = await loadTemplateFiles(SHIPPED);
  });

  function compiled(name: string) {
    const template = files.templates.find((candidate) => candidate.name === name);
    if (!template) throw new Error(`no template ${name}`);
    return compileTemplate(template.parts, files.partials);
  }
  function email(name: string, data: RenderData): EmailParts {
    const message = renderTemplate(compiled(name), 'email', data);
    if (message.kind !== 'email') throw new Error('not an e-mail');
    return message.parts;
  }
  function sms(name: string, data: RenderData): string {
    const message = renderTemplate(compiled(name), 'sms', data);
    return message.kind === 'sms' ? message.parts.text : '';
  }
  const long = (): RenderData => {
    const { transcript } = SAMPLE_DATA;
    if (!transcript) throw new Error('the sample has a transcript');
    const utterances = Array.from({ length: 15_000 }, (_, i) => ({
      text: `I'd say "yes" & <no> for the ${String(i)}th time today.`,
      start: i * 2.4,
      end: i * 2.4 + 2,
      confidence: 1,
      channel: 0,
      speaker: String(i % 2),
    }));
    return {
      ...SAMPLE_DATA,
      link: `https://h.example/t/${'k'.repeat(110)}`,
      transcript: { ...transcript, duration: 36_000, utterances },
    };
  };

  it('are five, each with a description and all its parts', () => {
    expect(files.templates.map(({ name }) => name)).toEqual([
      'consent-invitation',
      'digest',
      'transcript-failed',
      'transcript-late',
      'transcript-ready',
    ]);
    for (const template of files.templates) {
      expect(template).toMatchObject({ version: 0, updatedAt: 0, description: expect.stringMatching(/\w{3}/) });
      const parts = template.name === 'consent-invitation' ? [] : ['email.subject', 'email.html', 'email.text'];
      expect(Object.keys(template.parts)).toEqual([...parts, 'sms']);
    }
    // A server that starts does not look again.
    for (const { name } of files.templates) expect(compiled(name)).toBeDefined();
  });

  it('tell of a transcript: what, who, how long, when, the matched words and why', () => {
    const { subject, html, text } = email('transcript-ready', SAMPLE_DATA);
    expect(subject).toMatch(/^Transcript: 0:30 with 2 speakers — “Good morning, this is Maya .*…”$/);
    for (const part of [html, text]) {
      expect(part).toContain('30 s with 2 speakers');
      expect(part).toContain('Thu, 15 Jan 2026, 09:30 GMT');
      expect(part).toContain('Speaker 2');
      expect(part).toContain('refund-risk');
      expect(part).toContain('https://herald.example.com/t/sample');
    }
    expect(html).toContain('>refund</mark>');
    expect(html).toContain('href="https://herald.example.com/t/sample#t5"');
    expect(text).toContain("I'd like a refund");
    expect(text).toContain('\n-- \n');
  });

  it('have a button that acknowledges where the rule escalates, and nothing of it elsewhere', () => {
    const ack = 'https://herald.example.com/a/sample';
    for (const name of ['transcript-ready', 'transcript-failed', 'transcript-late']) {
      const plain = name === 'transcript-failed' ? SAMPLE_FAILURE : SAMPLE_DATA;
      const { html, text } = email(name, { ...plain, ack });
      expect(html).toMatch(new RegExp(`<a class="button" href="${ack}"[^>]*>I take care of it</a>`));
      expect(text).toContain(`I take care of it: ${ack}`);
      expect(sms(name, { ...plain, ack })).toMatch(new RegExp(` I take it: ${ack}$`));
      for (const part of [email(name, plain).html, email(name, plain).text, sms(name, plain)])
        expect(part).not.toMatch(/I take/);
    }
  });

  it('use the summary where there is one', () => {
    const { transcript } = SAMPLE_DATA;
    if (!transcript) throw new Error('the sample has a transcript');
    const data = { ...SAMPLE_DATA, transcript: { ...transcript, summary: 'A customer asks for a refund.' } };
    expect(email('transcript-ready', data).subject).toContain('“A customer asks for a refund.”');
    expect(sms('transcript-ready', data)).toBe(
      'Herald: A customer asks for a refund. https://herald.example.com/t/sample',
    );
  });

  it('say what happened when nobody spoke', () => {
    const { transcript } = SAMPLE_DATA;
    if (!transcript) throw new Error('the sample has a transcript');
    const data = {
      ...SAMPLE_DATA,
      matches: [],
      transcript: { ...transcript, text: '', words: 0, utterances: [], speakers: [] },
    };
    expect(email('transcript-ready', data).subject).toBe('Transcript: 0:30, no speech');
    expect(email('transcript-ready', data).text).toContain('Nobody speaks');
    expect(sms('transcript-ready', data)).toContain('(no speech)');
  });

  it('keep the e-mail of a 10-hour transcript under 100 kB and lead to the rest', () => {
    const { html, text } = email('transcript-ready', long());
    expect(Buffer.byteLength(html)).toBeLessThan(100_000);
    expect(Buffer.byteLength(html)).toBeGreaterThan(30_000);
    expect(html).toContain('the rest is <a');
    expect(text).toContain('the rest is at\nhttps://h.example/t/');
  });

  it('promise no page when there is none', () => {
    const data = long();
    delete data.link;
    const { html, text } = email('transcript-ready', data);
    expect(html).not.toContain('href=""');
    expect(text).toContain('the rest was too long for an e-mail. Herald keeps it');
  });

  it('load nothing from elsewhere and are made for narrow, dark and spoken reading', () => {
    for (const data of [SAMPLE_DATA, SAMPLE_FAILURE]) {
      for (const { name, parts } of files.templates) {
        if (parts['email.html'] === undefined) continue;
        const { html } = email(name, data);
        expect(html).not.toMatch(/<(?:img|script|link|iframe)|url\(|@import/i);
        expect(html).toMatch(/<html lang="en" dir="ltr">/);
        expect(html).toContain('<meta name="color-scheme" content="light dark">');
        expect(html).toContain('@media (prefers-color-scheme: dark)');
        expect(html).toContain('class="preheader"');
        expect((/<style>[\s\S]*<\/style>/.exec(html)?.[0] ?? '').length).toBeLessThan(16_000);
        expect(html).toContain('max-width: 600px');
        expect(html.match(/<table(?![^>]*role="presentation")/g) ?? []).toHaveLength(html.match(/<th /g) ? 1 : 0);
      }
    }
  });

  it('tell of a failure with the code, the message, the job and what to do', () => {
    const { subject, html, text } = email('transcript-failed', SAMPLE_FAILURE);
    expect(subject).toContain('REMOTE_CONTENT_ERROR for Northwind');
    for (const part of [html, text]) {
      for (const word of [
        'REMOTE_CONTENT_ERROR',
        '404 Not Found',
        SAMPLE_FAILURE.job.id,
        'resubmit',
        'Northwind',
        'nova-3',
      ]) {
        expect(part).toContain(word);
      }
    }
    const text1 = sms('transcript-failed', SAMPLE_FAILURE);
    expect(countSegments(text1)).toBe(1);
    expect(text1).toContain(SAMPLE_FAILURE.job.id);
  });

  it('tell of what waited, one by one by e-mail and in one segment by SMS', () => {
    const { subject, html, text } = email('digest', SAMPLE_DATA);
    expect(subject).toBe('2 messages from Herald: refund-risk, tell-the-operator');
    for (const part of [html, text].map((one) => one.replace(/\s+/g, ' '))) {
      expect(part).toContain('2 messages waited for you');
      expect(part).toContain('Northwind');
      expect(part).toContain('Thu, 15 Jan 2026, 09:30 GMT · 30 s');
      expect(part).toMatch(/My order arrived with a broken screen/);
      expect(part).toContain('A transcript failed.');
      expect(part).toContain('https://herald.example.com/t/sample');
    }
    const text1 = sms('digest', SAMPLE_DATA);
    expect(text1).toMatch(/^Herald: 2 messages waited for you \(refund-risk, tell-the-operator\). Last: Good morning/);
    expect(text1).toContain('https://herald.example.com/t/sample');
    expect(countSegments(text1)).toBe(1);
  });

  it('ask for consent in one segment, with the two answers', () => {
    const text = sms('consent-invitation', { ...SAMPLE_DATA, job: { ...SAMPLE_DATA.job, id: '', tags: {} } });
    expect(text).toMatch(/Reply YES to agree, or STOP/);
    expect(countSegments(text)).toBe(1);
  });

  it('tell of a late transcript', () => {
    const data = { ...SAMPLE_FAILURE };
    delete data.failure;
    expect(email('transcript-late', data).text).toContain(`POST /v1/jobs/${data.job.id}/resubmit`);
    expect(countSegments(sms('transcript-late', data))).toBe(1);
    expect(email('transcript-late', data).text).not.toContain('waited');
    const { html, text } = email('transcript-late', { ...data, overdue: { minutes: 95, resubmissions: 2 } });
    for (const part of [html, text].map((one) => one.replace(/\s+/g, ' '))) {
      expect(part).toContain('We have waited 95 minutes, and handed the recording in again 2 times.');
      // The client reads this first; what only an operator can do comes after it.
      expect(part.indexOf('You need not do anything')).toBeLessThan(part.indexOf('resubmit'));
    }
    expect(email('transcript-late', { ...data, overdue: { minutes: 11, resubmissions: 0 } }).text).toContain(
      'We have waited 11 minutes.',
    );
  });
});

describe('loadTemplateFiles', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'herald-templates-'));
  });
  afterEach(async () => {
    await rm(dir, { recursive: true });
  });
  async function put(path: string, text: string): Promise<void> {
    await mkdir(join(dir, path, '..'), { recursive: true });
    await writeFile(join(dir, path), text);
  }

  it('reads templates and partials', async () => {
    await put('hello/sms.hbs', '{{> sign}}: hi\n');
    await put('hello/template.json', '{"description":"Says hi"}');
    await put('partials/sign.hbs', '{{brand}}');
    expect(await loadTemplateFiles(dir)).toEqual({
      templates: [
        { name: 'hello', version: 0, description: 'Says hi', parts: { sms: '{{> sign}}: hi' }, updatedAt: 0 },
      ],
      partials: { sign: '{{brand}}' },
    });
  });

  it('lists the problems of all files, each with its file, line and column', async () => {
    await put('one/sms.hbs', 'a\n{{brnd}}');
    await put('two/email.html.hbs', 'x');
    await put('two/email.body.hbs', 'x');
    await put('two/email.subject.hbs', '{{#if');
    await put('Three/sms.hbs', 'x');
    await put('four/sms.hbs', 'x');
    await put('four/template.json', '{');
    const error = await loadTemplateFiles(dir).catch((problem: unknown) => problem);
    expect(error).toBeInstanceOf(TemplateInvalidError);
    const { errors, message } = error as TemplateInvalidError;
    expect(errors.map(({ pointer, line }) => [pointer, line])).toEqual([
      ['templates/Three', undefined],
      ['templates/four/template.json', undefined],
      ['templates/one/sms.hbs', 2],
      ['templates/two/email.body.hbs', undefined],
      ['templates/two/email.subject.hbs', 1],
    ]);
    expect(message).toContain('templates/one/sms.hbs:2:3');
  });
});
