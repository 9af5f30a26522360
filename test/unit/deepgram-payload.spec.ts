import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseDeepgramCallback } from '../../src/providers/deepgram/deepgram-payload.js';
import type { CallbackResult } from '../../src/providers/provider.js';
import { toFacts } from '../../src/transcripts/facts.js';
import type { Transcript } from '../../src/transcripts/transcript.js';
import { fixtures, readFixture } from '../fixtures/deepgram/index.js';
import { sharedBodies, sharedErrors, sharedRead, sharedStreaming } from '../support/shared-deepgram.js';

const parse = (body: unknown): CallbackResult =>
  parseDeepgramCallback(Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)));

function transcriptOf(bytes: Uint8Array): Transcript {
  const result = parseDeepgramCallback(bytes);
  if (result.kind !== 'transcript') throw new Error(`expected a transcript, got ${JSON.stringify(result)}`);
  return result.transcript;
}

const fixture = (name: string): Transcript => transcriptOf(readFixture(`${name}.json`));

/** A body of one channel around some words. */
const mono = (words: unknown, more: Record<string, unknown> = {}): Record<string, unknown> => ({
  metadata: { request_id: 'r', duration: 10 },
  results: { channels: [{ alternatives: [{ transcript: 'x', confidence: 0.9, words, ...more }] }] },
});

/** What holds for every transcript, however odd its body. */
function expectSound(transcript: Transcript): void {
  const { words, utterances, speakers } = transcript;
  const spans = [...words, ...utterances, ...transcript.search];
  expect(
    spans.every(({ start, end }) => Number.isFinite(start) && Number.isFinite(end) && start >= 0 && end >= start),
  ).toBe(true);
  for (const list of [words, utterances]) {
    expect(list.every((item, i) => i === 0 || item.start >= (list[i - 1]?.start ?? 0))).toBe(true);
  }
  expect([transcript.confidence, ...words.map((w) => w.confidence)].every((c) => c >= 0 && c <= 1)).toBe(true);
  expect(Number.isFinite(transcript.duration) && transcript.duration >= 0).toBe(true);
  expect(words.every(({ channel }) => channel >= 0 && channel < transcript.channels)).toBe(true);
  const ids = new Set(speakers.map(({ id }) => id));
  expect(ids.size).toBe(speakers.length);
  expect(words.every(({ speaker }) => speaker === undefined || ids.has(speaker))).toBe(true);
  expect(speakers.map(({ label }) => label)).toEqual(speakers.map((_, i) => `Speaker ${String(i + 1)}`));
  expect(speakers.reduce((n, s) => n + s.words, 0)).toBe(words.filter((w) => w.speaker !== undefined).length);
  // what is stored as JSON comes back the same
  expect(JSON.parse(JSON.stringify(transcript))).toEqual(transcript);
}

describe('a callback body of each shape', () => {
  it.each(fixtures)('is told apart: $file', (expected) => {
    const result = parseDeepgramCallback(readFixture(expected.file));
    expect(result.kind).toBe(expected.expect);
    if (expected.expect === 'transcript' && result.kind === 'transcript') {
      const { text, words, speakers, channels } = result.transcript;
      expect(text.startsWith(expected.opens)).toBe(true);
      expect({ words: words.length, speakers: speakers.length, channels }).toEqual({
        words: expected.words,
        speakers: expected.speakers,
        channels: expected.channels,
      });
      expect(result.requestId).toMatch(/^[0-9a-f-]{36}$/);
      expectSound(result.transcript);
    }
    if (expected.expect === 'failure' && result.kind === 'failure') expect(result.failure.code).toBe(expected.code);
    if (expected.expect === 'unreadable' && result.kind === 'unreadable')
      expect(result.reason).toContain(expected.reason);
  });
});

