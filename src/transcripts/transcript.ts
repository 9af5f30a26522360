/** The immutable, normalised result of a completed job: one shape for every body a provider may send. */

export interface Word {
  /** As it should be shown: punctuated and capitalised where the provider did so. */
  text: string;
  /** Seconds from the start of the audio; `end >= start` always. */
  start: number;
  end: number;
  /** 0 to 1. */
  confidence: number;
  /** From 0. */
  channel: number;
  /** Id of a {@link Speaker}; absent when nothing tells speakers apart. */
  speaker?: string;
  /** BCP-47, in recordings of several languages. */
  language?: string;
}

export interface Speaker {
  /**
   * Text key, unique in the transcript: `"0"`, `"1"` for diarized mono; the channel number for multichannel without diarization;
   * `"CHANNEL.SPEAKER"` (`"1.0"`) for both, because a provider counts speakers from 0 in every channel.
   */
  id: string;
  /** `Speaker 1`, `Speaker 2` … in order of first words. */
  label: string;
  channel: number;
  words: number;
  /** Seconds of speech. */
  talk: number;
}

export interface Utterance {
  text: string;
  start: number;
  end: number;
  confidence: number;
  channel: number;
  speaker?: string;
}

/** A stretch of the text, by index into `words` of the channel it came from, with what the provider said of it. */
export interface Segment {
  text: string;
  /** Topic, intent or sentiment label. */
  label: string;
  /** 0 to 1 for topics and intents; -1 to 1 for sentiment. */
  score: number;
}

export interface Entity {
  label: string;
  value: string;
  confidence: number;
}

export interface SearchHit {
  query: string;
  confidence: number;
  start: number;
  end: number;
  snippet: string;
}

export interface Transcript {
  /** Provider's request id; opaque. */
  requestId: string;
  /** Display text: paragraphs where given, one line a speaker turn otherwise; `""` for silence. */
  text: string;
  /** BCP-47; absent when neither asked for nor detected. */
  language?: string;
  languageConfidence?: number;
  /** Seconds. */
  duration: number;
  /** Mean over channels that hold words, 0 to 1; 0 for silence. */
  confidence: number;
  /** Number of audio channels. */
  channels: number;
  speakers: Speaker[];
  /** All channels, ordered by start. */
  words: Word[];
  /** Ordered by start; made from the words (by speaker, channel and pause) when the provider sent none. Empty for silence. */
  utterances: Utterance[];
  /** Provider's summary, when asked for and successful. */
  summary?: string;
  sentiment?: { label: string; score: number };
  sentiments: Segment[];
  topics: Segment[];
  intents: Segment[];
  entities: Entity[];
  search: SearchHit[];
  /** `metadata.extra`, without `callback_secret`. */
  extra: Record<string, string>;
  tags: string[];
  /** Names of the models that ran. */
  models: string[];
  /** Hash of the audio as the provider saw it. */
  sha256?: string;
  /** Provider's time stamp, ISO 8601. */
  created?: string;
  warnings: string[];
  /**
   * Only in the short form in which a very large transcript is looked at: `words` is then empty, `utterances`, `text` and what the
   * provider found in it are the beginning. What the whole comes to.
   */
  whole?: { words: number; talk: number };
}

/** What a provider says of a job that it could not do. */
export interface Failure {
  /** Provider's code, `err_code` or `category`; `UNKNOWN` when it sent none. */
  code: string;
  message: string;
  details?: string;
  requestId?: string;
}
