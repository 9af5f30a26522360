import type { JsonObject } from '../json.js';
import type { Failure, SearchHit, Speaker, Transcript, Utterance } from './transcript.js';

/** What rules fire on. */
export const TRIGGERS = ['transcript.completed', 'transcript.failed', 'job.overdue', 'delivery.dead'] as const;
export type Trigger = (typeof TRIGGERS)[number];

/** The job as rules and templates see it. `origin`: `api` = submitted here, `external` = adopted from a callback. */
export interface JobFacts {
  id: string;
  origin: 'api' | 'external';
  tags: Record<string, string>;
  options: JsonObject;
  /** Epoch milliseconds. */
  createdAt: number;
}

/** The transcript as rules and templates see it. Optional members are absent, never null: guard them with `has()`. */
export interface TranscriptFacts {
  text: string;
  /** Seconds. */
  duration: number;
  confidence: number;
  channels: number;
  /** Number of words. */
  words: number;
  speakers: Speaker[];
  utterances: Utterance[];
  topics: string[];
  intents: string[];
  entities: { label: string; value: string }[];
  search: SearchHit[];
  /** Seconds in which nobody speaks, and in which somebody does. */
  silence: number;
  talk: number;
  language?: string;
  summary?: string;
  sentiment?: { label: string; score: number };
}

/** The delivery that died, for `delivery.dead`. The address is left out on purpose. */
export interface DeliveryFacts {
  id: string;
  channel: string;
  ruleName: string;
  reason: string;
}

/** How late a transcript is, for `job.overdue`. */
export interface OverdueFacts {
  /** Whole minutes from the request to the moment when Herald gave up waiting. */
  minutes: number;
  /** How often the job was submitted again in vain. */
  resubmissions: number;
}

/** The one view of a job that rules test and templates print: plain JSON, no functions, no class instances. */
export interface Facts {
  job: JobFacts;
  transcript?: TranscriptFacts;
  failure?: { code: string; message: string };
  delivery?: DeliveryFacts;
  overdue?: OverdueFacts;
}

/** @param job the stored job; @param outcome what the provider sent back, or nothing while the job is open */
export function toFacts(job: JobFacts, outcome: { transcript?: Transcript; failure?: Failure } = {}): Facts {
  const facts: Facts = {
    job: { id: job.id, origin: job.origin, tags: job.tags, options: job.options, createdAt: job.createdAt },
  };
  if (outcome.transcript) facts.transcript = transcriptFacts(outcome.transcript);
  if (outcome.failure) facts.failure = { code: outcome.failure.code, message: outcome.failure.message };
  return facts;
}

function transcriptFacts(transcript: Transcript): TranscriptFacts {
  const talk = transcript.whole?.talk ?? spokenSeconds(transcript);
  return {
    text: transcript.text,
    duration: transcript.duration,
    confidence: transcript.confidence,
    channels: transcript.channels,
    words: transcript.whole?.words ?? transcript.words.length,
    speakers: transcript.speakers,
    utterances: transcript.utterances,
    topics: unique(transcript.topics.map((segment) => segment.label)),
    intents: unique(transcript.intents.map((segment) => segment.label)),
    entities: transcript.entities.map(({ label, value }) => ({ label, value })),
    search: transcript.search,
    silence: Math.max(0, transcript.duration - talk),
    talk,
    ...(transcript.language === undefined ? {} : { language: transcript.language }),
    ...(transcript.summary === undefined ? {} : { summary: transcript.summary }),
    ...(transcript.sentiment === undefined ? {} : { sentiment: transcript.sentiment }),
  };
}

/** Seconds covered by at least one utterance: people who talk at once are counted once. */
export function spokenSeconds({ utterances }: Pick<Transcript, 'utterances'>): number {
  let covered = 0;
  let until = 0;
  for (const { start, end } of utterances) {
    covered += Math.max(0, end - Math.max(start, until));
    until = Math.max(until, end);
  }
  return covered;
}

function unique(labels: string[]): string[] {
  return [...new Set(labels)];
}