describe('words, speakers and utterances', () => {
  it('shows the punctuated word, or the bare one where there is none', () => {
    expect(fixture('mono-punctuated').words[1]?.text).toBe('morning,');
    expect(fixture('words-only-whisper').words[2]?.text).toBe('am');
    const [word] = transcriptOf(Buffer.from(JSON.stringify(mono([{ word: 'ab', punctuated_word: '' }])))).words;
    expect(word?.text).toBe('ab');
  });

  it('names speakers in order of their first words', () => {
    const { speakers, words } = fixture('diarized');
    expect(speakers.map(({ id, label, channel }) => ({ id, label, channel }))).toEqual([
      { id: '0', label: 'Speaker 1', channel: 0 },
      { id: '1', label: 'Speaker 2', channel: 0 },
    ]);
    expect(speakers[0]?.words).toBe(words.filter((w) => w.speaker === '0').length);
    expect(speakers[1]?.talk).toBeGreaterThan(5);
    const late = parse(
      mono([
        { word: 'b', start: 3, end: 4, speaker: 0 },
        { word: 'a', start: 1, end: 2, speaker: 7 },
      ]),
    );
    expect(late).toMatchObject({
      transcript: {
        speakers: [
          { id: '7', label: 'Speaker 1' },
          { id: '0', label: 'Speaker 2' },
        ],
      },
    });
  });

  it('takes a channel for a speaker, and keys speakers by channel where both are told apart', () => {
    expect(fixture('multichannel').speakers.map(({ id, channel }) => [id, channel])).toEqual([
      ['0', 0],
      ['1', 1],
    ]);
    expect(fixture('multichannel-diarized').speakers.map(({ id, channel }) => [id, channel])).toEqual([
      ['0.0', 0],
      ['1.0', 1],
      ['1.1', 1],
    ]);
  });

  it('puts the utterances of all channels in the order of speech', () => {
    const { utterances, text } = fixture('multichannel');
    expect(utterances.map(({ channel, speaker }) => `${String(channel)}/${String(speaker)}`)).toEqual([
      '0/0',
      '1/1',
      '1/1',
      '0/0',
    ]);
    expect(text.split('\n')).toEqual([
      'Dispatch, which street?',
      'Orchard Lane, number nine. There is smoke in the kitchen.',
      'We are on our way, stay outside.',
    ]);
  });

  it('makes utterances from the words where Deepgram sent none: a new one at a pause, a speaker, a channel', () => {
    expect(fixture('words-only-whisper').utterances.map(({ text }) => text)).toEqual([
      'hello i am calling about the blue bicycle that you are selling',
      'is it still there and does it come with a lock',
    ]);
    const made = fixture('multichannel-diarized').utterances;
    expect(made.map(({ speaker }) => speaker)).toEqual(['0.0', '1.0', '1.1', '0.0']);
    expect(made[2]?.text).toBe('Yes, about the noise at night.');
  });

  it('joins the paragraphs, without speaker labels', () => {
    expect(fixture('paragraphs').text).toBe(
      'The harbour opens at seven. Boats from the north pier leave first.\n\n' +
        'Please keep your ticket until the end. Nobody checks it on the way out!',
    );
    expect(fixture('diarized').text).not.toContain('Speaker');
    expect(fixture('redaction').text).toContain('[NAME_1]');
  });

  it('takes silence for a success without words (I9)', () => {
    for (const name of ['silence', 'silence-with-paragraphs']) {
      expect(fixture(name)).toMatchObject({
        text: '',
        confidence: 0,
        duration: 12,
        words: [],
        utterances: [],
        speakers: [],
      });
    }
  });

  it('gives a word that ends before it starts no length, and says so', () => {
    const { words, warnings } = fixture('odd-values');
    expect(words[2]?.end).toBe(words[2]?.start);
    expect(warnings).toContain('something ends before it starts');
  });

  it('means the confidence over the channels that hold words', () => {
    expect(fixture('multichannel').confidence).toBeCloseTo(0.97);
    const silentSecond = {
      channels: [
        { alternatives: [{ confidence: 0.8, words: [{ word: 'a' }] }] },
        { alternatives: [{ confidence: 0 }] },
      ],
    };
    expect(parse({ results: silentSecond })).toMatchObject({ transcript: { confidence: 0.8, channels: 2 } });
  });
});

