/** Messages that waited for the hours of their recipient and go together. */
export interface Digest {
  count: number;
  /** Names of their rules, each once. */
  rules: string[];
  /** The newest of them, oldest first. */
  items: DigestItem[];
}

export interface DigestItem {
  rule: string;
  /** What the rule fired on. */
  on: string;
  /** Epoch milliseconds. */
  at: number;
  /** The job's tag `client`. */
  client?: string;
  /** Seconds of audio. */
  duration?: number;
  preview?: string;
  /** URL of the transcript page. */
  url?: string;
}
