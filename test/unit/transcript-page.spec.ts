import { describe, expect, it } from '@jest/globals';
import type { Transcript } from '../../src/transcripts/transcript.js';
import { transcriptPage } from '../../src/transcripts/transcript-page.js';
import { anchorAt, toTurns } from '../../src/transcripts/turns.js';

const utterance = (text: string, start: number, speaker?: string) => ({
  text,
  start,
  end: start + 1,
  confidence: 1,
  channel: 0,
  ...(speaker === undefined ? {} : { speaker }),
});

function transcript(change: Partial<Transcript> = {}): Transcript {
  return {
    requestId: 'r',
    text: '',
    duration: 80,
    confidence: 1,
    channels: 1,
    speakers: [
      { id: '0', label: 'Speaker 1', channel: 0, words: 2, talk: 2 },
      { id: '1', label: 'Speaker 2', channel: 0, words: 1, talk: 61 },
    ],
    words: [],
    utterances: [utterance('Hello.', 0.2, '0'), utterance('It works.', 0.9, '0'), utterance('Yes', 73.4, '1')],
    sentiments: [],
    topics: [],
    intents: [],
    entities: [],
    search: [],
    extra: {},
    tags: [],
    models: [],
    warnings: [],
    ...change,
  };
}
const options = { title: 'A call', createdAt: Date.UTC(2026, 0, 2, 3, 4) };

describe('transcriptPage', () => {
  it('shows who said what and when, with an anchor for each second in which somebody starts', () => {
    const html = transcriptPage(transcript({ summary: 'They agree.' }), options);
    expect(html).toContain('<span id="t0">Hello.</span> <span>It works.</span>');
    expect(html).toContain('<span id="t73">Yes</span>');
    expect(html).toContain('<a href="#t73">1:13</a>');
    expect(html).toContain('They agree.');
    expect(html).toContain('<time datetime="2026-01-02T03:04:00.000Z">2026-01-02 03:04 UTC</time> · 1:20');
  });

  it('escapes everything that came from outside', () => {
    const evil = `"><script>alert('x')</script>&`;
    const html = transcriptPage(
      transcript({
        language: evil,
        summary: evil,
        utterances: [utterance(evil, 1, evil)],
        speakers: [
          { id: evil, label: evil, channel: 0, words: 1, talk: 1 },
          { id: '1', label: evil, channel: 0, words: 1, talk: 1 },
        ],
      }),
      { ...options, title: evil },
    );
    expect(html).not.toContain('<script');
    expect(html.match(/&#60;script&#62;/g)?.length).toBeGreaterThanOrEqual(6);
  });

  it('runs nothing, loads nothing and is not indexed', () => {
    const html = transcriptPage(transcript(), options);
    expect(html).not.toMatch(/<script|<link|<img|@import|url\(|\son\w+=/i);
    expect(html).toContain('noindex');
    expect(html).toContain('prefers-color-scheme:dark');
  });

  it('says so when nobody speaks, and bears a time that is none', () => {
    const html = transcriptPage(transcript({ utterances: [], speakers: [] }), { title: 'x', createdAt: NaN });
    expect(html).toContain('Nobody speaks');
    expect(html).not.toContain('<time');
  });
});

describe('toTurns', () => {
  it('joins what one speaker says and breaks a monologue', () => {
    expect(
      [...toTurns(transcript())].map(({ label, start, end, utterances }) => [label, start, end, utterances.length]),
    ).toEqual([
      ['Speaker 1', 0.2, 1.9, 2],
      ['Speaker 2', 73.4, 74.4, 1],
    ]);
    const monologue = Array.from({ length: 100 }, (_, i) => utterance('a sentence of some length', i));
    const turns = [...toTurns({ utterances: monologue, speakers: [] })];
    expect(turns.length).toBeGreaterThan(3);
    expect(turns.flatMap(({ utterances }) => utterances)).toEqual(monologue);
    expect(turns[0]?.label).toBe('');
  });
});

describe('anchorAt', () => {
  it('names the utterance that starts at or before a second', () => {
    const starts = [0.2, 5.9, 73.4];
    expect([0, 0.2, 5.8, 5.9, 73.3, 1_000].map((at) => anchorAt(starts, at))).toEqual([
      't0',
      't0',
      't0',
      't5',
      't5',
      't73',
    ]);
    expect(anchorAt([], 3)).toBeUndefined();
  });
});
