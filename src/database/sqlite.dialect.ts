import { searchWords, type Dialect } from './dialect.js';

export const sqliteDialect: Dialect = {
  claimLock: '',
  rowLock: '',
  types: {
    text: 'text',
    integer: 'integer',
    bigint: 'bigint',
    real: 'double',
    boolean: 'boolean',
    bytes: 'blob',
  },
  fullText: {
    up: [
      `create virtual table transcripts_fts using fts5(job_id unindexed, text, tokenize = 'unicode61 remove_diacritics 2')`,
      // A deleted transcript leaves no word behind in the index either.
      `insert into transcripts_fts (transcripts_fts, rank) values ('secure-delete', 1)`,
    ],
    down: ['drop table transcripts_fts'],
  },
  forget: 'pragma wal_checkpoint(truncate)',
  concurrentWriters: false,
  bind: (statement) => statement,
  jsonMember: (column) => `json_extract(${column}, ?)`,
  jsonMemberParameter: (name) => `$.${JSON.stringify(name)}`,
  searchCondition: 'job_id in (select job_id from transcripts_fts where transcripts_fts match ?)',
  searchParameter: (query) =>
    searchWords(query)
      .map((word) => `"${word}"`)
      .join(' '),
  indexTranscript: 'insert into transcripts_fts (job_id, text) values (?, ?)',
  unindexTranscript: 'delete from transcripts_fts where job_id = ?',
};
