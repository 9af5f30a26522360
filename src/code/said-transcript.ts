import { toSpeakers } from '../providers/deepgram/deepgram-speech.js';
import type { Transcript, Utterance, Word } from '../transcripts/transcript.js';
import type { Said } from './rule-test.js';

/** As people speak: seconds a word, and between two turns. */
const WORD = 0.4;
const PAUSE = 0.5;
const CERTAIN = 0.99;

/** A transcript in which was said what a test tells, at an even pace. */
export function saidTranscript(said: Said): Transcript {
  const turns = said.turns ?? [{ text: said.text ?? '' }];
  const utterances: Utterance[] = [];
  const words: Word[] = [];
  let now = 0;
  for (const { speaker = '0', text, start = now } of turns) {
    const spoken = wordsOf(text, speaker, start);
    if (spoken.length === 0) continue;
    const end = spoken.at(-1)?.end ?? start;
    utterances.push({ text: text.trim(), start, end, confidence: CERTAIN, channel: 0, speaker });
    words.push(...spoken);
    now = end + PAUSE;
  }
  const byStart = (a: { start: number }, b: { start: number }) => a.start - b.start;
  return {
    requestId: '',
    text: utterances.map((utterance) => utterance.text).join('\n'),
    ...(said.language === undefined ? {} : { language: said.language }),
    ...(said.summary === undefined ? {} : { summary: said.summary }),
    ...(said.sentiment === undefined ? {} : { sentiment: said.sentiment }),
    duration: said.duration ?? words.reduce((latest, word) => Math.max(latest, word.end), 0),
    confidence: words.length === 0 ? 0 : CERTAIN,
    channels: 1,
    speakers: toSpeakers([...words].sort(byStart)),
    words: words.sort(byStart),
    utterances: utterances.sort(byStart),
    sentiments: [],
    topics: (said.topics ?? []).map((label) => ({ text: '', label, score: 1 })),
    intents: [],
    entities: [],
    search: [],
    extra: {},
    tags: [],
    models: [],
    warnings: [],
  };
}

function wordsOf(text: string, speaker: string, from: number): Word[] {
  const spoken = text
    .trim()
    .split(/\s+/)
    .filter((word) => word !== '');
  return spoken.map((word, i) => {
    const start = from + i * WORD;
    return { text: word, start, end: start + WORD, confidence: CERTAIN, channel: 0, speaker };
  });
}
