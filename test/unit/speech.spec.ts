import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parsePhrase, PhraseError, tokenize } from '../../src/transcripts/phrase.js';
import { MATCHES_MAX, type Speech } from '../../src/transcripts/speech.js';
import type { Word } from '../../src/transcripts/transcript.js';
import { callSpeech, speechOf, spoken } from '../support/rules.js';

const texts = (speech: Speech, phrase: string): string[] => speech.says(parsePhrase(phrase)).map(({ text }) => text);

describe('a phrase', () => {
  it.each([
    ['Refund,', ['refund']],
    ["don't", ["don't"]],
    ['don’t', ["don't"]],
    ['DONʼT!', ["don't"]],
    ["'quoted'", ['quoted']],
    ['e-mail', ['e', 'mail']],
    ['ﬁne', ['fine']],
    ['cafe\u0301', ['café']],
    ['STRASSE', ['strasse']],
    ['Straße', ['strasse']],
    ['ΛΌΓΟΣ', ['λόγοσ']],
    ['λόγος', ['λόγοσ']],
    ['re\u200Bfund', ['refund']],
    ['ｆｕｌｌ', ['full']],
    ['返金', ['返', '金']],
    ['カメラー', ['カ', 'メ', 'ラ', 'ー']],
    ['…—!', []],
    ['1,000', ['1', '000']],
    ['🎉', []],
  ])('of %j is heard as %j', (text, tokens) => {
    expect(tokenize(text)).toEqual(tokens);
  });

  it.each(['', ' ', '...', '*', '* refund', 'refund *', 're*fund', 'refund**', '**fund', '*fund*'])(
    'is refused when it is %j',
    (text) => {
      expect(() => parsePhrase(text)).toThrow(PhraseError);
    },
  );

  it('is refused when it has more than 30 words', () => {
    expect(() => parsePhrase('a '.repeat(31))).toThrow('at most 30 words');
  });
});

describe('speech', () => {
  it('finds a word whatever its case and punctuation, with speaker, channel and seconds', () => {
    expect(callSpeech().says(parsePhrase('refund'))).toEqual([
      { text: 'Refund,', speaker: '1', channel: 0, start: 18, end: 18.8 },
    ]);
  });

  it('does not find a word inside a longer one, unless a star allows it', () => {
    const speech = speechOf(spoken('they refunded it and refunds follow'));
    expect(texts(speech, 'refund')).toEqual([]);
    expect(texts(speech, 'refund*')).toEqual(['refunded', 'refunds']);
  });

  it('finds phrases of several words over punctuation and apostrophes', () => {
    expect(texts(callSpeech(), "DON'T want this I")).toEqual(['don’t want this; I']);
  });

  it('finds phrases across the parts of a hyphenated word', () => {
    expect(texts(speechOf(spoken('my e-mail address')), 'e mail address')).toEqual(['e-mail address']);
  });

  it('steps over a word that is punctuation only', () => {
    expect(texts(speechOf(spoken('a — b')), 'a b')).toEqual(['a — b']);
  });

  it('finds a phrase in a script without spaces however the provider cut it', () => {
    expect(texts(speechOf(spoken('返 金 してください')), '返金して')).toEqual(['返 金 してください']);
  });

  it('narrows to a speaker by id or by label', () => {
    const speech = callSpeech();
    expect(texts(speech.by('1'), 'refund')).toHaveLength(1);
    expect(texts(speech.by('speaker 2'), 'refund')).toHaveLength(1);
    expect(texts(speech.by('0'), 'refund')).toEqual([]);
    expect(texts(speech.by('nobody'), 'refund')).toEqual([]);
    expect(texts(speech.by('1').by('0'), 'refund')).toEqual([]);
  });

  it('narrows to the first and the last seconds of the audio', () => {
    const speech = callSpeech();
    expect(texts(speech.first(19), 'refund')).toHaveLength(1);
    expect(texts(speech.first(18), 'refund')).toEqual([]);
    expect(texts(speech.last(10), 'resolved')).toHaveLength(1);
    expect(texts(speech.last(10), 'refund')).toEqual([]);
    expect(texts(speech.first(50).last(10), 'resolved')).toEqual([]);
  });

  it('leaves a view unchanged when it is narrowed', () => {
    const speech = callSpeech();
    speech.by('0');
    speech.first(1);
    expect(texts(speech, 'refund')).toHaveLength(1);
  });

  it('lets no phrase run across speakers or channels', () => {
    const speakers = speechOf([...spoken('full', { speaker: '0' }), ...spoken('refund', { speaker: '1', from: 1 })]);
    const channels = speechOf([...spoken('full', { channel: 0 }), ...spoken('refund', { channel: 1, from: 1 })]);
    expect(texts(speakers, 'full refund')).toEqual([]);
    expect(texts(channels, 'full refund')).toEqual([]);
  });

  it('lets words of one channel follow each other although another channel speaks between', () => {
    const words = [...spoken('full refund', { channel: 0 }), ...spoken('hm yes', { channel: 1, from: 0.5 })];
    const speech = speechOf(words.sort((a, b) => a.start - b.start));
    expect(texts(speech, 'full refund')).toEqual(['full refund']);
    expect(texts(speech.channel(1), 'full refund')).toEqual([]);
    expect(texts(speech.channel(1), 'hm yes')).toEqual(['hm yes']);
  });

  it('finds any of several phrases, ordered by time, each place once', () => {
    const found = callSpeech().saysAny(['resolved', 'refund', 'Refund'].map(parsePhrase));
    expect(found.map(({ text }) => text)).toEqual(['Refund,', 'resolved']);
  });

  it('finds two phrases near each other in either order, with what lies between', () => {
    const speech = speechOf(spoken('cancel my old contract today'));
    const near = (a: string, b: string, words: number): string[] =>
      speech.near(parsePhrase(a), parsePhrase(b), words).map(({ text }) => text);
    expect(near('cancel', 'contract', 2)).toEqual(['cancel my old contract']);
    expect(near('contract', 'cancel', 2)).toEqual(['cancel my old contract']);
    expect(near('cancel', 'contract', 1)).toEqual([]);
    expect(near('cancel', 'cancel', 5)).toEqual([]);
  });

  it('finds nothing in silence', () => {
    expect(texts(speechOf([]), 'refund*')).toEqual([]);
  });

  it('reports at most twenty places of one phrase', () => {
    expect(texts(speechOf(spoken('a '.repeat(500).trim())), 'a')).toHaveLength(MATCHES_MAX);
  });
});

