import { beforeAll, describe, expect, it } from '@jest/globals';
import type { ContentLevel } from '../../src/recipients/content-level.js';
import { compileTemplate } from '../../src/templates/compile.js';
import { type RenderData, renderTemplate } from '../../src/templates/render.js';
import { SAMPLE_DATA } from '../../src/templates/sample-facts.js';
import { loadTemplateFiles, type TemplateFiles } from '../../src/templates/template-files.service.js';
import type { TemplateParts } from '../../src/templates/template.js';

const SHIPPED = new URL('../../templates', import.meta.url).pathname;
const LINK = 'https://herald.example.com/t/sample';

/** Everything that a template can say of a call. */
const NOSY = [
  '{{preview}} {{preview 5000}} {{transcript.text}} {{transcript.summary}} {{join transcript.topics}} {{join transcript.intents}}',
  '{{#each transcript.turns}}{{text}}{{/each}}{{#each transcript.utterances}}{{text}}{{/each}}',
  '{{#each transcript.entities}}{{value}}{{/each}}{{#each transcript.search}}{{snippet}}{{/each}}',
  '{{#each matches}}{{quote this}} {{text}} {{before}} {{after}}{{/each}}{{transcript.sentiment.label}}',
  '{{#each digest.items}}{{this.preview}} {{this.url}}{{/each}}{{link}} {{link at=3}}',
].join('\n');

function dataFor(content: ContentLevel): RenderData {
  const { transcript } = SAMPLE_DATA;
  if (!transcript) throw new Error('the sample has a transcript');
  const search = [{ query: 'q', confidence: 1, start: 1, end: 2, snippet: 'order number' }];
  const sentiment = { label: 'sentiment-label', score: 0.1 };
  return {
    ...SAMPLE_DATA,
    transcript: { ...transcript, search, sentiment },
    recipient: { ...SAMPLE_DATA.recipient, content },
  };
}

function render(parts: TemplateParts, kind: 'email' | 'sms', content: ContentLevel, partials = {}): string {
  const rendered = renderTemplate(compileTemplate(parts, partials), kind, dataFor(content), { smsSegments: 6 });
  return Object.values(rendered.parts).join('\n');
}

/** Words of the sample's people, of four letters and more. */
const WORDS = [
  ...new Set((SAMPLE_DATA.transcript?.text ?? '').toLowerCase().match(/[a-z]{4,}/g)),
  'refund',
  '4417',
  'sentiment-label',
];
const saidIn = (text: string): string[] => WORDS.filter((word) => text.toLowerCase().includes(word));

describe('the content level of a recipient', () => {
  let files: TemplateFiles;
  beforeAll(async () => {
    files = await loadTemplateFiles(SHIPPED);
  });

  it('shows a template everything at `full`', () => {
    const text = render({ sms: NOSY }, 'sms', 'full');
    expect(saidIn(text).length).toBeGreaterThan(30);
    expect(text).toContain(LINK);
  });

  it.each(['link', 'fact'] as const)('lets no template show a word of the call at `%s`', (level) => {
    for (const kind of ['email', 'sms'] as const) {
      const parts = { 'email.subject': NOSY, 'email.html': `x ${NOSY}`, 'email.text': NOSY, sms: `x ${NOSY}` };
      expect(saidIn(render(parts, kind, level))).toEqual([]);
    }
  });

  it('gives the link at `link`, and not at `fact`', () => {
    const parts = { sms: `x {{link}} {{#each digest.items}}{{this.url}}{{/each}}` };
    expect(render(parts, 'sms', 'link')).toContain(LINK);
    expect(render(parts, 'sms', 'fact')).toBe('x');
  });

  it('gives an excerpt at `preview`, and not the whole', () => {
    const text = render({ 'email.subject': 's', 'email.html': '{{transcript.text}}' }, 'email', 'preview');
    expect(text).toContain('Good morning, this is Maya');
    expect(text).not.toContain('Thanks');
    expect(render({ sms: 'x{{#each transcript.turns}}{{text}}{{/each}}' }, 'sms', 'preview')).toBe('x');
  });

  it('leaves the shipped messages whole sentences at every level', () => {
    for (const { name, parts } of files.templates) {
      if (name === 'transcript-failed') continue;
      for (const level of ['preview', 'link', 'fact'] as const) {
        for (const kind of parts['email.html'] === undefined ? (['sms'] as const) : (['email', 'sms'] as const)) {
          const text = render(parts, kind, level, files.partials);
          expect(text).not.toMatch(/no speech|Nobody speaks|“”|undefined|null/);
          // "waited", "transcript" and the like are ours; what was said is not.
          if (level !== 'preview') expect(text).not.toMatch(/broken screen|Maya from|order number/);
          expect(text.includes(LINK)).toBe(level !== 'fact' && /transcript-ready|digest/.test(name));
        }
      }
    }
  });

  it('tells by SMS that a transcript is ready, when no word of it may be told', () => {
    const ready = files.templates.find(({ name }) => name === 'transcript-ready');
    expect(render(ready?.parts ?? {}, 'sms', 'link', files.partials)).toBe(
      `Herald: a transcript is ready (30 s) ${LINK}`,
    );
    expect(render(ready?.parts ?? {}, 'sms', 'fact', files.partials)).toBe('Herald: a transcript is ready (30 s)');
  });
});
