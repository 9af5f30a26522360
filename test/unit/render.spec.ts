import { describe, expect, it } from '@jest/globals';
import type { EmailParts } from '../../src/channels/message.js';
import { TemplateRenderError } from '../../src/errors.js';
import { compileTemplate } from '../../src/templates/compile.js';
import { type RenderData, renderTemplate } from '../../src/templates/render.js';
import { SAMPLE_DATA } from '../../src/templates/sample-facts.js';
import type { TemplateParts } from '../../src/templates/template.js';
import { countSegments } from '../../src/transcripts/preview.js';

function email(
  parts: Partial<Record<'subject' | 'html' | 'text', string>>,
  data: RenderData = SAMPLE_DATA,
): EmailParts {
  const sources: TemplateParts = { 'email.subject': parts.subject ?? 's', 'email.html': parts.html ?? 'h' };
  if (parts.text !== undefined) sources['email.text'] = parts.text;
  const rendered = renderTemplate(compileTemplate(sources), 'email', data);
  if (rendered.kind !== 'email') throw new Error('not an e-mail');
  return rendered.parts;
}

function sms(source: string, data: RenderData = SAMPLE_DATA, smsSegments = 1): string {
  const rendered = renderTemplate(compileTemplate({ sms: source }), 'sms', data, { smsSegments });
  if (rendered.kind !== 'sms') throw new Error('not an SMS');
  return rendered.parts.text;
}

function saying(...texts: string[]): RenderData {
  const { transcript } = SAMPLE_DATA;
  if (!transcript) throw new Error('the sample has a transcript');
  const utterances = texts.map((text, i) => ({
    text,
    start: i,
    end: i + 0.9,
    confidence: 1,
    channel: 0,
    speaker: String(i % 2),
  }));
  return { ...SAMPLE_DATA, matches: [], transcript: { ...transcript, text: texts.join(' '), utterances } };
}

const HOSTILE = `{{brand}} {{{constructor}}} \${1+1} %s <%= 1 %> <script>alert("x")</script> <img src=x onerror='y'> & it's \`ok\``;

describe('what people said is data (T6)', () => {
  it('is printed literally in subject, text and SMS', () => {
    const data = saying(HOSTILE);
    const { subject, text } = email({ subject: '{{preview}}', text: '{{transcript.text}}' }, data);
    expect(subject).toBe(HOSTILE);
    expect(text.replace(/\n/g, ' ').trim()).toBe(HOSTILE);
    expect(sms('{{preview}}', data, 5)).toBe(HOSTILE.replaceAll('`', "'"));
  });

  it('is escaped in HTML, wherever it comes from', () => {
    const data = saying(HOSTILE);
    const html = email(
      {
        html: '<p title="{{preview 400}}">{{transcript.text}} {{upper transcript.text}} {{#each transcript.turns}}{{text}}{{/each}}</p>',
      },
      { ...data, matches: [{ text: '<script>', channel: 0, start: 0, end: 1 }] },
    ).html;
    expect(html).not.toMatch(/<script|<img/i);
    expect(html).toContain(HOSTILE.slice(0, 36));
    expect(html).toContain('&lt;script&gt;');
    const quoted = email(
      { html: '{{#each matches}}{{quote this}}{{before}}{{text}}{{after}}{{/each}}' },
      {
        ...data,
        matches: [{ text: '<script>', channel: 0, start: 0, end: 1 }],
      },
    ).html;
    expect(quoted).not.toContain('<script');
  });

  it('keeps apostrophes in SMS, text and subject', () => {
    const data = saying('I\'d say it\'s "fine" & <ok>');
    expect(sms('{{preview}}', data)).toBe('I\'d say it\'s "fine" & <ok>');
    const parts = email({ subject: '{{preview}}', text: '{{preview}}' }, data);
    expect(parts.subject).toBe('I\'d say it\'s "fine" & <ok>');
    expect(parts.text).toBe('I\'d say it\'s "fine" & <ok>\n');
  });

  it('does not reach a header through the subject (T5)', () => {
    const data = { ...SAMPLE_DATA, brand: 'A\r\nBcc: evil@example.com\u0000\u0085\u2028B' };
    expect(email({ subject: '{{brand}}' }, data).subject).toBe('A Bcc: evil@example.com B');
  });

  it('does not become a link of another scheme', () => {
    const data = {
      ...SAMPLE_DATA,
      job: { ...SAMPLE_DATA.job, tags: { url: 'javascript:alert(1)', ok: 'https://x.example/"a' } },
    };
    const { html } = email({ html: '<a href="{{link job.tags.url}}">a</a><a href="{{link job.tags.ok}}">b</a>' }, data);
    expect(html).toContain('<a href="#">a</a>');
    expect(html).toContain('href="https://x.example/&quot;a"');
  });
});

