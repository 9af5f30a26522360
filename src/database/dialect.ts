/** A statement for {@link Dialect.bind}, and its parameters. */
export type Statement = [statement: string, parameters: unknown[]];

/** Everything in which SQLite and PostgreSQL differ for the stores. A store asks for a clause, never for the driver's name. */
export interface Dialect {
  /** Appended to the sub-select of a claim, so that several claimers take different rows. */
  readonly claimLock: string;
  /** Appended to a select of one row that must not change until the end of the transaction. */
  readonly rowLock: string;
  /** Column types for migrations. */
  readonly types: {
    readonly text: string;
    readonly integer: string;
    readonly bigint: string;
    readonly real: string;
    readonly boolean: string;
    readonly bytes: string;
  };
  /** Statements that make the full-text index of `transcripts`, and those that remove it. */
  readonly fullText: { readonly up: string[]; readonly down: string[] };
  /** The same for the way from a job to its row in that index, where the index itself has none. */
  readonly fullTextRows: { readonly up: string[]; readonly down: string[] };
  /** Statement, outside of a transaction, that takes erased content out of the write-ahead log; undefined where nobody can. */
  readonly forget: string | undefined;
  /** Statements that begin a transaction anew as one that may write, or fail before anything of it has run; empty where every one may. */
  readonly lockForWriting: readonly string[];
  /** Several writers may have transactions open at once. */
  readonly concurrentWriters: boolean;
  /** Turns `?` placeholders into those of the driver. The statement holds no `?` in a literal. */
  bind(statement: string): string;
  /** Expression for the text of a top-level member of a JSON text column; the member's name is bound as one parameter. */
  jsonMember(column: string): string;
  /** The bound value for {@link jsonMember}. */
  jsonMemberParameter(name: string): string;
  /** Condition on `job_id` of transcripts that hold every word of the one bound parameter (see {@link searchParameter}). */
  readonly searchCondition: string;
  searchParameter(query: string): string;
  /** Puts a transcript into the full-text index; `words` are {@link indexedWords}. */
  indexTranscript(jobId: string, words: string): Statement[];
  /** Takes it out, in a time that does not grow with the index. */
  unindexTranscript(jobId: string): Statement[];
}

/** What the full-text index holds of a transcript at most: a row of PostgreSQL's takes a megabyte of different words. */
const INDEX_BYTES = 800_000;
const LONGEST_WORD = 100;

/** Words as they are indexed and searched: without case and accents, on every database alike; punctuation separates. */
export function searchWords(text: string): string[] {
  return fold(text).match(/[\p{L}\p{N}]+/gu) ?? [];
}

/** The different words of a text, for {@link Dialect.indexTranscript}; of an endless one those that come first. */
export function indexedWords(text: string): string {
  const words = new Set<string>();
  let bytes = 0;
  for (const word of searchWords(text)) {
    if (word.length > LONGEST_WORD || words.has(word)) continue;
    bytes += 4 * word.length + 8;
    if (bytes > INDEX_BYTES) break;
    words.add(word);
  }
  return [...words].join(' ');
}

function fold(text: string): string {
  return text
    .normalize('NFD')
    .replace(/\p{M}+/gu, '')
    .toLowerCase();
}
