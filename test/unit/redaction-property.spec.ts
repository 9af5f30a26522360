import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parse, type DefaultTreeAdapterTypes } from 'parse5';
import { maskFacts } from '../../src/redaction/facts.js';
import { Masker } from '../../src/redaction/masker.js';
import type { AppliedPolicy } from '../../src/redaction/policy.js';
import { Redaction } from '../../src/redaction/redaction.js';
import { compileTemplate } from '../../src/templates/compile.js';
import { ownTexts } from '../../src/templates/own-texts.js';
import { renderView } from '../../src/templates/render.js';
import { SAMPLE_DATA } from '../../src/templates/sample-facts.js';
import type { TemplateParts } from '../../src/templates/template.js';
import { toView, type RenderData } from '../../src/templates/view.js';

const POLICY: AppliedPolicy = { version: 1, rules: [{ kind: 'cards' }], names: [], addresses: [] };
const masker = new Masker(POLICY);

function withCheckDigit(digits: string): string {
  for (let check = 0; check < 10; check++) {
    const card = digits + String(check);
    let sum = 0;
    Array.from(card)
      .reverse()
      .forEach((digit, i) => {
        const weighed = Number(digit) * (i % 2 === 1 ? 2 : 1);
        sum += weighed > 9 ? weighed - 9 : weighed;
      });
    if (sum % 10 === 0) return card;
  }
  throw new Error('one of ten fits');
}