describe('what Deepgram says about the text', () => {
  it('reads the language that was detected, or that most words are in', () => {
    expect(fixture('detected-language')).toMatchObject({ language: 'de', languageConfidence: 0.982 });
    expect(fixture('multi-language').language).toBe('es');
    expect(fixture('multi-language').words.map((w) => w.language)).toContain('en');
    expect('language' in fixture('mono-punctuated')).toBe(false);
  });

  it('reads a summary, an old one too, and none that failed', () => {
    expect(fixture('summary-v2').summary).toMatch(/^The bridge is closed until Monday/);
    expect(fixture('summary-old').summary).toBe('The bridge is closed. The ferry is free.');
    expect('summary' in fixture('summary-failure')).toBe(false);
    expect(fixture('summary-failure').warnings).toContain('Deepgram could not make a summary');
  });

  it('reads topics and intents from both places', () => {
    expect(fixture('topics').topics.map(({ label, score }) => [label, score])).toEqual([
      ['School maintenance', 0.91],
      ['School maintenance', 0.72],
      ['Holidays', 0.34],
    ]);
    expect(fixture('topics-nested').topics).toEqual(fixture('topics').topics);
    expect(fixture('intents').intents.map(({ label }) => label)).toEqual([
      'Report a leak',
      'Request a repair',
      'Set a deadline',
    ]);
    expect(fixture('intents-nested').intents).toEqual(fixture('intents').intents);
    const old = mono([], { topics: [{ text: 'a b', topics: ['Weather', { topic: 'Rain', confidence: 0.5 }] }] });
    expect(parse(old)).toMatchObject({
      transcript: {
        topics: [
          { label: 'Weather', score: 0 },
          { label: 'Rain', score: 0.5 },
        ],
      },
    });
  });

  it('reads sentiments with their average, entities and search hits', () => {
    expect(fixture('sentiments').sentiment).toEqual({ label: 'positive', score: 0.11 });
    expect(fixture('sentiments').sentiments.map(({ score }) => score)).toEqual([-0.61, 0.83]);
    expect(fixture('entities').entities).toEqual([
      { label: 'NAME', value: 'Rosalind Achterberg', confidence: 0.98 },
      { label: 'DATE', value: 'third of May', confidence: 0.88 },
    ]);
    expect(fixture('search-hits').search.map(({ query, snippet }) => `${query}: ${snippet}`)).toEqual([
      'gate: gate is locked',
      'gate: gate stays open',
    ]);
  });

  it('keeps extra and tags, and takes the callback secret out of them', () => {
    const result = parseDeepgramCallback(readFixture('extra-and-tags.json'));
    expect(result).toMatchObject({
      callbackSecret: 'let-me-in',
      transcript: { extra: { client: 'acme', email: 'ops@acme.example' }, tags: ['night-shift', 'warehouse'] },
    });
    expect(JSON.stringify((result as { transcript: Transcript }).transcript)).not.toContain('let-me-in');
    const odd = parse({ metadata: { extra: { n: 7, o: { a: 1 }, z: null } }, results: { channels: [] } });
    expect(odd).toMatchObject({ transcript: { extra: { n: '7', o: '{"a":1}' } } });
  });

  it('keeps what Deepgram warns of', () => {
    expect(fixture('extra-and-tags').warnings).toEqual(['utt_split: utt_split has no effect without utterances']);
  });
});

