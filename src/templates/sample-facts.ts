import { toFacts } from '../transcripts/facts.js';
import type { Transcript, Utterance } from '../transcripts/transcript.js';
import type { RenderData } from './render.js';

const CREATED_AT = Date.UTC(2026, 0, 15, 9, 30);

const LINES: [speaker: '0' | '1', start: number, end: number, text: string][] = [
  ['0', 0.4, 3.1, 'Good morning, this is Maya from Northwind support.'],
  ['0', 3.4, 4.9, 'How can I help you today?'],
  ['1', 5.6, 10.2, "Hi Maya. My order arrived with a broken screen, so I'd like a refund, please."],
  ['0', 11.0, 14.8, "I'm sorry to hear that. Could you give me the order number?"],
  ['1', 15.5, 19.9, "Sure, it's four four one seven. I can send a photo as well."],
  ['0', 20.6, 27.3, "Thank you, I have it here. I'll start the refund now; it takes three to five days."],
  ['1', 28.0, 29.6, "Great, that's quick. Thanks!"],
];

const UTTERANCES: Utterance[] = LINES.map(([speaker, start, end, text]) => ({
  text,
  start,
  end,
  confidence: 0.98,
  channel: 0,
  speaker,
}));

const TRANSCRIPT: Transcript = {
  requestId: '00000000-0000-4000-8000-000000000000',
  text: LINES.map(([, , , text]) => text).join(' '),
  language: 'en',
  duration: 30.2,
  confidence: 0.981,
  channels: 1,
  speakers: [
    { id: '0', label: 'Speaker 1', channel: 0, words: 42, talk: 14.6 },
    { id: '1', label: 'Speaker 2', channel: 0, words: 32, talk: 10.6 },
  ],
  words: UTTERANCES.flatMap(({ text, start, end, speaker }) =>
    text.split(' ').map((word) => ({
      text: word,
      start,
      end,
      confidence: 0.98,
      channel: 0,
      ...(speaker === undefined ? {} : { speaker }),
    })),
  ),
  utterances: UTTERANCES,
  sentiments: [],
  topics: [{ text: "I'd like a refund", label: 'Refund', score: 0.9 }],
  intents: [{ text: "I'd like a refund", label: 'Request a refund', score: 0.9 }],
  entities: [{ label: 'ORDER_NUMBER', value: '4417', confidence: 0.9 }],
  search: [],
  extra: {},
  tags: [],
  models: ['nova-3'],
  warnings: [],
};

/** What templates are tried with when no stored job is at hand: a short call about a refund. */
export const SAMPLE_DATA: RenderData = {
  ...toFacts(
    {
      id: '019bc0de-0000-7000-8000-000000000001',
      origin: 'api',
      tags: { client: 'Northwind', email: 'maya@example.com' },
      options: { model: 'nova-3', diarize: true },
      createdAt: CREATED_AT,
    },
    { transcript: TRANSCRIPT },
  ),
  rule: { name: 'refund-risk' },
  matches: [{ text: 'refund', speaker: '1', channel: 0, start: 9.4, end: 9.9 }],
  recipient: { name: 'Maya', locale: 'en-GB', timeZone: 'Europe/London' },
  link: 'https://herald.example.com/t/sample',
  digest: {
    count: 2,
    rules: ['refund-risk', 'tell-the-operator'],
    items: [
      {
        rule: 'refund-risk',
        on: 'transcript.completed',
        at: CREATED_AT,
        client: 'Northwind',
        duration: 30.2,
        preview: "My order arrived with a broken screen, so I'd like a refund, please.",
        url: 'https://herald.example.com/t/sample',
      },
      { rule: 'tell-the-operator', on: 'transcript.failed', at: CREATED_AT + 60_000 },
    ],
  },
  brand: 'Herald',
  now: CREATED_AT + 95_000,
};

/** The same call, failed at the provider. */
export const SAMPLE_FAILURE: RenderData = {
  ...toFacts(SAMPLE_DATA.job, {
    failure: {
      code: 'REMOTE_CONTENT_ERROR',
      message: 'The remote server hosting the media returned a client error: 404 Not Found.',
    },
  }),
  rule: { name: 'tell-the-operator' },
  matches: [],
  recipient: {},
  brand: 'Herald',
  now: CREATED_AT + 95_000,
};