/** A card number without a repeated pair, so that what is left of it can be told from the rest of a message. */
const card = fc.uniqueArray(fc.integer({ min: 0, max: 99 }), { minLength: 7, maxLength: 7 }).map((pairs) => {
  const digits = pairs.map((pair) => String(pair).padStart(2, '0')).join('');
  return withCheckDigit(`4${digits}`);
});
const SAID = ['zero', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine'];
const separator = fc.constantFrom(' ', '-', ' - ', ', ', '.', '\u00a0', '\u2011', '');
const form = fc.constantFrom<(digits: string) => string>(
  (digits) => digits,
  (digits) =>
    Array.from(digits)
      .map((digit) => String.fromCodePoint(0xff10 + Number(digit)))
      .join(''),
  (digits) =>
    Array.from(digits)
      .map((digit) => SAID[Number(digit)])
      .join(' '),
  (digits) => Array.from(digits).join('\u200b'),
);
const words = fc.constantFrom('', 'My card is', 'so,', 'number', 'Well, the thing is');

/** Ways to print what is known; none of them is to get around the policy. */
const PRINTS = [
  '{{preview}}',
  '{{preview 30}}',
  '{{truncate transcript.text 24}}',
  '{{upper transcript.text}}',
  '{{#each transcript.turns}}{{text}}|{{/each}}',
  '{{#each transcript.utterances}}{{text}}{{/each}}',
  '{{#each matches}}{{before}}{{text}}{{after}} {{quote this}}{{/each}}',
  '{{#each job.tags}}{{@key}}={{this}};{{/each}}',
  '{{job.tags.a}}{{job.tags.b}}',
  '{{link job.tags.url}}',
  '{{transcript.summary}}',
  // Only what was rendered tells that these belong together.
  '{{job.options.first}} {{job.options.second}}',
];
const HTML = [
  ...PRINTS.map((print) => `<p>${print}</p>`),
  '<p title="{{transcript.text}}">{{#each transcript.utterances}}<b>{{text}}</b> {{/each}}</p>',
  '<p>{{job.options.first}} <i>{{job.options.second}}</i></p>',
  '<a href="{{link job.tags.url}}">x</a><img alt="{{job.tags.a}} {{job.tags.b}}">',
];

/** All that somebody could read of a document. */
function read(node: DefaultTreeAdapterTypes.Node): string {
  if ('value' in node) return node.value;
  if ('data' in node) return node.data;
  const attributes = 'attrs' in node ? node.attrs.map(({ value }) => ` ${value}`).join('') : '';
  return attributes + ('childNodes' in node ? node.childNodes.map(read).join('') : '');
}

/** Digits as they are read, said ones too. */
function plain(text: string): string {
  return SAID.reduce(
    (rest, word, digit) => rest.replaceAll(new RegExp(word, 'gi'), String(digit)),
    text.normalize('NFKC'),
  ).replace(/[^0-9]/g, '');
}

/** Five digits in a row of the card's, anywhere. */
function leftOf(secret: string, text: string): string | undefined {
  const seen = plain(text);
  for (let i = 0; i + 5 <= secret.length; i++) if (seen.includes(secret.slice(i, i + 5))) return secret.slice(i, i + 5);
  return undefined;
}

describe('a redaction policy', () => {
  it('is defeated by no template, however the number is written, said, cut or spread', () => {
    fc.assert(
      fc.property(
        card,
        fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 0, maxLength: 4 }),
        separator,
        form,
        words,
        words,
        fc.constantFrom(...PRINTS),
        fc.constantFrom(...HTML),
        (secret, sizes, between, written, before, after, print, html) => {
          const groups: string[] = [];
          let rest = secret;
          for (const size of sizes) {
            groups.push(rest.slice(0, size));
            rest = rest.slice(size);
          }
          const spoken = [...groups, rest].filter((group) => group !== '').map(written);
          const said = spoken.join(between || ' ');
          const texts = [`${before} ${said}`, after];
          const data = dataOf(texts, said, spoken);
          const parts: TemplateParts = { 'email.subject': print, 'email.html': html, 'email.text': print, sms: print };
          const template = compileTemplate(parts);
          const view = toView(maskFacts(data, masker));
          for (const kind of ['email', 'sms'] as const) {
            const rendered = renderView(template, kind, view, {}, new Redaction(POLICY));
            const { text } = rendered.parts;
            const shown =
              rendered.kind === 'sms' ? [text] : [text, rendered.parts.subject, read(parse(rendered.parts.html))];
            for (const one of shown) {
              expect([leftOf(secret, one), print, html]).toEqual([undefined, print, html]);
              expect(one).not.toMatch(/[\ufdd0-\ufdef]/);
            }
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  it('leaves the link to acknowledge as it is, whatever numbers it has, in every part', () => {
    const ack = 'https://herald.example.com/a/4111111111111111-41111111111111';
    const rules: AppliedPolicy['rules'] = [
      { kind: 'numbers' },
      { kind: 'cards' },
      { kind: 'pattern', pattern: '[a-z]' },
    ];
    const policy: AppliedPolicy = { ...POLICY, rules };
    const view = toView(maskFacts({ ...SAMPLE_DATA, ack }, new Masker(policy)));
    const text = '{{ack}} 4111 1111 1111 1111';
    const html = '<p><a href="{{link ack}}">{{ack}}</a> 4111 1111 1111 1111</p>';
    const template = compileTemplate({ 'email.subject': 'x', 'email.html': html, 'email.text': text, sms: text });
    const redaction = (): Redaction => new Redaction(policy, ownTexts(view));
    const mail = renderView(template, 'email', view, {}, redaction());
    const sms = renderView(template, 'sms', view, { smsSegments: 3 }, redaction());
    if (mail.kind !== 'email') throw new Error('a mail was asked for');
    expect(mail.parts.html).toContain(`href="${ack}"`);
    for (const part of [read(parse(mail.parts.html)), mail.parts.text, sms.parts.text]) {
      expect(part).toContain(ack);
      expect(part.replaceAll(ack, '')).not.toMatch(/[0-9]{4}/);
    }
  });
});

function dataOf(texts: string[], said: string, groups: string[]): RenderData {
  const half = Math.ceil(groups.length / 2);
  const { transcript } = SAMPLE_DATA;
  if (!transcript) throw new Error('the sample has a transcript');
  const utterances = texts.map((text, i) => ({
    text,
    start: i,
    end: i + 0.9,
    confidence: 1,
    channel: 0,
    speaker: '0',
  }));
  return {
    ...SAMPLE_DATA,
    job: {
      ...SAMPLE_DATA.job,
      options: { first: groups.slice(0, half).join(' '), second: groups.slice(half).join(' ') },
      tags: { a: said, b: said, url: `https://x.example/${said}` },
    },
    matches: [{ text: said.slice(0, Math.ceil(said.length / 2)), channel: 0, start: 0, end: 1 }],
    transcript: { ...transcript, text: texts.join(' '), utterances, summary: `${texts.join(' ')}.` },
  };
}
