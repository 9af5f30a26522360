import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { Inject, Injectable } from '@nestjs/common';
import { BLOBS, type BlobStore, type StoredBlob } from '../blobs/blob-store.js';
import type { Settings } from '../config/env.js';
import { SETTINGS } from '../config/settings.js';
import { storageFaultOf } from '../database/storage-fault.js';
import {
  BodyTooLargeError,
  ConflictError,
  IdempotencyConflictError,
  NotFoundError,
  RequestInvalidError,
  UnprocessableError,
} from '../errors.js';
import { EventBus } from '../event-bus.service.js';
import { canonicalJson, type JsonObject } from '../json.js';
import { Log } from '../log.service.js';
import { Metrics } from '../metrics.service.js';
import { validateOptions } from '../providers/deepgram/deepgram-options.js';
import { applyPreset, type Presets } from '../providers/deepgram/presets.js';
import { PROVIDER, PRESETS, type TranscriptionProvider } from '../providers/provider.js';
import { JobSubmitter } from './job-submitter.service.js';
import type { JobEntity } from './job.entity.js';
import type { SubmitUpload } from './jobs.schema.js';
import { JobsStore, type NewJob } from './jobs.store.js';

export interface Submitted {
  job: JobEntity;
  /** Options that Deepgram would take but hardly as meant. */
  warnings: string[];
  /** The same Idempotency-Key and request had made this job before. */
  replayed: boolean;
}

/** Takes jobs in: checked, stored, and handed to the submitter. Deepgram is not called before the row is on disk. */
@Injectable()
export class JobsService {
  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    @Inject(BLOBS) private readonly blobs: BlobStore,
    @Inject(PROVIDER) private readonly provider: TranscriptionProvider,
    @Inject(PRESETS) private readonly presets: Presets,
    private readonly jobs: JobsStore,
    private readonly submitter: JobSubmitter,
    private readonly metrics: Metrics,
    private readonly events: EventBus,
    private readonly log: Log,
  ) {}

  /** @param idempotencyKey already scoped to the API key that sent it */
  async submitUrl(url: string, request: SubmitUpload, idempotencyKey: string | undefined): Promise<Submitted> {
    const { options, warnings } = this.check(request);
    const hash = hashOf({ url, ...request });
    return this.create({ kind: 'url', url }, request, options, warnings, idempotencyKey, hash);
  }

  /** Keeps an upload; it is handed to {@link submitUpload}, or to {@link discard} when the rest of the request is wrong. */
  async keep(audio: Readable): Promise<StoredBlob> {
    const { maxAudioBytes } = this.settings;
    // The request stays open when the store gives up: ending it would cut the connection before the sender has seen why.
    const source = Readable.from(audio.iterator({ destroyOnReturn: false }), { objectMode: false });
    try {
      return await this.blobs.put(source, { maxBytes: maxAudioBytes, prefix: 'audio' });
    } catch (error) {
      if (error instanceof BodyTooLargeError) {
        throw new BodyTooLargeError(`The audio is larger than HERALD_MAX_AUDIO_BYTES (${String(maxAudioBytes)} bytes)`);
      }
      // A full disk ends the source as well.
      throw storageFaultOf(error) === undefined && (audio.readableAborted || audio.errored)
        ? new RequestInvalidError('The audio broke off before its end')
        : error;
    }
  }

  discard(blob: StoredBlob): Promise<void> {
    return this.blobs.delete(blob.key);
  }

  /** Owns the blob: deletes it when no job comes of it. */
  async submitUpload(
    blob: StoredBlob,
    audio: { contentType: string; name: string | undefined },
    request: SubmitUpload,
    idempotencyKey: string | undefined,
  ): Promise<Submitted> {
    try {
      if (blob.bytes === 0) throw new UnprocessableError('The audio is empty (0 bytes)');
      const { options, warnings } = this.check(request);
      const hash = hashOf({ sha256: blob.sha256, ...request });
      const source = { kind: 'upload', blob: blob.key, bytes: blob.bytes, ...audio } as const;
      const submitted = await this.create(source, request, options, warnings, idempotencyKey, hash);
      if (submitted.replayed) await this.discard(blob);
      return submitted;
    } catch (error) {
      // A commit that was broken off may be there, and its job needs the audio; else the sweep takes it.
      const fault = storageFaultOf(error);
      if (fault === undefined || fault === 'full' || fault === 'locked') await this.discard(blob);
      throw error;
    }
  }

  /** Refuses what cannot work before a byte is uploaded. */
  check(request: SubmitUpload): { options: JsonObject; warnings: string[] } {
    if (!this.provider.configured) {
      throw new UnprocessableError(
        'DEEPGRAM_API_KEY is not set, so Herald cannot submit audio. Set it; or submit to Deepgram yourself with ' +
          'callback=https://herald:PASSWORD@HOST/hook (HERALD_HOOK_PASSWORD)',
      );
    }
    if (this.settings.publicUrl === undefined) {
      throw new UnprocessableError(
        'HERALD_PUBLIC_URL is not set, so Deepgram could not call back. Set it to where Deepgram reaches Herald',
      );
    }
    const options =
      request.preset === undefined ? request.options : applyPreset(this.presets, request.preset, request.options);
    return validateOptions(options);
  }

  /**
   * @throws ConflictError when the job is settled, is being submitted, or its audio is gone
   */
  async resubmit(id: string): Promise<JobEntity> {
    const job = await this.jobs.find(id);
    if (!job) throw new NotFoundError('There is no such job');
    if (job.audioKind === null)
      throw new ConflictError('Herald never had the audio of this job: it was submitted elsewhere');
    if (job.audioKind === 'upload' && job.audioBlob === null)
      throw new ConflictError('The audio of this job is not kept any more');
    if (!(await this.jobs.resubmit(id))) {
      throw new ConflictError(
        `The job is ${job.state}; only a submitted, overdue or failed one can be submitted again`,
      );
    }
    this.submitter.wake();
    return (await this.jobs.find(id)) ?? job;
  }

  private async create(
    audio: NewJob['audio'],
    request: SubmitUpload,
    options: JsonObject,
    warnings: string[],
    idempotencyKey: string | undefined,
    hash: string,
  ): Promise<Submitted> {
    const job = await this.jobs.create({
      audio,
      options,
      preset: request.preset,
      tags: request.tags,
      idempotency: idempotencyKey === undefined ? undefined : { key: idempotencyKey, hash },
    });
    if (!job) return this.replayOf(idempotencyKey ?? '', hash);
    this.metrics.jobs.inc({ event: 'created' });
    this.events.publish({ type: 'job.created', id: job.id, jobId: job.id, state: job.state });
    this.log.info('job.created', {
      jobId: job.id,
      audio: audio.kind,
      bytes: audio.kind === 'upload' ? audio.bytes : undefined,
    });
    this.submitter.wake();
    return { job, warnings, replayed: false };
  }

  private async replayOf(key: string, hash: string): Promise<Submitted> {
    const job = await this.jobs.findByIdempotencyKey(key);
    if (job?.idempotencyHash === hash) return { job, warnings: [], replayed: true };
    throw new IdempotencyConflictError(
      'This Idempotency-Key was used before with another request. Send the same request again, or a new key',
    );
  }
}

function hashOf(request: unknown): string {
  return createHash('sha256').update(canonicalJson(request)).digest('hex');
}
