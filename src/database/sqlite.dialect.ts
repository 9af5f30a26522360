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
  fullTextRows: {
    up: [
      'create table transcript_index (job_id text not null primary key, entry integer not null)',
      'insert into transcript_index (job_id, entry) select job_id, rowid from transcripts_fts',
    ],
    down: ['drop table transcript_index'],
  },
  forget: 'pragma wal_checkpoint(truncate)',
  lockForWriting: ['rollback', 'begin immediate'],
  concurrentWriters: false,
  bind: (statement) => statement,
  jsonMember: (column) => `json_extract(${column}, ?)`,
  jsonMemberParameter: (name) => `$.${JSON.stringify(name)}`,
  searchCondition: 'job_id in (select job_id from transcripts_fts where transcripts_fts match ?)',
  searchParameter: (query) =>
    searchWords(query)
      .map((word) => `"${word}"`)
      .join(' '),
  indexTranscript: (jobId, words) => [
    ['insert into transcripts_fts (job_id, text) values (?, ?)', [jobId, words]],
    ['insert into transcript_index (job_id, entry) values (?, last_insert_rowid())', [jobId]],
  ],
  // By its number: the index finds words, and would read every entry for a job.
  unindexTranscript: (jobId) => [
    ['delete from transcripts_fts where rowid = (select entry from transcript_index where job_id = ?)', [jobId]],
    ['delete from transcript_index where job_id = ?', [jobId]],
  ],
};
