/** Everything in which SQLite and PostgreSQL differ for the stores. A store asks for a clause, never for the driver's name. */
export interface Dialect {
  /** Appended to the sub-select of a claim, so that several claimers take different rows. */
  readonly claimLock: string;
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
  /** Statements that keep the full-text index equal to a transcript row; parameters: job id, text. */
  readonly indexTranscript: string | undefined;
  readonly unindexTranscript: string | undefined;
}

/** Words of a search as people type them; punctuation separates. */
export function searchWords(query: string): string[] {
  return query.match(/[\p{L}\p{N}]+/gu) ?? [];
}
