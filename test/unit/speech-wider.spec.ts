import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parsePhrase } from '../../src/transcripts/phrase.js';
import { MATCHES_MAX, toSpeech, type Speech } from '../../src/transcripts/speech.js';
import type { Word } from '../../src/transcripts/transcript.js';
import { speechOf, spoken } from '../support/rules.js';

const texts = (speech: Speech, phrase: string): string[] => speech.says(parsePhrase(phrase)).map(({ text }) => text);
const inLanguage = (language: string, sentence: string): Speech =>
  toSpeech({ words: spoken(sentence), speakers: [], duration: 100, language });

describe('word forms', () => {
  it.each([
    ['en', 'cancel', 'she cancelled it', 'cancelled'],
    ['en', 'refund', 'two refunds please', 'refunds'],
    ['en-GB', 'complaint', 'several complaints came', 'complaints'],
    ['de', 'Kündigung', 'wegen der Kündigungen rufe ich an', 'Kündigungen'],
    ['de', 'kuendigen', 'ich möchte kündigen', 'kündigen'],
    ['fr', 'résilier', 'je veux résilier ou résilie', 'résilier'],
    ['fr', 'abonnement', "je parle de l'abonnement", "l'abonnement"],
    ['es', 'cancelacion', 'una cancelación ahora', 'cancelación'],
    ['es', 'cancelar', 'quiero cancelarlo', 'cancelarlo'],
    ['it', 'disdetta', 'mando le disdette', 'disdette'],
    ['pt-BR', 'cancelamento', 'os cancelamentos de ontem', 'cancelamentos'],
    ['nl', 'opzegging', 'de opzeggingen', 'opzeggingen'],
  ])('of %s make "%s" heard in "%s"', (language, phrase, sentence, text) => {
    const speech = inLanguage(language, sentence);
    expect(texts(speech.anyForm(), phrase)).toContain(text);
  });

  it('are asked for: says() alone hears the word as it is written', () => {
    const speech = inLanguage('en', 'she cancelled it');
    expect(texts(speech, 'cancel')).toEqual([]);
    expect(texts(speech.anyForm(), 'cancel')).toEqual(['cancelled']);
    expect(texts(speech.anyForm('de'), 'cancel')).toEqual([]);
  });

  it('are those of every language that is spoken in the recording', () => {
    const words: Word[] = [
      ...spoken('we cancelled').map((word) => ({ ...word, language: 'en' })),
      ...spoken('wegen Kündigungen', { from: 5 }).map((word) => ({ ...word, language: 'de' })),
    ];
    const speech = toSpeech({ words, speakers: [], duration: 10, language: 'multi' }).anyForm();
    expect(texts(speech, 'cancel')).toEqual(['cancelled']);
    expect(texts(speech, 'Kündigung')).toEqual(['Kündigungen']);
  });

  it('leave words of a language without known forms as they are, accents aside', () => {
    expect(texts(inLanguage('vi', 'hủy hợp đồng').anyForm(), 'huy hop dong')).toEqual(['hủy hợp đồng']);
    expect(texts(inLanguage('ja', '返金 して').anyForm(), '返金')).toEqual(['返金']);
  });

  it('hold for every word of a phrase, and inside every question', () => {
    const speech = inLanguage('en', 'he was cancelling his contracts').anyForm();
    expect(texts(speech, 'cancel his contract')).toEqual(['cancelling his contracts']);
    expect(speech.near(parsePhrase('contract'), parsePhrase('cancel'), 3)).toHaveLength(1);
    expect(speech.count(parsePhrase('contract')).count).toBe(1);
  });
});

describe('accents', () => {
  it.each([
    ['resume', 'my résumé', 'résumé'],
    ['résumé', 'my resume', 'resume'],
    ['Munchen', 'in München', 'München'],
    ['lodz', 'w Łódź', 'Łódź'],
    ['garcon*', 'deux garçons', 'garçons'],
  ])('are put aside when that is asked for: "%s" in "%s"', (phrase, sentence, text) => {
    const speech = inLanguage('fr', sentence);
    expect(texts(speech.anyAccent(), phrase)).toEqual([text]);
    expect(texts(speech, phrase)).toEqual([]);
  });

  it('make no other word of one', () => {
    expect(texts(inLanguage('en', 'she resumes').anyAccent(), 'résumé')).toEqual([]);
  });
});

describe('wildcards', () => {
  it('stand for the beginning, the end, or one whole word', () => {
    const speech = speechOf(spoken('cancel my Mietvertrag today and refunded'));
    expect(texts(speech, '*vertrag')).toEqual(['Mietvertrag']);
    expect(texts(speech, 'refund*')).toEqual(['refunded']);
    expect(texts(speech, 'cancel * mietvertrag')).toEqual(['cancel my Mietvertrag']);
    expect(texts(speech, 'cancel * today')).toEqual([]);
    expect(texts(speech, 'cancel * * today')).toEqual(['cancel my Mietvertrag today']);
  });

  it('never reach over a change of speaker or channel', () => {
    const speakers = [...spoken('cancel', { speaker: '0' }), ...spoken('my contract', { speaker: '1', from: 1 })];
    const channels = [...spoken('cancel my', { channel: 0 }), ...spoken('contract', { channel: 1, from: 2 })];
    expect(texts(speechOf(speakers), 'cancel * contract')).toEqual([]);
    expect(texts(speechOf(channels), 'cancel * contract')).toEqual([]);
  });
});