describe('bodies that are no transcript', () => {
  it('says what came instead', () => {
    const reasons: [unknown, RegExp][] = [
      ['', /empty/],
      ['  \n', /empty/],
      ['hello', /not JSON/],
      ['{"results":', /not JSON/],
      ['[1]', /not an object/],
      ['null', /not an object/],
      ['['.repeat(100_000), /deeper than 64/],
      [{ type: 'UtteranceEnd', results: { channels: [] } }, /streaming message \(UtteranceEnd\)/],
      [{ type: 'secret words' }, /of a type that Herald does not know/],
      [{ request_id: 'r' }, /only a request id/],
      [{ results: { summary: { text: 'x' } } }, /v1\/read/],
      [{ results: {} }, /without channels/],
      [{ results: { channels: null } }, /without channels/],
      [{ anything: 1 }, /neither/],
    ];
    for (const [body, reason] of reasons) {
      const result = parse(body);
      expect(result).toEqual({ kind: 'unreadable', reason: expect.stringMatching(reason) });
      expect(JSON.stringify(result)).not.toContain('secret words');
    }
  });

  it('reads an error in every shape, and prefers it to an acknowledgement', () => {
    expect(parse({ err_code: 'A', err_msg: 'b', request_id: 'r' })).toEqual({
      kind: 'failure',
      failure: { code: 'A', message: 'b', requestId: 'r' },
      requestId: 'r',
    });
    expect(parse({ category: 'A', message: 'b', details: 'c' })).toMatchObject({
      failure: { code: 'A', message: 'b', details: 'c' },
    });
    expect(parse({ error_code: 'A', results: null })).toMatchObject({ kind: 'failure', failure: { code: 'A' } });
    expect(parse({ err_msg: 'only words' })).toMatchObject({ failure: { code: 'UNKNOWN', message: 'only words' } });
    expect(parse({ category: 'A' })).toMatchObject({ kind: 'unreadable' });
    expect(parse({ err_code: { a: 1 } })).toMatchObject({ kind: 'unreadable' });
  });
});

