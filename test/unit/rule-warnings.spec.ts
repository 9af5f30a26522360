import { describe, expect, it } from '@jest/globals';
import { ruleWarnings, type Requested } from '../../src/rules/rule-warnings.js';

const PHONE: Requested = {
  presets: new Map([['phone-call', { options: { model: 'nova-3', smart_format: true, diarize_model: 'latest' } }]]),
  searches: false,
};
const EVERYTHING: Requested = {
  presets: new Map([
    [
      'all',
      {
        options: {
          ...{ sentiment: true, topics: true, intents: true, summarize: 'v2', detect_entities: true },
          ...{ search: ['x'], multichannel: true, filler_words: true },
        },
      },
    ],
  ]),
  searches: false,
};

const warningsOf = (when: string, requested = PHONE): string[] =>
  ruleWarnings({ when, on: 'transcript.completed' }, requested).map(
    ({ line, column, message }) => `${String(line)}:${String(column)} ${message}`,
  );

describe('saving a rule warns', () => {
  it.each([
    ['has(transcript.sentiment) && transcript.sentiment.score < 0', '1:5 no preset asks for sentiment'],
    ["'billing' in transcript.topics", '1:14 no preset asks for topics, so a job must: "topics": true'],
    ["transcript.intents.exists(i, i == 'cancel')", '1:1 no preset asks for intents'],
    ["has(transcript.summary) && transcript.summary.contains('x')", '1:5 no preset asks for a summary'],
    ["transcript.entities.exists(e, e.label == 'PERSON')", '1:1 no preset asks for entities'],
    ["speech.channel(1).says('refund')", '1:1 no preset asks for more than one channel'],
    ["speech.heard('refund', 0.8)", '1:1 no preset asks for search'],
    ["speech.count('um') > 5", '1:1 no preset asks for filler words'],
    ["speech.says('twenty dollars')", '1:13 presets that write numbers as digits (phone-call)'],
    ["transcript.speakers[0].label == 'Speaker 1'", '1:1 transcript.speakers[0] fails where the list is shorter'],
    ['int(job.tags.amount) > 3', '1:1 int(job.tags.amount) fails where the text is no number'],
    ["transcript.topics.all(t, t == 'billing')", 'all() is true of an empty list'],
    ["transcript.text == 'refund'", 'compares the whole text'],
  ])('of %s', (when, message) => {
    expect(warningsOf(when).some((warning) => warning.includes(message))).toBe(true);
  });

  it('once of each thing that no preset asks for', () => {
    const none = { presets: new Map([['voicemail', { options: {} }]]), searches: false };
    expect(warningsOf("speech.by('0').says('a') && speech.by('1').says('b')", none)).toEqual([
      '1:1 no preset asks for speakers, so a job must: "diarize_model": "latest"',
    ]);
  });

  it('that some things exist in English only, also where a preset asks for them', () => {
    expect(warningsOf('has(transcript.sentiment) && transcript.sentiment.score < 0', EVERYTHING)).toEqual([
      '1:5 Deepgram finds sentiment in English recordings only',
    ]);
    expect(
      warningsOf(
        "has(transcript.language) && transcript.language == 'de' && 'billing' in transcript.topics",
        EVERYTHING,
      ),
    ).toContainEqual('1:29 Deepgram finds topics in English recordings only, and this asks for "de"');
  });
});

describe('saving a rule does not warn', () => {
  it.each([
    "speech.by('1').says('refund') && !speech.last(60).says('resolved')",
    "speech.channel(0).says('refund')",
    'size(transcript.speakers) > 1 && transcript.speakers[1].talk > 60',
    "speech.says('that one')",
    "job.tags.tier == 'gold'",
  ])('of %s', (when) => {
    expect(warningsOf(when)).toEqual([]);
  });

  it('of search when the phrases of rules are searched for', () => {
    expect(warningsOf("speech.heard('refund', 0.8)", { ...PHONE, searches: true })).toEqual([]);
    expect(warningsOf("speech.heard('refund', 0.8)", EVERYTHING)).toEqual([]);
  });
});
