import { describe, expect, it } from '@jest/globals';
import { maskFacts, maskTranscript, spellOut } from '../../src/redaction/facts.js';
import { Masker } from '../../src/redaction/masker.js';
import { peopleIn } from '../../src/redaction/people.js';
import type { AppliedPolicy, RedactionRule } from '../../src/redaction/policy.js';
import { Redaction } from '../../src/redaction/redaction.js';
import { transcriptFileOf } from '../../src/transcripts/transcript-file.js';
import type { Utterance, Word } from '../../src/transcripts/transcript.js';
import { callTranscript } from '../support/transcript.js';

const policyOf = (rules: RedactionRule[], known: Partial<AppliedPolicy> = {}): AppliedPolicy => ({
  version: 1,
  rules,
  names: [],
  addresses: [],
  ...known,
});
const masked = (text: string, ...rules: RedactionRule[]): string => new Redaction(policyOf(rules)).text('text', text);

const VISA = '4111 1111 1111 1111';
const CARDS: RedactionRule = { kind: 'cards' };

describe('cards', () => {
  it.each([
    ['in groups', VISA],
    ['in one piece', '4111111111111111'],
    ['with dashes', '4111-1111-1111-1111'],
    ['with typographic dashes', '4111\u20131111\u20111111\u22121111'],
    ['with full stops', '4111.1111.1111.1111'],
    ['as a transcriber punctuates it', '4111, 1111, 1111, 1111'],
    ['over a line break', '4111 1111\n1111 1111'],
    ['in full-width digits', '４１１１　１１１１　１１１１　１１１１'],
    ['in Arabic digits', '٤١١١ ١١١١ ١١١١ ١١١١'],
    ['in mathematical digits', '𝟜𝟙𝟙𝟙 𝟙𝟙𝟙𝟙 𝟙𝟙𝟙𝟙 𝟙𝟙𝟙𝟙'],
    ['with invisible characters', '4\u200b1\u206011 11\u00ad11 1\ufeff111 11\u034f11'],
    ['with marks on its digits', '4\u033211\ufe0f\u20e31 1111 1111 1111'],
    ['said digit by digit', 'four one one one one one one one, one one one one, one one one one'],
    ['said with doubles', 'four triple one double one double one triple one triple one double one'],
    ['said in pairs', 'forty-one eleven eleven eleven eleven eleven eleven eleven'],
    ['said in German', 'vier eins eins eins eins eins eins eins eins eins eins eins eins eins eins eins'],
    ['half said', '4111 one one one one 1111 1111'],
    ['of 15 digits', '3782 822463 10005'],
    ['of 19 digits', '6304 0000 0000 0000 000'],
  ])('are found %s', (_how, card) => {
    expect(masked(`My card is ${card} and that is it.`, CARDS)).toBe('My card is [card] and that is it.');
  });

  it.each([
    ['a wrong check digit', '4111 1111 1111 1112'],
    ['a date and a time', '21 Nov 2026, 18:04'],
    ['a short number', '4111 1111 110'],
    ['a price', '1,250.00 and 17.90'],
  ])('are not made of %s', (_what, text) => {
    expect(masked(text, CARDS)).toBe(text);
  });

  it('are found among other numbers', () => {
    expect(masked(`12 ${VISA} 03/27 123`, CARDS)).toBe('12 [card] 03/27 123');
    expect(masked(`${VISA}; ${VISA}`, CARDS)).toBe('[card]; [card]');
  });
});

describe('numbers, telephone numbers and e-mail addresses', () => {
  it.each<[RedactionRule, string, string]>([
    [{ kind: 'numbers' }, 'order 44-17-2 or 4417', 'order [number] or 4417'],
    [{ kind: 'numbers', minDigits: 4 }, 'PIN 4417, in 2 days', 'PIN [number], in 2 days'],
    [{ kind: 'numbers', minDigits: 4 }, "it's four four one seven.", "it's [number]."],
    [{ kind: 'numbers' }, '12, 34, 56 and 78', '12, 34, 56 and 78'],
    [{ kind: 'numbers', replacement: '#' }, 'No. 12345.', 'No. #.'],
    [{ kind: 'phones' }, 'call +44 (0)7911 123456 now', 'call [phone] now'],
    [{ kind: 'phones' }, 'five five five, oh one two three', '[phone]'],
    [{ kind: 'phones' }, 'on 2026-11-21 or 21.11.2026', 'on 2026-11-21 or 21.11.2026'],
    [{ kind: 'emails' }, 'To ann.o+x@mail.example.com.', 'To [email].'],
    [{ kind: 'emails' }, 'ａｎｎ＠example.com', '[email]'],
    [{ kind: 'emails' }, 'it is ann dot miller at example dot co dot uk please', 'it is [email] please'],
    [{ kind: 'emails' }, 'meet me at school. Then @ six', 'meet me at school. Then @ six'],
    [{ kind: 'pattern', pattern: '(?i)project [a-z]+' }, 'Project Lantern is late', '[redacted] is late'],
  ])('%j makes of "%s" "%s"', (rule, text, expected) => {
    expect(masked(text, rule)).toBe(expected);
  });

  it('a place that several rules meet is masked once, by the one that comes first', () => {
    const rules: RedactionRule[] = [{ kind: 'cards' }, { kind: 'numbers' }];
    const redaction = new Redaction(policyOf(rules));
    expect(redaction.text('text', `${VISA} and 12345`)).toBe('[card] and [number]');
    expect(redaction.masked()).toEqual([
      { kind: 'cards', count: 1 },
      { kind: 'numbers', count: 1 },
    ]);
  });
});

