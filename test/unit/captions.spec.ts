import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseDeepgramCallback } from '../../src/providers/deepgram/deepgram-payload.js';
import { toPlainText, toSrt, toVtt } from '../../src/transcripts/captions.js';
import type { Transcript, Utterance, Word } from '../../src/transcripts/transcript.js';
import { fixtures, readFixture } from '../fixtures/deepgram/index.js';
import { sharedBodies } from '../support/shared-deepgram.js';

const empty: Transcript = {
  requestId: 'r',
  text: '',
  duration: 0,
  confidence: 0,
  channels: 1,
  speakers: [],
  words: [],
  utterances: [],
  sentiments: [],
  topics: [],
  intents: [],
  entities: [],
  search: [],
  extra: {},
  tags: [],
  models: [],
  warnings: [],
};
const word = (text: string, start: number, end: number, more: Partial<Word> = {}): Word => ({
  text,
  start,
  end,
  confidence: 1,
  channel: 0,
  ...more,
});
const speakers = [
  { id: '0', label: 'Speaker 1', channel: 0, words: 1, talk: 1 },
  { id: '1', label: 'Speaker 2', channel: 0, words: 1, talk: 1 },
];

function parsed(bytes: Uint8Array): Transcript[] {
  const result = parseDeepgramCallback(bytes);
  return result.kind === 'transcript' ? [result.transcript] : [];
}

const seconds = (stamp: string): number => {
  const [h = NaN, m = NaN, s = NaN, ms = NaN] = stamp.split(/[:.,]/).map(Number);
  return h * 3_600 + m * 60 + s + ms / 1_000;
};

/** Reads SubRip or WebVTT as a strict player does: blocks between blank lines, one time line each. */
function cues(captions: string): { start: number; end: number; text: string }[] {
  const blocks = captions.split('\n\n').filter((block) => block.trim() !== '' && block.trim() !== 'WEBVTT');
  return blocks.map((block) => {
    const lines = block.trim().split('\n');
    const at = lines.findIndex((line) => line.includes('-->'));
    const times = /^(\d{2,}:\d\d:\d\d[.,]\d{3}) --> (\d{2,}:\d\d:\d\d[.,]\d{3})$/.exec(lines[at] ?? '');
    if (!times || at > 1) throw new Error(`not a cue: ${block}`);
    const text = lines.slice(at + 1);
    if (text.length === 0 || text.some((line) => line.includes('-->'))) throw new Error(`not a text: ${block}`);
    return { start: seconds(times[1] ?? ''), end: seconds(times[2] ?? ''), text: text.join(' ') };
  });
}

function expectPlayable(transcript: Transcript): void {
  for (const captions of [toSrt(transcript), toVtt(transcript)]) {
    const list = cues(captions);
    expect(list.every(({ start, end }) => end > start)).toBe(true);
    expect(list.every(({ start }, i) => start >= (list[i - 1]?.start ?? 0))).toBe(true);
  }
}

