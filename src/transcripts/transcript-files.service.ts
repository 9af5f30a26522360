import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { StorageUnavailableError } from '../errors.js';
import { OneThread, ThreadUnavailableError } from '../one-thread.service.js';
import { threadFile } from '../thread-file.js';
import { CONTENT_TYPES, MAIL_BYTES, transcriptFileOf, type FileTask } from './transcript-file.js';
import { TranscriptsStore, type StoredTranscript } from './transcripts.store.js';

/** A million words take some 4 s and 500 MB. */
const LIMITS = { timeLimitMs: 60_000, heapLimitMb: 1_024, idleMs: 10_000 };

/** Transcripts as files and as JSON. What a very large one takes is done in a thread, one at a time. */
@Injectable()
export class TranscriptFiles implements OnApplicationShutdown {
  private readonly thread = new OneThread<FileTask & { packed: Uint8Array }, Uint8Array>({
    file: threadFile(import.meta.url, './transcript-files.worker.js'),
    ...LIMITS,
  });

  constructor(private readonly transcripts: TranscriptsStore) {}

  async onApplicationShutdown(): Promise<void> {
    await this.thread.close();
  }

  /** @throws StorageUnavailableError when it could not be made just now */
  async make({ jobId, transcript }: Pick<StoredTranscript, 'jobId' | 'transcript'>, task: FileTask): Promise<Buffer> {
    if (!transcript.whole) return Buffer.from(transcriptFileOf(transcript, task));
    const packed = (await this.transcripts.findJson(jobId))?.packed;
    if (!packed) throw new StorageUnavailableError('The file could not be made: the transcript is being erased');
    try {
      const file = await this.thread.run(() => ({ task: { ...task, packed } }));
      return Buffer.from(file.buffer);
    } catch (error) {
      const reason = error instanceof ThreadUnavailableError ? 'could not be started' : (error as Error).message;
      throw new StorageUnavailableError(`The file could not be made: it ${reason}`, { cause: error });
    }
  }

  /**
   * A file as a text, for a mail.
   * @returns undefined when it is larger than mail servers take
   */
  async text(
    of: Pick<StoredTranscript, 'jobId' | 'transcript'>,
    format: 'txt' | 'srt' | 'vtt' | 'json',
  ): Promise<{ contentType: string; content: string } | undefined> {
    if (format === 'json' && of.transcript.whole) return undefined;
    const file = await this.make(of, { format });
    if (file.length > MAIL_BYTES) return undefined;
    return { contentType: CONTENT_TYPES[format], content: file.toString('utf8') };
  }

  /**
   * JSON of the whole transcript behind `{ jobId, callbackId, createdAt }`: as it is stored, never parsed.
   * @returns undefined when there is none
   */
  async json(jobId: string): Promise<Readable | string | undefined> {
    const stored = await this.transcripts.findJson(jobId);
    if (!stored) return undefined;
    const { callbackId, data, packed } = stored;
    const createdAt = new Date(stored.createdAt).toISOString();
    const head = `${JSON.stringify({ jobId, callbackId, createdAt }).slice(0, -1)},`;
    if (data !== null) return head + data.slice(1);
    return Readable.from(joined(head, Readable.from([packed]).pipe(createGunzip())), { objectMode: false });
  }
}

/** @param object JSON of an object with members, whose first brace gives way to the head */
async function* joined(head: string, object: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  yield Buffer.from(head);
  let isFirst = true;
  for await (const chunk of object) {
    yield isFirst ? chunk.subarray(1) : chunk;
    isFirst = false;
  }
}
