import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Clock } from '../clock.js';
import { Database } from '../database/database.service.js';
import { searchWords } from '../database/dialect.js';
import { UnprocessableError } from '../errors.js';
import type { StoredForm } from './stored-form.js';
import { TranscriptEntity } from './transcript.entity.js';
import type { Transcript } from './transcript.js';
import type { ListTranscripts } from './transcripts.schema.js';

export interface StoredTranscript {
  jobId: string;
  /** The callback that it was read from. */
  callbackId: string;
  /** Epoch milliseconds. */
  createdAt: number;
  transcript: Transcript;
}

export interface StoredJson {
  callbackId: string;
  /** Epoch milliseconds. */
  createdAt: number;
  data: string | null;
  packed: Buffer | null;
}

/** A transcript in a list: without its words. */
export interface TranscriptRow {
  jobId: string;
  requestId: string;
  language: string | null;
  /** Seconds. */
  duration: number;
  /** The beginning; a snippet is cut from it. */
  text: string;
  /** Epoch milliseconds. */
  createdAt: number;
}

/** More words than anybody searches for; each costs. */
const MAX_WORDS = 20;

@Injectable()
export class TranscriptsStore {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /** Stores the transcript of a job, in the place of an earlier one (a replay), and keeps the full-text index equal to it. */
  async insert(
    tx: EntityManager,
    { jobId, callbackId, stored }: { jobId: string; callbackId: string; stored: StoredForm },
  ): Promise<void> {
    const { dialect } = this.database;
    await this.erase(tx, jobId);
    await tx.query(
      dialect.bind(
        `insert into transcripts (job_id, callback_id, request_id, language, duration, text, data, packed, created_at)
         values (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      ),
      [
        jobId,
        callbackId,
        stored.requestId,
        stored.language,
        stored.duration,
        stored.text,
        stored.data,
        stored.packed === undefined ? null : bufferOf(stored.packed),
        this.clock.now(),
      ],
    );
    for (const [statement, parameters] of dialect.indexTranscript(jobId, stored.indexed))
      await tx.query(dialect.bind(statement), parameters);
  }

  /** The short form of a very large one; see `whole`. */
  async find(jobId: string): Promise<Transcript | undefined> {
    return (await this.findStored(jobId))?.transcript;
  }

  /** With what is known of its storing. The short form of a very large one. */
  async findStored(jobId: string): Promise<StoredTranscript | undefined> {
    const row = await this.database.reads.findOneBy(TranscriptEntity, { jobId });
    if (!row || row.callbackId === '') return undefined;
    return { jobId, callbackId: row.callbackId, createdAt: row.createdAt, transcript: row.data };
  }

  /** JSON of the transcript as it is stored: as text, or packed (gzip). */
  async findJson(jobId: string): Promise<StoredJson | undefined> {
    const [row] = await this.database.read<StoredJson>(
      `select callback_id as "callbackId", created_at as "createdAt", packed,
              case when packed is null then data end as data from transcripts where job_id = ? and callback_id <> ''`,
      [jobId],
    );
    return row;
  }

  /** When the words of a job were dropped by age. */
  async droppedAt(jobId: string): Promise<number | undefined> {
    const [job] = await this.database.read<{ at: number | null }>(
      'select content_dropped_at as at from jobs where id = ? and deleted_at is null',
      [jobId],
    );
    return job?.at ?? undefined;
  }

  /**
   * Also true of one whose words were dropped: a late callback does not bring it back.
   * @param manager the transaction that must not be surprised, or the reads
   */
  exists(manager: EntityManager, jobId: string): Promise<boolean> {
    return manager.existsBy(TranscriptEntity, { jobId });
  }

  /** Removes the transcript and its words from the index; does nothing when there is none. */
  async erase(tx: EntityManager, jobId: string): Promise<void> {
    const { dialect } = this.database;
    const { affected } = await tx.delete(TranscriptEntity, { jobId });
    if (affected === 0) return;
    for (const [statement, parameters] of dialect.unindexTranscript(jobId))
      await tx.query(dialect.bind(statement), parameters);
  }

  /**
   * Up to `limit + 1` rows, newest job first.
   * @throws UnprocessableError for a search without a word in it
   */
  list(query: ListTranscripts): Promise<TranscriptRow[]> {
    const { dialect } = this.database;
    // What was dropped by age is a row without a callback.
    const conditions: [string, ...unknown[]][] = [[`callback_id <> ''`]];
    if (query.q !== undefined) conditions.push([dialect.searchCondition, dialect.searchParameter(searchable(query.q))]);
    if (query.cursor !== undefined) conditions.push(['job_id < ?', query.cursor]);
    if (query.from !== undefined) conditions.push(['created_at >= ?', query.from]);
    if (query.to !== undefined) conditions.push(['created_at < ?', query.to]);
    if (query.language !== undefined) {
      const language = query.language.toLowerCase();
      conditions.push(['(lower(language) = ? or lower(language) like ?)', language, `${language}-%`]);
    }
    const where = `where ${conditions.map(([sql]) => sql).join(' and ')}`;
    return this.database.read<TranscriptRow>(
      `select job_id as "jobId", request_id as "requestId", language, duration, substr(text, 1, 200000) as text, created_at as "createdAt"
         from transcripts ${where} order by job_id desc limit ?`,
      [...conditions.flatMap(([, ...parameters]) => parameters), query.limit + 1],
    );
  }
}

/** @throws UnprocessableError when nothing can be searched for */
function searchable(q: string): string {
  const words = searchWords(q);
  if (words.length === 0) {
    throw new UnprocessableError('The search holds no word', {
      errors: [{ pointer: 'q', message: 'must hold at least one word; punctuation is not searched' }],
    });
  }
  return words.slice(0, MAX_WORDS).join(' ');
}

function bufferOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}
