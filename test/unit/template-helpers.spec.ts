import { describe, expect, it } from '@jest/globals';
import { compileTemplate } from '../../src/templates/compile.js';
import { HELPERS } from '../../src/templates/helpers.js';
import { type RenderData, renderTemplate } from '../../src/templates/render.js';
import { SAMPLE_DATA } from '../../src/templates/sample-facts.js';

function rendered(source: string, change: Partial<RenderData> = {}): string {
  const template = compileTemplate({ sms: `[${source}]` });
  const message = renderTemplate(template, 'sms', { ...SAMPLE_DATA, ...change }, { smsSegments: 10 });
  return message.kind === 'sms' ? message.parts.text.slice(1, -1) : '';
}

describe('functions of templates', () => {
  it.each([
    ['{{duration 45}}', '45 s'],
    ['{{duration 245}}', '4 min 5 s'],
    ['{{duration 240}}', '4 min'],
    ['{{duration 3725}}', '1 h 2 min'],
    ['{{duration failure.code}}', '0 s'],
    ['{{timestamp 3725.9}}', '1:02:05'],
    ['{{speaker "1"}}', 'Speaker 2'],
    ['{{speaker "7"}}', 'Speaker 7'],
    ['{{speaker failure.code}}', ''],
    ['{{upper "aé"}}{{lower "BÜ"}}', 'AÉbü'],
    ['{{join transcript.topics ", "}}|{{join transcript.speakers}}', 'Refund|, '],
    [
      '{{pluralize 1 "speaker"}}, {{pluralize 2 "speaker"}}, {{pluralize 0 "person" "people"}}',
      '1 speaker, 2 speakers, 0 people',
    ],
    ['{{number 1234.567}} {{number 0.981 style="percent"}} {{number 1.25 digits=1}}', '1,235 98% 1.3'],
    ['{{truncate "one two three four" 9}}', 'one two...'],
    ['{{default job.tags.nothing "none"}}/{{default job.tags.client "none"}}', 'none/Northwind'],
    ['{{#if (eq 1 "1")}}a{{/if}}{{#if (ne 1 2)}}b{{/if}}{{#if (gt 2 1)}}c{{/if}}{{#if (lt 2 1)}}d{{/if}}', 'abc'],
    [
      '{{#if (and brand link)}}a{{/if}}{{#if (or failure transcript.intents)}}b{{/if}}{{#if (not failure)}}c{{/if}}',
      'abc',
    ],
    ['{{link}}', 'https://herald.example.com/t/sample'],
    ['{{link at=9.4}}', 'https://herald.example.com/t/sample#t5'],
    ['{{link at=0}}', 'https://herald.example.com/t/sample#t0'],
    [
      '{{link "mailto:a@b.co"}} {{link "tel:+4930"}} {{link " JavaScript:1"}} {{link "data:x"}}',
      'mailto:a@b.co tel:+4930 # #',
    ],
  ])('%s gives %j', (source, expected) => {
    expect(rendered(source)).toBe(expected);
  });

  it('quotes matched words with their surroundings, speaker and time, in at most 160 characters of speech', () => {
    expect(rendered('{{#each matches}}{{quote this}}{{/each}}')).toBe(
      '"...Maya. My order arrived with a broken screen, so I\'d like a refund, please." (Speaker 2 at 0:09)',
    );
    const long = { text: 'word '.repeat(200), channel: 0, start: 1, end: 9 };
    expect(rendered('{{#each matches}}{{quote this}}{{/each}}', { matches: [long] }).length).toBeLessThan(200);
  });

  it('shows dates in the zone and language of the recipient', () => {
    const at = { recipient: { locale: 'de-DE', timeZone: 'America/New_York' } };
    expect(rendered('{{date job.createdAt format="date"}}', at)).toBe('Do., 15. Jan. 2026');
    expect(rendered('{{date job.createdAt format="time"}}', at)).toMatch(/^04:30 (GMT-5|EST)$/);
    expect(rendered('{{date job.createdAt}}', { recipient: {} })).toBe('Thu, 15 Jan 2026, 09:30 UTC');
  });

  it('does not fail over a language or zone that does not exist', () => {
    const wrong = { recipient: { locale: 'not a locale', timeZone: 'Mars/Olympus' } };
    expect(rendered('{{date job.createdAt}} {{number 1.5 digits=1}}', wrong)).toBe('Thu, 15 Jan 2026, 09:30 UTC 1.5');
  });

  it('links nowhere but to the schemes that a message may carry', () => {
    expect(rendered('{{link}}{{link at=3}}', { link: 'javascript:alert(1)' })).toBe('');
  });

  it('show examples that compile', () => {
    for (const { example } of Object.values(HELPERS)) {
      const source = example
        .replace(/\b(a|b)\b(?=[ )}])/g, 'brand')
        .replace(/this\.(start|speaker)/g, 'transcript.turns.[0].$1')
        .replace(/(\{\{#if [^}]*\}\})$/, '$1{{/if}}');
      expect(() => compileTemplate({ sms: source })).not.toThrow();
    }
  });
});