describe('names and addresses', () => {
  const names = (text: string, ...known: string[]): string =>
    new Redaction(policyOf([{ kind: 'names' }], { names: known })).text('text', text);

  it('are found without regard to case and accents, and by their parts when written with a capital', () => {
    expect(names('MULLER, Zoé; anna  müller', 'Anna Müller', 'Zoe')).toBe('[name], [name]; [name]');
    expect(names("Miller's call, and the miller", 'Ann Miller')).toBe("[name]'s call, and the miller");
    expect(names('planning an Annual day', 'Ann')).toBe('planning an Annual day');
  });

  it('are those of contacts that are people, of the recipient and of what Deepgram found', () => {
    const entities = [
      { label: 'NAME_GIVEN', value: 'Priya' },
      { label: 'LOCATION_ADDRESS', value: '12 High Street' },
      { label: 'EMAIL_ADDRESS', value: 'a@b.example' },
      { label: 'ORGANIZATION', value: 'Lantern' },
    ];
    const speakers = [{ label: 'Speaker 1' }, { label: 'Doctor Who' }];
    const known = { transcript: { entities, speakers }, recipient: { name: 'Maya' } };
    expect(peopleIn(known, ['on-call', 'Ann Miller', 'billing'])).toEqual({
      names: ['Ann Miller', 'Maya', 'Doctor Who', 'Priya'],
      addresses: ['12 High Street'],
    });
  });
});

describe('HTML', () => {
  const html = (source: string, rules: RedactionRule[] = [CARDS], keep: string[] = []): string =>
    new Redaction(policyOf(rules), keep).html(source);

  it.each([
    ['references', '<p>&#52;111 1111 &#x31;111&nbsp;1111</p>', '<p>[card]</p>'],
    ['inline elements', '<p>4111 <b>1111</b> <i>11</i>11&zwnj; 1111.</p>', '<p>[card]<b></b><i></i>.</p>'],
    ['cells and rows', `<table><tr><td>4111 1111</td><td>1111 1111</td></tr></table>`, '[card]'],
    [
      'attributes that people see',
      `<img alt="${VISA}" title='card ${VISA}'>`,
      '<img alt="[card]" title="card [card]">',
    ],
    ['addresses', `<a href="https://x.example/?c=4111%201111%201111%201111">x</a>`, '<a href="#">x</a>'],
    ['comments', `<!-- ${VISA} --><p>x</p>`, '<!-- [card] --><p>x</p>'],
    ['titles', `<!doctype html><html><head><title>${VISA}</title></head><body></body></html>`, '<title>[card]</title>'],
  ])('is masked in %s', (_where, source, expected) => {
    expect(html(source)).toContain(expected);
    expect(html(source)).not.toMatch(/1111/);
  });

  it('is byte for byte the same when nothing is masked', () => {
    const source = '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "x.dtd"><P class=a>one &amp; two<br/>';
    expect(html(source)).toBe(source);
  });

  it('keeps the document type, and the numbers that set how it looks', () => {
    const doctype = '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "x.dtd">';
    const style = '<style>.a { width: 123456px }</style>';
    const source = `${doctype}<html><head>${style}</head><body><p style="color:#112233445566" id="p123456">123456</p></body></html>`;
    const result = html(source, [{ kind: 'numbers' }]);
    expect(result).toContain(doctype);
    expect(result).toContain(style);
    expect(result).toContain('<p style="color:#112233445566" id="p123456">[number]</p>');
  });

  it('leaves links of ours alone, with the place that they lead to, and nothing around them', () => {
    const link = 'https://herald.example.com/t/12345678901234567890123456789012';
    const rules: RedactionRule[] = [{ kind: 'numbers' }, { kind: 'pattern', pattern: '.+' }];
    expect(html(`<a href="${link}#t73">read</a>`, [{ kind: 'numbers' }], [link])).toContain(`href="${link}#t73"`);
    expect(new Redaction(policyOf(rules), [link]).text('text', `12345 ${link} 12345`)).toBe(`[number]${link}[number]`);
    expect(masked(link, { kind: 'numbers' })).not.toContain('123456');
  });
});

