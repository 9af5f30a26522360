import { Injectable, Module } from '@nestjs/common';
import { UnprocessableError } from '../errors.js';
import { Database } from '../database/database.service.js';
import type { JsonObject } from '../json.js';
import { toFacts, type Facts } from '../transcripts/facts.js';
import type { Transcript } from '../transcripts/transcript.js';
import { TranscriptsModule } from '../transcripts/transcripts.module.js';
import { TranscriptsStore } from '../transcripts/transcripts.store.js';
import { JobEntity } from './job.entity.js';
import { overdueFacts } from './deadline.js';

export interface StoredFacts {
  facts: Facts;
  transcript?: Transcript;
}

/** A job with all that is known of it. */
export interface StoredJob extends StoredFacts {
  job: JobEntity;
}

/** The facts of a job that has been, for trying rules and templates on it. */
@Injectable()
export class StoredFactsReader {
  constructor(
    private readonly database: Database,
    private readonly transcripts: TranscriptsStore,
  ) {}

  /** @throws UnprocessableError pointing at the parameter `jobId` when there is no such job */
  async read(jobId: string): Promise<StoredFacts> {
    const found = await this.find(jobId);
    if (!found) {
      throw new UnprocessableError('There is no such job, or it was deleted', {
        errors: [{ pointer: 'jobId', message: 'is not the id of a job' }],
      });
    }
    return found;
  }

  /** undefined when there is no such job, or it was erased. */
  async find(jobId: string): Promise<StoredJob | undefined> {
    const job = await this.database.reads.findOneBy(JobEntity, { id: jobId });
    if (job?.deletedAt !== null) return undefined;
    const transcript = await this.transcripts.find(jobId);
    const { id, origin, tags, createdAt, options, failure } = job;
    const facts = toFacts(
      { id, origin, tags, createdAt, options: options as JsonObject },
      { ...(transcript === undefined ? {} : { transcript }), ...(failure === null ? {} : { failure }) },
    );
    if (job.overdueAt !== null) facts.overdue = overdueFacts(job, job.overdueAt);
    return transcript === undefined ? { job, facts } : { job, facts, transcript };
  }
}

@Module({ imports: [TranscriptsModule], providers: [StoredFactsReader], exports: [StoredFactsReader] })
export class StoredFactsModule {}
