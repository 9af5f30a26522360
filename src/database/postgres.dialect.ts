import { searchWords, type Dialect } from './dialect.js';

export const postgresDialect: Dialect = {
  claimLock: 'for update skip locked',
  rowLock: 'for update',
  types: {
    text: 'text',
    integer: 'integer',
    bigint: 'bigint',
    real: 'double precision',
    boolean: 'boolean',
    bytes: 'bytea',
  },
  fullText: {
    up: [
      'create table transcripts_fts (job_id text not null primary key, words tsvector not null)',
      'create index transcripts_fts_words on transcripts_fts using gin (words)',
    ],
    down: ['drop table transcripts_fts'],
  },
  fullTextRows: { up: [], down: [] },
  forget: undefined,
  lockForWriting: [],
  concurrentWriters: true,
  bind: (statement) => {
    let n = 0;
    return statement.replace(/\?/g, () => `$${String(++n)}`);
  },
  jsonMember: (column) => `(${column}::jsonb ->> ?)`,
  jsonMemberParameter: (name) => name,
  searchCondition: 'job_id in (select job_id from transcripts_fts where words @@ cast(? as tsquery))',
  // A cast takes the words as they are: no parser of PostgreSQL's, whose notion of a word depends on the server's locale.
  searchParameter: (query) =>
    searchWords(query)
      .map((word) => `'${word}'`)
      .join(' & '),
  indexTranscript: (jobId, words) => [
    [
      `insert into transcripts_fts (job_id, words) values (?, array_to_tsvector(string_to_array(?, ' ')))`,
      [jobId, words],
    ],
  ],
  unindexTranscript: (jobId) => [['delete from transcripts_fts where job_id = ?', [jobId]]],
};
