import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { CALL_AUDIO, readCallBody } from '../../src/sandbox/bundled-call.service.js';

interface Word {
  word: string;
  punctuated_word: string;
  start: number;
  end: number;
  confidence: number;
  speaker: number;
}
interface Body {
  metadata: { sha256: string; duration: number };
  results: {
    channels: {
      alternatives: {
        transcript: string;
        words: Word[];
        paragraphs: { paragraphs: { speaker: number; num_words: number; start: number; end: number }[] };
      }[];
    }[];
    utterances: { transcript: string; start: number; end: number; speaker: number; words: Word[] }[];
    summary: { result: string; short: string };
    topics: { segments: { start_word: number; end_word: number; text: string }[] };
    sentiments: { average: { sentiment: string; sentiment_score: number } };
  };
}

/** Samples at 48 kHz on the last Ogg page, without those that an Opus decoder skips. */
function opusSeconds(file: Buffer): number {
  const skipped = file.readUInt16LE(file.indexOf('OpusHead') + 10);
  return (Number(file.readBigUInt64LE(file.lastIndexOf('OggS') + 6)) - skipped) / 48_000;
}

describe('the bundled call', () => {
  let audio: Buffer;
  let body: Body;
  let words: Word[];

  beforeAll(async () => {
    audio = await readFile(CALL_AUDIO);
    body = (await readCallBody()) as unknown as Body;
    words = body.results.channels[0]?.alternatives[0]?.words ?? [];
  });

  it('is an Ogg file of at most 300 kB, and the body names its hash', () => {
    expect(audio.subarray(0, 4).toString()).toBe('OggS');
    expect(audio.length).toBeLessThan(300_000);
    expect(body.metadata.sha256).toBe(createHash('sha256').update(audio).digest('hex'));
  });

  it('lasts as long as the body says', () => {
    expect(body.metadata.duration).toBeCloseTo(opusSeconds(audio), 4);
    expect(body.metadata.duration).toBeGreaterThan(45);
    expect(body.metadata.duration).toBeLessThan(65);
  });

  it('has words in order, inside the audio, with confidences', () => {
    expect(words.length).toBeGreaterThan(120);
    let before = 0;
    for (const { start, end, confidence } of words) {
      expect(start).toBeGreaterThanOrEqual(before);
      expect(end).toBeGreaterThan(start);
      expect(confidence).toBeGreaterThan(0.9);
      expect(confidence).toBeLessThanOrEqual(1);
      before = end;
    }
    expect(before).toBeLessThan(body.metadata.duration);
  });

  it('has two speakers, and the second one asks for a refund', () => {
    expect([...new Set(words.map((word) => word.speaker))].sort()).toEqual([0, 1]);
    const asked = words.filter((word) => word.word === 'refund');
    expect(asked.map((word) => word.speaker)).toEqual([1, 0, 1]);
  });

  it('tells the same words in transcript, utterances and paragraphs', () => {
    const alternative = body.results.channels[0]?.alternatives[0];
    const spoken = words.map((word) => word.punctuated_word).join(' ');
    expect(alternative?.transcript).toBe(spoken);
    expect(body.results.utterances.map((utterance) => utterance.transcript).join(' ')).toBe(spoken);
    const counts = alternative?.paragraphs.paragraphs.map((paragraph) => paragraph.num_words) ?? [];
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(words.length);
    for (const { words: own, start, end } of body.results.utterances) {
      expect([own[0]?.start, own.at(-1)?.end]).toEqual([start, end]);
    }
  });

  it('points at the right words from topics, and has a summary and a mood', () => {
    for (const { start_word, end_word, text } of body.results.topics.segments) {
      const span = words.slice(start_word, end_word + 1);
      expect(span.map((word) => word.punctuated_word).join(' ')).toBe(text);
    }
    expect(body.results.summary.short).toContain('refund');
    expect(Math.abs(body.results.sentiments.average.sentiment_score)).toBeLessThan(1 / 3);
    expect(body.results.sentiments.average.sentiment).toBe('neutral');
  });
});