describe('bytes and values that nobody expects', () => {
  it('drops a byte order mark and survives bytes that are not UTF-8 (I4)', () => {
    const body = readFixture('mono-punctuated.json');
    expect(transcriptOf(Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), body])).words).toHaveLength(20);
    const damaged = Buffer.from(body);
    damaged[body.indexOf('walnut')] = 0xff;
    expect(transcriptOf(damaged).warnings).toContain('some characters could not be decoded');
  });

  it('keeps out what a database cannot store: NUL, lone surrogates (I4)', () => {
    const { words } = transcriptOf(
      Buffer.from(
        '{"results":{"channels":[{"alternatives":[{"words":[{"word":"a\\u0000b\\ud83dc\\ud83d\\ude00"}]}]}]}}',
      ),
    );
    expect(words[0]?.text).toBe('ab\ufffdc\u{1f600}');
  });

  it('is not moved by __proto__ keys (I3)', () => {
    const result = parse(
      '{"metadata":{"extra":{"__proto__":{"polluted":"yes"},"constructor":"c"}},"results":{"channels":[]}}',
    );
    expect(result).toMatchObject({ kind: 'transcript', transcript: { extra: { constructor: 'c' } } });
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
    const { extra } = (result as { transcript: Transcript }).transcript;
    expect(Object.keys(extra)).toEqual(['constructor']);
  });

  it('bends numbers into range and reads numeric text (I9)', () => {
    const words = [
      { word: 'a', start: '1.5', end: 1e300, confidence: 7, speaker: -1 },
      { word: 'b', start: null, end: null },
    ];
    const { transcript } = parse(mono(words)) as { transcript: Transcript };
    expect(transcript.words[0]).toMatchObject({ start: 1.5, end: 1e7, confidence: 1, speaker: '0' });
    expect(transcript.warnings).toEqual(expect.arrayContaining(['end is out of range', 'confidence is out of range']));
    expect(parse('{"results":{"channels":[{}]},"metadata":{"duration":1e999}}')).toMatchObject({
      transcript: { duration: 0 },
    });
    expectSound(transcript);
  });

  it('bounds its warnings', () => {
    const result = parse(
      mono(Array.from({ length: 5_000 }, () => ({ word: {}, start: [], end: 'x', confidence: 'y' }))),
    );
    expect((result as { transcript: Transcript }).transcript.warnings.length).toBeLessThan(20);
  });

  it('normalises an hour of speech in well under a second', () => {
    const words = Array.from({ length: 10_000 }, (_, i) => ({
      word: 'word',
      punctuated_word: 'Word,',
      start: i * 0.36,
      end: i * 0.36 + 0.3,
      confidence: 0.9,
      speaker: Math.floor(i / 20) % 3,
    }));
    const bytes = Buffer.from(JSON.stringify(mono(words)));
    parseDeepgramCallback(bytes);
    const started = performance.now();
    const { speakers, utterances } = transcriptOf(bytes);
    expect(performance.now() - started).toBeLessThan(500);
    expect([speakers.length, utterances.length]).toEqual([3, 500]);
  });

  it('never throws and always answers one of three, for any JSON (I1, I9)', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), (text) => {
        expect(['transcript', 'failure', 'unreadable']).toContain(parse(text).kind);
      }),
      { numRuns: 300 },
    );
  });

  it('never throws for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(['transcript', 'failure', 'unreadable']).toContain(parseDeepgramCallback(bytes).kind);
      }),
    );
  });

  it('gives a sound transcript for a body of the right shape with anything in any place', () => {
    const junk = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.double(), fc.integer());
    const word = fc.record(
      { word: junk, punctuated_word: junk, start: junk, end: junk, confidence: junk, speaker: junk },
      { requiredKeys: [] },
    );
    const utterance = fc.record(
      { start: junk, end: junk, channel: junk, speaker: junk, transcript: junk, words: junk },
      { requiredKeys: [] },
    );
    const alternative = fc.record(
      {
        transcript: junk,
        confidence: junk,
        words: fc.oneof(fc.array(word), junk),
        paragraphs: junk,
        entities: junk,
        languages: junk,
        summaries: junk,
        topics: junk,
      },
      { requiredKeys: [] },
    );
    const channel = fc.record(
      { alternatives: fc.oneof(fc.array(alternative, { maxLength: 2 }), junk), search: junk, detected_language: junk },
      { requiredKeys: [] },
    );
    const results = fc.record(
      {
        channels: fc.array(fc.oneof(channel, junk), { maxLength: 4 }),
        utterances: fc.oneof(fc.array(utterance), junk),
        summary: junk,
        topics: junk,
        intents: junk,
        sentiments: junk,
      },
      { requiredKeys: ['channels'] },
    );
    const metadata = fc.record(
      { duration: junk, extra: junk, tags: junk, warnings: junk, model_info: junk, request_id: junk },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.record({ metadata: fc.oneof(metadata, junk), results }), (body) => {
        const result = parse(body);
        if (result.kind !== 'transcript') throw new Error(result.kind === 'unreadable' ? result.reason : 'a failure');
        expectSound(result.transcript);
      }),
      { numRuns: 300 },
    );
  });
});

/** The value with what stands at the `n`th place replaced. */
function mutate(value: unknown, n: { left: number }, by: unknown): unknown {
  if (n.left-- === 0) return by;
  if (Array.isArray(value)) return value.map((item) => mutate(item, n, by));
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, mutate(inner, n, by)]));
  }
  return value;
}

