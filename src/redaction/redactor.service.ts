import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { SECOND } from '../duration.js';
import { RedactionError, StorageUnavailableError } from '../errors.js';
import { OneThread, ThreadStoppedError } from '../one-thread.service.js';
import { threadFile } from '../thread-file.js';
import { CONTENT_TYPES, MAIL_BYTES } from '../transcripts/transcript-file.js';
import type { Transcript } from '../transcripts/transcript.js';
import { TranscriptsStore } from '../transcripts/transcripts.store.js';
import type { AppliedPolicy, Masked } from './policy.js';
import type { RedactionAnswer, RedactionTask } from './redaction.worker.js';

/** An hour of speech takes some 100 ms; a million words some seconds. */
const LIMITS = { timeLimitMs: 60 * SECOND, heapLimitMb: 1_024, idleMs: 10 * SECOND };

/** Masks what goes into messages, in a thread of its own: no pattern and no transcript holds up anything else. */
@Injectable()
export class Redactor implements OnApplicationShutdown {
  private readonly thread = new OneThread<RedactionTask, RedactionAnswer>({
    file: threadFile(import.meta.url, './redaction.worker.js'),
    ...LIMITS,
  });

  constructor(private readonly transcripts: TranscriptsStore) {}

  async onApplicationShutdown(): Promise<void> {
    await this.thread.close();
  }

  /**
   * What a template sees, with a mark for each masked place: only rendering under the same policy makes words of the marks.
   * @throws RedactionError, StorageUnavailableError
   */
  async facts<T extends object>(policy: AppliedPolicy, data: T): Promise<T> {
    const answer = await this.run('facts', { do: 'facts', policy, data });
    return answer.data as T;
  }

  /**
   * A masked transcript as a file for a mail.
   * @returns undefined when it is larger than mail servers take
   * @throws RedactionError, StorageUnavailableError
   */
  async file(
    policy: AppliedPolicy,
    { jobId, transcript }: { jobId: string; transcript: Transcript },
    format: 'txt' | 'srt' | 'vtt' | 'json',
  ): Promise<{ contentType: string; content: string; masked: Masked[] } | undefined> {
    if (format === 'json' && transcript.whole) return undefined;
    const packed = transcript.whole ? (await this.transcripts.findJson(jobId))?.packed : undefined;
    if (packed === null)
      throw new StorageUnavailableError('The file could not be made: the transcript is being erased');
    const from = packed === undefined ? { transcript } : { packed };
    const { content, masked } = await this.run('file', { do: 'file', policy, format, ...from });
    return Buffer.byteLength(content) > MAIL_BYTES
      ? undefined
      : { contentType: CONTENT_TYPES[format], content, masked };
  }

  /** @throws RedactionError, StorageUnavailableError */
  async text(policy: AppliedPolicy, text: string): Promise<{ text: string; masked: Masked[] }> {
    const { text: result, masked } = await this.run('text', { do: 'text', policy, text });
    return { text: result, masked };
  }

  private async run<Kind extends RedactionTask['do']>(
    kind: Kind,
    task: RedactionTask,
  ): Promise<Extract<RedactionAnswer, { do: Kind }>> {
    try {
      const answer = await this.thread.run(() => ({ task }));
      if (answer.do === kind) return answer as Extract<RedactionAnswer, { do: Kind }>;
      throw new ThreadStoppedError('gave another answer');
    } catch (error) {
      if (error instanceof ThreadStoppedError) {
        throw new RedactionError(`The redaction policy could not be applied: it ${error.message}`, { cause: error });
      }
      throw new StorageUnavailableError('The redaction policy could not be applied just now', { cause: error });
    }
  }
}
