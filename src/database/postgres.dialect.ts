import { searchWords, type Dialect } from './dialect.js';

export const postgresDialect: Dialect = {
  claimLock: 'for update skip locked',
  types: {
    text: 'text',
    integer: 'integer',
    bigint: 'bigint',
    real: 'double precision',
    boolean: 'boolean',
    bytes: 'bytea',
  },
  fullText: {
    up: [`create index transcripts_text_search on transcripts using gin (to_tsvector('simple', text))`],
    down: ['drop index transcripts_text_search'],
  },
  concurrentWriters: true,
  bind: (statement) => {
    let n = 0;
    return statement.replace(/\?/g, () => `$${String(++n)}`);
  },
  jsonMember: (column) => `(${column}::jsonb ->> ?)`,
  jsonMemberParameter: (name) => name,
  searchCondition: `to_tsvector('simple', text) @@ to_tsquery('simple', ?)`,
  searchParameter: (query) => searchWords(query).join(' & '),
  indexTranscript: undefined,
  unindexTranscript: undefined,
};
