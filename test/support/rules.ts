import type { Facts, TranscriptFacts } from '../../src/transcripts/facts.js';
import type { Rule, RuleDefinition } from '../../src/rules/rule.js';
import { toSpeech, type Speech } from '../../src/transcripts/speech.js';
import type { Speaker, Transcript, Word } from '../../src/transcripts/transcript.js';

/** Words of one speaker and channel, one a second, from a plain sentence. */
export function spoken(sentence: string, options: { speaker?: string; channel?: number; from?: number } = {}): Word[] {
  const { speaker, channel = 0, from = 0 } = options;
  return sentence.split(' ').map((text, i) => ({
    text,
    start: from + i,
    end: from + i + 0.8,
    confidence: 0.99,
    channel,
    ...(speaker === undefined ? {} : { speaker }),
  }));
}

export function speechOf(words: Word[], duration?: number): Speech {
  const ids = [...new Set(words.map(({ speaker }) => speaker).filter((id) => id !== undefined))];
  const speakers: Speaker[] = ids.map((id, i) => ({
    id,
    label: `Speaker ${String(i + 1)}`,
    channel: 0,
    words: 1,
    talk: 1,
  }));
  return toSpeech({ words, speakers, duration: duration ?? words.at(-1)?.end ?? 0 } satisfies Partial<Transcript>);
}

/** A call of two: the agent is speaker 0, the customer speaker 1. */
export const CALL_WORDS: Word[] = [
  ...spoken('Thank you for calling, how can I help?', { speaker: '0', from: 0 }),
  ...spoken('I don’t want this; I want a full Refund, please.', { speaker: '1', from: 10 }),
  ...spoken('That is resolved now. Goodbye!', { speaker: '0', from: 90 }),
];

export function callSpeech(): Speech {
  return speechOf(CALL_WORDS, 100);
}

export function transcriptFacts(changes: Partial<TranscriptFacts> = {}): TranscriptFacts {
  return {
    text: CALL_WORDS.map(({ text }) => text).join(' '),
    duration: 100,
    confidence: 0.97,
    channels: 1,
    words: CALL_WORDS.length,
    speakers: [
      { id: '0', label: 'Speaker 1', channel: 0, words: 13, talk: 12 },
      { id: '1', label: 'Speaker 2', channel: 0, words: 10, talk: 9 },
    ],
    utterances: [
      { text: 'Thank you for calling', start: 0, end: 4, confidence: 0.9, channel: 0, speaker: '0' },
      { text: 'a full Refund', start: 15, end: 18, confidence: 0.6, channel: 0 },
    ],
    topics: ['billing', 'refunds'],
    intents: [],
    entities: [{ label: 'PERSON', value: 'Ann' }],
    search: [],
    silence: 79,
    talk: 21,
    ...changes,
  };
}

export function completedFacts(
  changes: { job?: Partial<Facts['job']>; transcript?: Partial<TranscriptFacts> } = {},
): Facts {
  return {
    job: {
      id: 'job-1',
      origin: 'api',
      tags: { tier: 'gold', email: 'ann@example.com' },
      options: { model: 'nova-3', diarize: true, channels: 2 },
      createdAt: 1_700_000_000_000,
      ...changes.job,
    },
    transcript: transcriptFacts(changes.transcript),
  };
}

export function rule(changes: Partial<RuleDefinition> & { id?: string; version?: number } = {}): Rule {
  const name = changes.name ?? 'a rule';
  return {
    id: name,
    version: 1,
    createdAt: 0,
    updatedAt: 0,
    name,
    enabled: true,
    on: 'transcript.completed',
    when: 'true',
    actions: [],
    stop: false,
    order: 100,
    ...changes,
  };
}