describe('real bodies of Deepgram', () => {
  const expected: Record<string, { opens: string; words: number; duration: number; speakers: number }> = {
    '01-mono-smartformat-paragraphs.json': {
      opens: 'Yep. I said it before',
      words: 28,
      duration: 17.566313,
      speakers: 0,
    },
    '02-mono-summary-v2.json': { opens: 'Yep. I said it before', words: 28, duration: 17.566313, speakers: 0 },
    '03-mono-utterances.json': { opens: 'Yeah. As as much as', words: 62, duration: 25.933313, speakers: 0 },
    '04-mono-words-only.json': { opens: 'Yeah. As as much as', words: 62, duration: 25.933313, speakers: 0 },
    '05-whisper-no-punctuated-word.json': { opens: 'yeah as much as', words: 59, duration: 25.933313, speakers: 0 },
    '06-detect-language-diarized-nova3.json': {
      opens: 'galileo was an american',
      words: 89,
      duration: 36.744,
      speakers: 1,
    },
    '07-starter-contract-response-ok.json': {
      opens: 'Yeah. As as much as',
      words: 63,
      duration: 25.933313,
      speakers: 0,
    },
    '08-long-diarized-566s.json': {
      opens: 'You have reached the essence',
      words: 1104,
      duration: 566.4959,
      speakers: 2,
    },
    '10-multilingual-code-switching.json': {
      opens: 'No recuerdo mi bank password.',
      words: 5,
      duration: 1.6,
      speakers: 0,
    },
    '11-silence-empty-transcript.json': { opens: '', words: 0, duration: 4.5, speakers: 0 },
  };

  it('become the transcript that they hold', () => {
    for (const { file, bytes } of sharedBodies()) {
      const transcript = transcriptOf(bytes);
      const { opens = 'a body without an expectation', ...numbers } = expected[file] ?? {};
      expect([file, transcript.text.slice(0, opens.length)]).toEqual([file, opens]);
      expect({
        words: transcript.words.length,
        duration: transcript.duration,
        speakers: transcript.speakers.length,
      }).toEqual(numbers);
      expect(transcript.warnings).toEqual([]);
      expectSound(transcript);
      const facts = toFacts({ id: 'j', origin: 'api', tags: {}, options: {}, createdAt: 0 }, { transcript });
      expect(facts.transcript?.talk).toBeLessThanOrEqual(transcript.duration + 1);
    }
  });

  it('say their language, summary and models', () => {
    const found = new Map(sharedBodies().map(({ file, bytes }) => [file.slice(0, 2), transcriptOf(bytes)]));
    if (found.size === 0) return;
    expect(found.get('06')).toMatchObject({ language: 'en', models: ['general-nova-3'] });
    expect(found.get('02')?.summary).toMatch(/^Yep/);
    expect(found.get('10')?.words.map((w) => w.language)).toEqual(['es', 'es', 'es', 'en', 'en']);
    expect(found.get('03')?.utterances).toHaveLength(6);
  });

  it('are failures where they are errors', () => {
    for (const { file, bytes } of sharedErrors()) {
      const result = parseDeepgramCallback(bytes);
      const { err_code, category, err_msg, message } = JSON.parse(bytes.toString()) as Record<string, string>;
      expect([file, result]).toMatchObject([
        file,
        { kind: 'failure', failure: { code: err_code ?? category, message: err_msg ?? message } },
      ]);
    }
  });

  it('are unreadable where they are streaming messages or text intelligence', () => {
    for (const { bytes } of sharedStreaming())
      expect(parseDeepgramCallback(bytes)).toMatchObject({ reason: expect.stringContaining('streaming') });
    for (const { bytes } of sharedRead())
      expect(parseDeepgramCallback(bytes)).toMatchObject({ reason: expect.stringContaining('/v1/read') });
  });

  it('never make the parser throw, whatever stands in whatever place', () => {
    const bodies = [
      ...sharedBodies()
        .filter(({ bytes }) => bytes.length < 30_000)
        .map(({ bytes }) => bytes),
      readFixture('diarized.json'),
    ];
    const places = fc.record({
      body: fc.constantFrom(...bodies.map((bytes) => JSON.parse(bytes.toString()) as unknown)),
      place: fc.nat(400),
      by: fc.oneof(fc.constantFrom(null, -1, '', [], {}, true, 'x', 1e308), fc.jsonValue({ maxDepth: 2 })),
    });
    fc.assert(
      fc.property(places, ({ body, place, by }) => {
        const result = parse(mutate(body, { left: place }, by));
        if (result.kind === 'transcript') expectSound(result.transcript);
        else expect(['failure', 'unreadable']).toContain(result.kind);
      }),
      { numRuns: 200 },
    );
  });
});