describe('what a template sees', () => {
  const masker = new Masker(policyOf([CARDS, { kind: 'names' }], { names: ['Ann Miller'] }));
  const facts = (utterances: Partial<Utterance>[], rest: object = {}) => {
    const said = utterances.map((one, i) => ({ start: i, end: i + 1, confidence: 1, channel: 0, text: '', ...one }));
    const text = said.map((one) => one.text).join('\n');
    const data = { transcript: { text, utterances: said, search: [], ...rest }, matches: [] as { text: string }[] };
    return data;
  };
  const told = <T extends object>(data: T): T => spellOut(maskFacts(data, masker), [CARDS, { kind: 'names' }]);

  it('a number that goes on after a pause, or after the other speaker said something, is one', () => {
    const { transcript } = told(
      facts([
        { text: 'It is 4111 1111', speaker: '1' },
        { text: 'Yes, go on.', speaker: '0' },
        { text: '1111', speaker: '1' },
        { text: '1111, that is it.', speaker: '1' },
      ]),
    );
    expect(transcript.utterances.map(({ text }) => text)).toEqual(['It is [card]', 'Yes, go on.', ', that is it.']);
    expect(transcript.text).toBe('It is [card]\nYes, go on.\n, that is it.');
  });

  it('half of a masked number is masked too, where it was cut out of what was said', () => {
    const data = facts([{ text: `Ann Miller here, card ${VISA}.` }], {
      summary: 'A card that ends in 1111 was given.',
      search: [{ query: 'card', snippet: 'here, card 4111 1111' }],
    });
    data.matches = [{ text: '1111 1111' }, { text: 'four one one one' }, { text: 'miller here' }, { text: 'here' }];
    const { transcript, matches } = told(data) as unknown as {
      transcript: { summary: string; search: { snippet: string }[] };
      matches: { text: string }[];
    };
    expect(matches.map(({ text }) => text)).toEqual(['[card]', '[card]', '[name]', 'here']);
    expect(transcript.summary).toBe('A card that ends in [card] was given.');
    expect(transcript.search[0]?.snippet).toBe('here, card [card]');
  });

  it.each([
    ['groups like a list', '4, 00, 04, 01', '[card]'],
    ['groups after another number', 'On 5, 4, 00, 04, 01', 'On 5, [card]'],
    ['a few digits of another number that are in the card by chance', 'On 00, 40', 'On 00, 40'],
  ])('%s, cut out of a masked number', (_what, text, shown) => {
    const data = facts([{ text: 'On 5, 4, 00, 04, 01050607029, thank you.' }]);
    data.matches = [{ text }];
    expect(told(data).matches).toEqual([{ text: shown }]);
  });

  it('ids, links and numbers stay, and a mark that somebody brings along means nothing', () => {
    const data = { job: { id: VISA, tags: { id: `\ufdd0${VISA}` } }, link: VISA, now: 4_111_111_111_111_111 };
    expect(told(data)).toEqual({ job: { id: VISA, tags: { id: '[card]' } }, link: VISA, now: 4_111_111_111_111_111 });
  });
});

describe('files of a transcript', () => {
  const words = (text: string, start: number): Word[] =>
    text.split(' ').map((word, i) => ({
      text: word,
      start: start + i * 0.4,
      end: start + i * 0.4 + 0.3,
      confidence: 1,
      channel: 0,
      speaker: '1',
    }));
  const transcript = callTranscript('It is 4111 1111', {
    requestId: '52012a29-5296-734b-a988-7465b901c54c',
    words: [...words('It is 4111 1111', 1), ...words('1111 1111. <Thanks>', 4)],
  });
  transcript.utterances.push({
    text: '1111 1111. <Thanks>',
    start: 4,
    end: 6,
    confidence: 1,
    channel: 0,
    speaker: '1',
  });
  const masker = new Masker(policyOf([{ ...CARDS, replacement: '[a "card"]' }]));
  const rules = [{ ...CARDS, replacement: '[a "card"]' }];

  it.each(['txt', 'srt', 'vtt', 'json'] as const)(
    '%s holds nothing of a number that is said over two cues',
    (format) => {
      const file = transcriptFileOf(spellOut(maskTranscript(transcript, masker), rules), { format });
      expect(file).not.toContain('1111');
      expect(file).toContain(format === 'json' ? '[a \\"card\\"]' : '[a "card"]');
      expect(file).toMatch(format === 'vtt' ? /&lt;Thanks&gt;/ : /<Thanks>/);
      if (format === 'json')
        expect(JSON.parse(file)).toMatchObject({ duration: 12.5, requestId: transcript.requestId });
    },
  );
});

describe('a policy that cannot be applied', () => {
  it.each([
    ['a pattern that re2 does not take', [{ kind: 'pattern', pattern: '(?=x)' }]],
    ['a kind of a later release', [{ kind: 'faces' }]],
    ['more rules than there are marks', Array(21).fill(CARDS)],
  ])('is refused, not skipped: %s', (_what, rules) => {
    expect(() => new Redaction(policyOf(rules as RedactionRule[]))).toThrow();
  });
});