describe('order', () => {
  const call = speechOf([
    ...spoken('Do you agree?', { speaker: '0', channel: 0 }),
    ...spoken('Yes, I do.', { speaker: '1', channel: 1, from: 5 }),
  ]);
  const then = (a: string, b: string, seconds: number): string[] =>
    call.then(parsePhrase(a), parsePhrase(b), seconds).map(({ text }) => text);

  it('is one phrase, and within so many seconds of its end another, whoever says it', () => {
    expect(then('do you agree', 'yes', 10)).toEqual(['Do you agree?', 'Yes,']);
    expect(then('do you agree', 'yes', 2)).toEqual([]);
    expect(then('yes', 'do you agree', 10)).toEqual([]);
    expect(then('agree', 'agree', 10)).toEqual([]);
  });
});

describe('count', () => {
  it('is of all places, though only the first are reported', () => {
    const { count, matches } = speechOf(spoken('a b '.repeat(50).trim())).count(parsePhrase('a'));
    expect(count).toBe(50);
    expect(matches).toHaveLength(MATCHES_MAX);
    expect(speechOf(spoken('b')).count(parsePhrase('a'))).toEqual({ count: 0, matches: [] });
  });
});

describe('saysWithout', () => {
  const said = (sentence: string, before: number, after = 0): boolean =>
    speechOf(spoken(sentence)).saysWithout(
      parsePhrase('cancel'),
      ['not', 'do not', 'never'].map(parsePhrase),
      before,
      after,
    ).length > 0;

  it('leaves out what is negated within so many words before', () => {
    expect(said('I want to cancel', 3)).toBe(true);
    expect(said('I do not cancel', 3)).toBe(false);
    expect(said('I do not want to cancel', 3)).toBe(false);
    expect(said('I do not really want to cancel', 3)).toBe(true);
    expect(said('cancel it not', 3)).toBe(true);
    expect(said('cancel it not', 3, 2)).toBe(false);
    expect(said('not today but I cancel and then again I cancel', 1)).toBe(true);
  });

  it('hears a negation of the same speaker only, also just outside of the view', () => {
    const words = [...spoken('not', { speaker: '0' }), ...spoken('cancel', { speaker: '1', from: 1 })];
    const negations = [parsePhrase('not')];
    expect(speechOf(words).saysWithout(parsePhrase('cancel'), negations, 3, 0)).toHaveLength(1);
    const late = speechOf(spoken('I do not cancel'), 4).last(1);
    expect(late.saysWithout(parsePhrase('cancel'), negations, 3, 0)).toEqual([]);
  });
});

describe('confidence', () => {
  const words = spoken('refund refund').map((word, i) => ({ ...word, confidence: i === 0 ? 0.4 : 0.95 }));
  const speech = speechOf(words);

  it('leaves out what was hardly understood, and says how sure a match is', () => {
    expect(speech.says(parsePhrase('refund'))).toHaveLength(2);
    expect(speech.confident(0.8).says(parsePhrase('refund'))).toMatchObject([{ start: 1, confidence: 0.95 }]);
    expect(speech.confident(0.8).confident(0.3).count(parsePhrase('refund')).count).toBe(1);
  });

  it('has a share of words that were hardly understood', () => {
    expect(speech.lowConfidence(0.6)).toBe(0.5);
    expect(speech.lowConfidence(0.1)).toBe(0);
    expect(speechOf([]).lowConfidence(0.6)).toBe(0);
  });
});

describe('silence and talk', () => {
  const speech = speechOf(
    [...spoken('one two', { speaker: '0', from: 10 }), ...spoken('three', { speaker: '1', from: 50 })],
    60,
  );

  it('tells the gaps, also at the beginning and the end', () => {
    expect(speech.silence(8).map(({ start, end }) => [start, end])).toEqual([
      [0, 10],
      [11.8, 50],
      [50.8, 60],
    ]);
    expect(speech.silence(60)).toEqual([]);
    expect(speech.longestSilence().seconds).toBeCloseTo(38.2);
    expect(speech.by('1').longestSilence().seconds).toBeCloseTo(50);
    expect(
      speech
        .first(11)
        .silence(5)
        .map(({ end }) => end),
    ).toEqual([10]);
  });

  it('is all there is when nobody speaks', () => {
    expect(speechOf([], 30).silence(10)).toMatchObject([{ start: 0, end: 30 }]);
    expect(speechOf([], 0).silence(10)).toEqual([]);
    expect(speechOf([], 0).longestSilence()).toEqual({ seconds: 0, matches: [] });
  });

  it('tells how long somebody speaks, two at once counted once', () => {
    expect(speech.talk()).toBeCloseTo(2.6);
    expect(speech.by('1').talk()).toBeCloseTo(0.8);
    const both = [...spoken('a b', { channel: 0 }), ...spoken('c d', { channel: 1 })];
    expect(speechOf(both).talk()).toBeCloseTo(1.8);
  });
});

