import { spokenSeconds } from './facts.js';
import { wellFormed } from './preview.js';
import type { Transcript, Utterance } from './transcript.js';

/** A transcript as its row holds it: texts and bytes only, cheap to hand to another thread. */
export interface StoredForm {
  requestId: string;
  language: string | null;
  duration: number;
  text: string;
  /** What the full-text index holds. */
  indexed: string;
  /** JSON of the transcript; of its short form when there is `packed`. */
  data: string;
  /** JSON of a very large one, gzip. */
  packed?: Uint8Array;
}

/** Of a packed transcript: what messages, the list and the search see of it. */
export const SHORT = { utterances: 5_000, characters: 200_000, list: 200, listed: 2_000 } as const;

/** Bounded, whatever the transcript: for messages, templates and recipients of rules. */
export function shortForm(transcript: Transcript): Transcript {
  const short = (_key: string, value: unknown): unknown =>
    typeof value === 'string' ? wellFormed(value.slice(0, SHORT.listed)) : value;
  const first = <T>(list: T[]): T[] => JSON.parse(JSON.stringify(list.slice(0, SHORT.list), short)) as T[];
  return {
    ...transcript,
    text: wellFormed(transcript.text.slice(0, SHORT.characters)),
    ...(transcript.summary === undefined ? {} : { summary: transcript.summary.slice(0, SHORT.characters) }),
    speakers: first(transcript.speakers),
    words: [],
    utterances: firstUtterances(transcript),
    sentiments: first(transcript.sentiments),
    topics: first(transcript.topics),
    intents: first(transcript.intents),
    entities: first(transcript.entities),
    search: first(transcript.search),
    extra: Object.fromEntries(first(Object.entries(transcript.extra))),
    tags: first(transcript.tags),
    models: first(transcript.models),
    whole: { words: transcript.words.length, talk: spokenSeconds(transcript) },
  };
}

function firstUtterances({ utterances }: Transcript): Utterance[] {
  let characters = 0;
  const end = utterances.findIndex(({ text }) => (characters += text.length) > SHORT.characters);
  return utterances.slice(0, Math.min(SHORT.utterances, end < 0 ? utterances.length : end));
}
