import type { Transcript, Utterance, Word } from '../../src/transcripts/transcript.js';

const LINES: [speaker: string, start: number, text: string][] = [
  ['0', 0.5, 'Good morning, how can I help you?'],
  ['1', 3, 'I want a refund for my order, please.'],
  ['0', 7, 'Of course, I will look into it.'],
];

/** A short call of two people about a refund. @param text another text in the place of all that is said, by speaker 1 */
export function callTranscript(text?: string, changes: Partial<Transcript> = {}): Transcript {
  const lines: typeof LINES = text === undefined ? LINES : [['1', 1, text]];
  const utterances: Utterance[] = lines.map(([speaker, start, said]) => ({
    text: said,
    start,
    end: start + 3,
    confidence: 0.97,
    channel: 0,
    speaker,
  }));
  return {
    requestId: '11111111-2222-4333-8444-555555555555',
    text: utterances.map((utterance) => utterance.text).join('\n'),
    language: 'en-GB',
    duration: 12.5,
    confidence: 0.97,
    channels: 1,
    speakers: ['0', '1'].map((id) => ({
      id,
      label: `Speaker ${String(Number(id) + 1)}`,
      channel: 0,
      words: 7,
      talk: 4,
    })),
    words: utterances.flatMap(wordsOf),
    utterances,
    sentiments: [],
    topics: [],
    intents: [],
    entities: [],
    search: [],
    extra: {},
    tags: [],
    models: ['nova-3'],
    warnings: [],
    ...changes,
  };
}

function wordsOf({ text, start, speaker }: Utterance): Word[] {
  return text.split(' ').map((word, i) => ({
    text: word,
    start: start + i * 0.3,
    end: start + i * 0.3 + 0.25,
    confidence: 0.97,
    channel: 0,
    ...(speaker === undefined ? {} : { speaker }),
  }));
}
