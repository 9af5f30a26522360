import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Clock } from '../clock.js';
import { Database } from '../database/database.service.js';
import { indexedWords, searchWords } from '../database/dialect.js';
import { UnprocessableError } from '../errors.js';
import { wellFormed } from './preview.js';
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

/** A transcript in a list: without its words. */
export interface TranscriptRow {
  jobId: string;
  requestId: string;
  language: string | null;
  /** Seconds. */
  duration: number;
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
    { jobId, callbackId, transcript }: { jobId: string; callbackId: string; transcript: Transcript },
  ): Promise<void> {
    const { dialect } = this.database;
    await this.erase(tx, jobId);
    const text = storable(transcript.text);
    await tx.insert(TranscriptEntity, {
      jobId,
      callbackId,
      requestId: storable(transcript.requestId),
      language: transcript.language === undefined ? null : storable(transcript.language),
      duration: transcript.duration,
      text,
      data: transcript,
      createdAt: this.clock.now(),
    });
    for (const [statement, parameters] of dialect.indexTranscript(jobId, indexedWords(text)))
      await tx.query(dialect.bind(statement), parameters);
  }

  async find(jobId: string): Promise<Transcript | undefined> {
    return (await this.findStored(jobId))?.transcript;
  }

  /** With what is known of its storing. */
  async findStored(jobId: string): Promise<StoredTranscript | undefined> {
    const row = await this.database.reads.findOneBy(TranscriptEntity, { jobId });
    if (!row || row.callbackId === '') return undefined;
    return { jobId, callbackId: row.callbackId, createdAt: row.createdAt, transcript: row.data };
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
      `select job_id as "jobId", request_id as "requestId", language, duration, text, created_at as "createdAt"
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

/** A provider may send anything as text; a text column of PostgreSQL takes no NUL, UTF-8 no half of a surrogate pair. */
function storable(text: string): string {
  return wellFormed(text).replaceAll('\0', ' ');
}
