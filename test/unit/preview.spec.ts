import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { countSegments, cutText, fitPreview, NO_SPEECH, previewSource } from '../../src/transcripts/preview.js';

const LINK = 'https://herald.example.com/t/019bc0de?k=AbCdEfGh';
const message = (preview: string): string => `Herald: ${preview} ${LINK}`;
const graphemes = (text: string): string[] =>
  [...new Intl.Segmenter('und', { granularity: 'grapheme' }).segment(text)].map(({ segment }) => segment);

/** What stands between the prefix and the link, without the ellipsis. */
function previewIn(text: string): string {
  return text
    .slice('Herald:'.length, -LINK.length)
    .trim()
    .replace(/(?:\u2026|\.\.\.)$/, '');
}

const FAMILY = '👨‍👩‍👧‍👦';
const PIECES = [
  FAMILY,
  '🇩🇪',
  '🇯🇵',
  'e\u0301',
  'हिन्दी',
  'ภาษาไทย',
  '日本語',
  'Привет',
  '👍🏽',
  '€',
  '{x}',
  '’',
  '—',
  'word',
  ' ',
  ', ',
  '\ud83d',
  '\udc00',
];
const speech = fc.array(
  fc.oneof(fc.constantFrom(...PIECES), fc.string({ unit: 'grapheme' }), fc.lorem({ maxCount: 6 })),
  {
    minLength: 0,
    maxLength: 120,
    size: 'max',
  },
);

describe('fitPreview', () => {
  it('never exceeds the segments, keeps the link, and leaves no half character, whatever was said', () => {
    fc.assert(
      fc.property(speech, fc.integer({ min: 1, max: 4 }), (pieces, segments) => {
        const text = fitPreview(pieces.join(''), segments, message);
        expect(countSegments(text)).toBeLessThanOrEqual(segments);
        expect(text.startsWith('Herald:')).toBe(true);
        expect(text.endsWith(LINK)).toBe(true);
        expect(text).not.toMatch(/\p{Surrogate}/u);
      }),
      { numRuns: 300 },
    );
  });

  it('cuts only between graphemes', () => {
    const unit = fc.constantFrom(FAMILY, '🇩🇪', '👍🏽', 'ก\u0e34\u0e48', 'x\u0323\u0307', 'नि', 'Ж');
    fc.assert(
      fc.property(fc.array(unit, { minLength: 1, maxLength: 200, size: 'max' }), (units) => {
        const source = units.join('').normalize('NFC');
        const whole = graphemes(source);
        const kept = previewIn(fitPreview(source, 3, message));
        expect(source.startsWith(kept)).toBe(true);
        expect(whole.slice(0, graphemes(kept).length).join('')).toBe(kept);
      }),
      { numRuns: 200 },
    );
  });

  it('uses the room: a long GSM-7 preview fills all but a word of its segments', () => {
    const words = 'the quick brown fox jumps over the lazy dog and '.repeat(40);
    for (const [segments, room] of [
      [1, 160],
      [2, 306],
      [3, 459],
    ] as const) {
      const text = fitPreview(words, segments, message);
      expect(text.length).toBeLessThanOrEqual(room);
      expect(text.length).toBeGreaterThan(room - 16);
      expect(text).toContain('... https://');
    }
  });

  it('ends at a word', () => {
    const text = fitPreview('alpha bravo charlie delta echo foxtrot golf hotel india juliett '.repeat(5), 1, message);
    expect(previewIn(text).split(' ').at(-1)).toMatch(
      /^(alpha|bravo|charlie|delta|echo|foxtrot|golf|hotel|india|juliett)$/,
    );
  });

  it('shows a text that fits without an ellipsis', () => {
    expect(fitPreview('All good.', 1, message)).toBe(`Herald: All good. ${LINK}`);
  });

  it('writes typographic characters in GSM-7 when that makes the whole message GSM-7', () => {
    const said = 'It’s “ok”… we\u00a0agreed — `now`';
    expect(fitPreview(said, 1, message)).toBe(`Herald: It's "ok"... we agreed - 'now' ${LINK}`);
  });

  it('leaves them alone when one emoji makes the message UCS-2 anyway', () => {
    expect(fitPreview('It’s 😀', 2, message)).toBe(`Herald: It’s 😀 ${LINK}`);
  });

  it('keeps apostrophes as they are', () => {
    expect(fitPreview("I'd say it's Maya's", 1, message)).toContain("I'd say it's Maya's");
  });

  it('keeps a link that is longer than the budget, and drops the preview', () => {
    const long = `https://herald.example.com/t/${'k'.repeat(180)}`;
    const text = fitPreview('Some words', 1, (preview) => `Herald: ${preview} ${long}`);
    expect(text).toBe(`Herald: ${long}`);
    expect(countSegments(text)).toBe(2);
  });

  it('cuts a transcript of 76,000 characters within milliseconds and without filling the heap', () => {
    const transcript = 'Привет мир, как дела сегодня? '.repeat(2_600);
    fitPreview(transcript, 2, message);
    const heap = process.memoryUsage().heapUsed;
    const started = performance.now();
    for (let i = 0; i < 10; i++) fitPreview(transcript, 2, message);
    expect((performance.now() - started) / 10).toBeLessThan(25);
    expect(process.memoryUsage().heapUsed - heap).toBeLessThan(64 * 1024 * 1024);
  });
});

describe('cutText', () => {
  it('returns a short text on one line', () => {
    expect(cutText('  two\n lines ', 20)).toBe('two lines');
  });

  it('stays within its length and does not split what belongs together', () => {
    fc.assert(
      fc.property(speech, fc.integer({ min: 1, max: 120 }), (pieces, max) => {
        const text = cutText(pieces.join(''), max);
        expect(text.length).toBeLessThanOrEqual(max);
        expect(text).not.toMatch(/\p{Surrogate}/u);
      }),
    );
    expect(cutText(FAMILY.repeat(5), 15)).toBe(`${FAMILY}…`);
  });

  it('leaves no comma before the ellipsis', () => {
    expect(cutText('one, two, three, four', 11)).toBe('one, two…');
  });
});

describe('previewSource', () => {
  const utterance = (text: string) => ({ text, start: 0, end: 1, confidence: 1, channel: 0 });

  it('prefers the summary', () => {
    expect(previewSource({ text: 'words', utterances: [utterance('words')], summary: 'A call.' })).toBe('A call.');
  });

  it('else takes the first words spoken', () => {
    expect(previewSource({ text: 'Speaker 0: Hi.', utterances: [utterance('Hi.'), utterance('Hello.')] })).toBe(
      'Hi. Hello.',
    );
    expect(previewSource({ text: 'Only\ntext', utterances: [] })).toBe('Only text');
  });

  it('says so when nobody speaks', () => {
    expect(previewSource({ text: '', utterances: [], summary: ' ' })).toBe(NO_SPEECH);
  });
});