// A plain scan over the words, as a person would check it: no index, no rarest word.
interface Plain {
  channel: number;
  speaker: string | undefined;
  token: string;
}

function plainHits(words: Plain[], phrase: string[]): string[] {
  const hits: string[] = [];
  for (const channel of [0, 1]) {
    const line = words.filter((word) => word.channel === channel);
    line.forEach((_, start) => {
      const part = line.slice(start, start + phrase.length);
      const isPhrase = part.length === phrase.length && part.every(({ token }, i) => matches(token, phrase[i] ?? ''));
      if (isPhrase && new Set(part.map(({ speaker }) => speaker)).size === 1)
        hits.push(`${String(channel)}/${String(start)}`);
    });
  }
  return hits;
}

function matches(token: string, term: string): boolean {
  return term.endsWith('*') ? token.startsWith(term.slice(0, -1)) : token === term;
}

const token = fc.constantFrom('a', 'b', 'ab', 'abc');
const term = fc.oneof(token, fc.constantFrom('a*', 'ab*'));
const plainWords = fc.array(
  fc.record({ channel: fc.constantFrom(0, 1), speaker: fc.constantFrom('0', '1', undefined), token }),
  { maxLength: 20 },
);

function toWords(words: Plain[]): Word[] {
  return words.map(({ channel, speaker, token: text }, i) => ({
    text: `${text.toUpperCase()},`,
    start: i,
    end: i + 1,
    confidence: 1,
    channel,
    ...(speaker === undefined ? {} : { speaker }),
  }));
}

describe('the word index', () => {
  it('finds exactly what a plain scan finds', () => {
    fc.assert(
      fc.property(plainWords, fc.array(term, { minLength: 1, maxLength: 4 }), (words, phrase) => {
        const found = speechOf(toWords(words)).says(parsePhrase(phrase.join(' ')));
        const lines = [0, 1].map((channel) => words.flatMap((word, i) => (word.channel === channel ? [i] : [])));
        const places = found.map(
          ({ channel, start }) => `${String(channel)}/${String(lines[channel]?.indexOf(start))}`,
        );
        expect(places.sort()).toEqual(plainHits(words, phrase).sort());
      }),
      { numRuns: 500 },
    );
  });

  it('finds phrases near each other exactly when a plain scan does', () => {
    const phrase = fc.array(token, { minLength: 1, maxLength: 2 });
    fc.assert(
      fc.property(plainWords, phrase, phrase, fc.nat(4), (words, a, b, distance) => {
        const speech = speechOf(toWords(words));
        const found = speech.near(parsePhrase(a.join(' ')), parsePhrase(b.join(' ')), distance);
        const spots = (hits: string[]): number[][] => hits.map((hit) => hit.split('/').map(Number));
        const isNear = spots(plainHits(words, a)).some(([channelA, startA = 0]) =>
          spots(plainHits(words, b)).some(([channelB, startB = 0]) => {
            if (channelA !== channelB) return false;
            const gap = startA < startB ? startB - startA - a.length : startA - startB - b.length;
            return gap >= 0 && gap <= distance;
          }),
        );
        expect(found.length > 0).toBe(isNear);
      }),
      { numRuns: 500 },
    );
  });
});