describe('captions', () => {
  it('number the cues, name the speaker when it changes, and break long lines', () => {
    const [transcript = empty] = parsed(readFixture('diarized.json'));
    expect(toSrt(transcript).split('\n\n').slice(0, 3)).toEqual([
      '1\n00:00:00,400 --> 00:00:04,700\nSpeaker 1: Lantern Insurance,\nPriya speaking. How can I help?',
      expect.stringMatching(/^2\n00:00:05,600 --> [\d:,]+\nSpeaker 2: Hi\. My cellar/),
      expect.stringMatching(/^3\n[\d:,]+ --> [\d:,]+\n(?!Speaker)/),
    ]);
  });

  it('carry the speaker in every cue of WebVTT', () => {
    const [transcript = empty] = parsed(readFixture('multichannel-diarized.json'));
    const vtt = toVtt(transcript);
    expect(vtt.startsWith('WEBVTT\n\n00:00:00.300 --> ')).toBe(true);
    expect(cues(vtt).map(({ text }) => /^<v (Speaker \d)>/.exec(text)?.[1])).toEqual([
      'Speaker 1',
      'Speaker 2',
      'Speaker 3',
      'Speaker 1',
    ]);
  });

  it('name nobody when one voice speaks', () => {
    const [transcript = empty] = parsed(readFixture('mono-punctuated.json'));
    expect(toSrt(transcript)).not.toContain('Speaker');
    expect(toVtt(transcript)).not.toContain('<v');
  });

  it('are empty for silence', () => {
    expect(toSrt(empty)).toBe('');
    expect(toVtt(empty)).toBe('WEBVTT\n');
    expect(toPlainText(empty)).toBe('');
  });

  it('let no word end the cue or open a tag', () => {
    const transcript = {
      ...empty,
      speakers,
      words: [word('a-->b', 0, 1, { speaker: '0' }), word('<i>&\n\nc', 1, 2, { speaker: '0' })],
    };
    expect(toSrt(transcript)).toBe('1\n00:00:00,000 --> 00:00:02,000\nSpeaker 1: a->b <i>& c\n');
    expect(toVtt(transcript)).toBe('WEBVTT\n\n00:00:00.000 --> 00:00:02.000\n<v Speaker 1>a--&gt;b &lt;i&gt;&amp; c\n');
  });

  it('count hours beyond a day', () => {
    expect(toSrt({ ...empty, words: [word('late', 100 * 3_600 + 0.9999, 100 * 3_600 + 2)] })).toContain(
      '100:00:01,000 --> 100:00:02,000',
    );
  });

  it('show a word without length long enough to be read, but not into the next', () => {
    const transcript = { ...empty, words: [word('yes', 1, 1), word('no', 9, 9), word('stop', 9.9, 9.9)] };
    expect(cues(toSrt(transcript)).map(({ start, end }) => [start, end])).toEqual([
      [1, 1.7],
      [9, 9.7],
      [9.9, 10.6],
    ]);
  });

  it('fall back to the utterances when there are no words', () => {
    const utterances: Utterance[] = [{ text: 'said so', start: 1, end: 3, confidence: 1, channel: 0 }];
    expect(cues(toSrt({ ...empty, utterances }))).toEqual([{ start: 1, end: 3, text: 'said so' }]);
  });

  it('lose no word, and keep lines readable, for every body', () => {
    const bodies = [...fixtures.map(({ file }) => readFixture(file)), ...sharedBodies().map(({ bytes }) => bytes)];
    const transcripts = bodies.flatMap(parsed);
    expect(transcripts.length).toBeGreaterThanOrEqual(24);
    for (const transcript of transcripts) {
      expectPlayable(transcript);
      const shown = cues(toSrt({ ...transcript, speakers: [] })).flatMap(({ text }) => text.split(' '));
      expect(shown.sort()).toEqual(transcript.words.flatMap(({ text }) => text.split(' ')).sort());
      expect(cues(toSrt(transcript)).every(({ start, end, text }) => text.length < 110 && end - start < 15)).toBe(true);
    }
  });

  it('stay playable whatever the words', () => {
    const time = fc.double({ min: 0, max: 1e7, noNaN: true });
    const words = fc.array(
      fc.record({
        text: fc.string({ minLength: 1 }).filter((s) => s.trim() !== ''),
        start: time,
        length: fc.double({ min: 0, max: 20, noNaN: true }),
        channel: fc.nat(2),
        speaker: fc.constantFrom('0', '1'),
      }),
      { maxLength: 40 },
    );
    fc.assert(
      fc.property(words, (raw) => {
        const list = raw
          .map(({ length, ...rest }) => ({ ...rest, end: rest.start + length, confidence: 1 }))
          .sort((a, b) => a.start - b.start);
        expectPlayable({ ...empty, speakers, words: list });
      }),
    );
  });
});

describe('the transcript as plain text', () => {
  it('has a line a turn with time and speaker', () => {
    const [transcript = empty] = parsed(readFixture('diarized.json'));
    expect(toPlainText(transcript).split('\n').slice(0, 2)).toEqual([
      '[0:00] Speaker 1: Lantern Insurance, Priya speaking. How can I help?',
      '[0:05] Speaker 2: Hi. My cellar is under water, and I would like a refund for the pump you sent.',
    ]);
  });

  it('gives a long turn a new time now and then', () => {
    const utterances = Array.from({ length: 10 }, (_, i) => ({
      text: `part ${String(i)}`,
      start: i * 20,
      end: i * 20 + 5,
      confidence: 1,
      channel: 0,
    }));
    expect(toPlainText({ ...empty, utterances }).split('\n')).toEqual([
      '[0:00] part 0 part 1 part 2',
      '[1:00] part 3 part 4 part 5',
      '[2:00] part 6 part 7 part 8',
      '[3:00] part 9',
      '',
    ]);
  });

  it('is the bare text when that is all there is', () => {
    expect(toPlainText({ ...empty, text: 'only this' })).toBe('only this\n');
  });
});