describe('limits of an e-mail (T5)', () => {
  const long = saying(
    ...Array.from(
      { length: 4_000 },
      (_, i) => `This is sentence number ${String(i)} of a very long & "quoted" meeting.`,
    ),
  );
  const turns =
    '{{#each transcript.turns}}<p style="margin:0 0 14px">{{label}} {{text}}</p>{{/each}}{{#if transcript.cut}}CUT{{/if}}';

  it('shows as many turns as fit into 100 kB and says that there are more', () => {
    const { html, text } = email({ html: turns }, long);
    expect(Buffer.byteLength(html)).toBeLessThanOrEqual(100_000);
    expect(Buffer.byteLength(html)).toBeGreaterThan(15_000);
    expect(html).toContain('CUT');
    expect(text).toContain('sentence number 0 ');
  });

  it('renders again with fewer turns when a template makes much of each', () => {
    const heavy = `{{#each transcript.turns}}<p>${'&nbsp;'.repeat(200)}{{text}}</p>{{/each}}{{#if transcript.cut}}CUT{{/if}}`;
    const { html } = email({ html: heavy }, long);
    expect(Buffer.byteLength(html)).toBeLessThanOrEqual(100_000);
    expect(html).toContain('CUT');
  });

  it('fails when HTML is too large without the transcript', () => {
    expect(() => email({ html: 'x'.repeat(60_000) + '{{#each matches}}{{/each}}' + 'é'.repeat(5_000) })).not.toThrow();
    const loop = `{{#each transcript.utterances}}${'y'.repeat(20_000)}{{/each}}`;
    expect(() => email({ html: loop })).toThrow(TemplateRenderError);
  });

  it('fails when any part renders more than 1 MB', () => {
    const loop = `{{#each transcript.utterances}}{{#each @root.transcript.utterances}}${'y'.repeat(30_000)}{{/each}}{{/each}}`;
    expect(() => email({ text: loop })).toThrow(/email.text rendered more than 1 MB/);
    expect(() => sms(loop)).toThrow(/sms rendered more than 1 MB/);
  });

  it('cuts a subject to 200 characters and gives the brand for an empty one', () => {
    expect(email({ subject: 'word '.repeat(100) }).subject.length).toBeLessThanOrEqual(200);
    expect(email({ subject: '{{#if failure}}x{{/if}}' }).subject).toBe('Herald');
  });

  it('does not send nothing', () => {
    expect(() => email({ html: '{{#if failure}}x{{/if}}' })).toThrow(/rendered nothing/);
    expect(() => sms('{{#if failure}}x{{/if}}')).toThrow(/rendered nothing/);
  });

  it('never repeats the message in an error', () => {
    const loop = `{{#each transcript.utterances}}{{text}}${'y'.repeat(20_000)}{{/each}}`;
    expect(() => email({ html: loop }, saying(...Array.from({ length: 10 }, () => 'topsecret')))).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('topsecret') }),
    );
  });
});

describe('the text part', () => {
  it('is made from the HTML when there is none', () => {
    const { text } = email({
      html: '<h1>Title</h1><p>It&#x27;s <b>{{brand}}</b> &amp; <a href="https://x.example">here</a></p>',
    });
    expect(text).toBe("Title\n\nIt's Herald & here [https://x.example]\n");
  });

  it('is wrapped at words, and addresses stay whole', () => {
    const url = `https://herald.example.com/${'a'.repeat(90)}`;
    const { text } = email({ text: `${'word '.repeat(40)}\n\n\n\n  ${'indented '.repeat(12)}\n${url}` });
    expect(text.split('\n').filter((line) => line.length > 76)).toEqual([url]);
    expect(text).toMatch(/\n {2}indented/);
    expect(text).not.toContain('\n\n\n');
  });
});

describe('optional facts', () => {
  it('render as nothing when they are absent', () => {
    const data: RenderData = { ...SAMPLE_DATA, matches: [], recipient: {} };
    delete data.transcript;
    delete data.link;
    const all =
      '[{{transcript.summary}}{{transcript.sentiment.label}}{{failure.code}}{{delivery.id}}{{link}}{{recipient.name}}{{job.tags.nothing}}{{preview}}]';
    expect(email({ text: all }, data).text).toBe('[]\n');
  });
});

describe('an SMS', () => {
  it('stays within its segments and ends in the link', () => {
    const text = sms('{{brand}}: {{preview}} {{link}}');
    expect(countSegments(text)).toBe(1);
    expect(text).toMatch(/^Herald: Good morning, .*\.\.\. https:\/\/herald\.example\.com\/t\/sample$/);
    expect(countSegments(sms('{{brand}}: {{preview}} {{link}}', SAMPLE_DATA, 2))).toBe(2);
  });

  it('says that nobody spoke', () => {
    const silent = saying();
    expect(sms('{{brand}}: {{preview}} {{link}}', silent)).toBe(
      'Herald: (no speech) https://herald.example.com/t/sample',
    );
  });
});