describe('interruptions', () => {
  const talk = (speaker: string, from: number, count: number): Word[] =>
    Array.from({ length: count }, (_, i) => ({
      ...spoken('word', { speaker, channel: Number(speaker), from: from + i * 0.5 })[0]!,
      end: from + i * 0.5 + 0.4,
    }));

  it('are turns that begin in the middle of the turn of another', () => {
    const speech = speechOf([...talk('0', 0, 20), ...talk('1', 4, 4)]);
    expect(speech.interruptions()).toMatchObject({ count: 1, matches: [{ speaker: '1', start: 4 }] });
    expect(speech.by('1').interruptions().count).toBe(1);
    expect(speech.by('0').interruptions().count).toBe(0);
    expect(speech.first(3).interruptions().count).toBe(0);
  });

  it('are neither a word of assent nor turns that touch', () => {
    expect(speechOf([...talk('0', 0, 20), ...talk('1', 4, 1)]).interruptions().count).toBe(0);
    expect(speechOf([...talk('0', 0, 4), ...talk('1', 2, 4)]).interruptions().count).toBe(0);
    expect(speechOf(spoken('nobody is known to speak')).interruptions().count).toBe(0);
  });
});

describe('heard', () => {
  const search = [
    { query: 'Money back', confidence: 0.9, start: 1, end: 1.9, snippet: 'monkey back' },
    { query: 'money back', confidence: 0.3, start: 40, end: 41, snippet: 'many bags' },
  ];
  const speech = toSpeech({
    words: [...spoken('my monkey back', { speaker: '1' })],
    speakers: [{ id: '1', label: 'Speaker 1', channel: 0, words: 3, talk: 3 }],
    duration: 60,
    search,
  });

  it('are the hits of the provider for the phrase, from a confidence on', () => {
    expect(speech.heard(parsePhrase('money back'), 0.8)).toEqual([
      { text: 'monkey back', speaker: '1', channel: 0, start: 1, end: 1.9, confidence: 0.9 },
    ]);
    expect(speech.heard(parsePhrase('money back'), 0.2)).toHaveLength(2);
    expect(speech.heard(parsePhrase('refund'), 0.2)).toEqual([]);
  });

  it('are of the view: its speaker and its seconds', () => {
    expect(speech.by('1').heard(parsePhrase('money back'), 0.2)).toHaveLength(1);
    expect(speech.by('0').heard(parsePhrase('money back'), 0.2)).toEqual([]);
    expect(speech.last(30).heard(parsePhrase('money back'), 0.2)).toHaveLength(1);
  });
});

describe('whatever is said', () => {
  const word = fc.constantFrom('refund', 'refunds', 'café', 'cafe', 'not', "l'eau", '返金', '—');
  const words = fc.array(
    fc.record({ text: word, gap: fc.double({ min: 0, max: 3, noNaN: true }), who: fc.constantFrom('0', '1') }),
    {
      maxLength: 30,
    },
  );
  const made = words.map((list) => {
    let at = 0;
    return list.map(({ text, gap, who }): Word => {
      at += gap;
      return { text, start: at, end: at + 0.3, confidence: 0.9, channel: 0, speaker: who };
    });
  });

  it('wider questions find at least what narrower ones do', () => {
    fc.assert(
      fc.property(made, fc.constantFrom('refund', 'cafe', 'not', 'refund not'), (list, phrase) => {
        const speech = speechOf(list, 100);
        const parsed = parsePhrase(phrase);
        const places = (view: Speech): number => view.count(parsed).count;
        expect(places(speech.anyAccent())).toBeGreaterThanOrEqual(places(speech));
        expect(places(speech.anyForm())).toBeGreaterThanOrEqual(places(speech.anyAccent()));
        expect(places(speech.by('0')) + places(speech.by('1'))).toBe(places(speech));
        expect(speech.saysWithout(parsed, [], 100, 100)).toEqual(speech.says(parsed));
      }),
      { numRuns: 300 },
    );
  });

  it('talk and silence together are the recording', () => {
    fc.assert(
      fc.property(made, (list) => {
        const speech = speechOf(list, 100);
        const silent = speech.silence(0.000001);
        fc.pre(silent.length < MATCHES_MAX);
        const seconds = silent.reduce((sum, { start, end }) => sum + end - start, 0);
        expect(speech.talk() + seconds).toBeCloseTo(Math.max(100, list.at(-1)?.end ?? 0), 5);
      }),
      { numRuns: 300 },
    );
  });
});
