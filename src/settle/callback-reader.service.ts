import { Inject, Injectable } from '@nestjs/common';
import type { CallbackEntity } from '../callbacks/callback.entity.js';
import { CallbacksStore } from '../callbacks/callbacks.store.js';
import { BodyUnreadableError } from '../callbacks/content-encoding.service.js';
import { isLargeBody } from '../callbacks/large-body.js';
import type { Settings } from '../config/env.js';
import { SETTINGS } from '../config/settings.js';
import { adoptedTags } from '../jobs/adopted-tags.js';
import { PROVIDER, type CallbackResult, type TranscriptionProvider } from '../providers/provider.js';
import { ReadingThread } from '../rules/reading-thread.service.js';
import { RulesStore } from '../rules/rules.store.js';
import { toFacts, type JobFacts } from '../transcripts/facts.js';
import { toStored } from '../transcripts/pack.service.js';
import type { StoredForm } from '../transcripts/stored-form.js';
import type { Failure } from '../transcripts/transcript.js';
import { NotifyService, type Decision } from './notify.service.js';

/** What a callback holds. */
export type Reading =
  | { kind: 'unreadable'; reason: string }
  | { kind: 'failure'; failure: Failure; requestId?: string }
  | {
      kind: 'transcript';
      requestId: string;
      /** Tags of the job, if one is made from this callback. */
      tags: Record<string, string>;
      stored: StoredForm;
      /** What the rules make of the transcript. */
      decide(job: JobFacts): Promise<Decision>;
    };

/** The job as far as it is known before the body is read. */
export interface Presumed {
  facts: JobFacts;
  /** There is none: it is made from the callback. */
  adopt: boolean;
}

/** Reads callbacks: small ones here, for a thread costs more than they do; large ones in the reading thread. */
@Injectable()
export class CallbackReader {
  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    @Inject(PROVIDER) private readonly provider: TranscriptionProvider,
    private readonly callbacks: CallbacksStore,
    private readonly rules: RulesStore,
    private readonly notify: NotifyService,
    private readonly thread: ReadingThread,
  ) {}

  /**
   * @param presume asked for a large body only
   * @throws ThreadUnavailableError
   */
  async read(callback: CallbackEntity, presume: () => Promise<Presumed>): Promise<Reading> {
    let bytes: Buffer;
    try {
      bytes = await this.callbacks.decodedBody(callback, this.settings.maxCallbackBytes);
    } catch (error) {
      if (error instanceof BodyUnreadableError) return { kind: 'unreadable', reason: error.message };
      throw error;
    }
    if (!isLargeBody(bytes.length)) return this.readHere(this.provider.parseCallback(bytes));
    return this.readInThread(callback, bytes, await presume());
  }

  private readHere(result: CallbackResult): Reading {
    if (result.kind !== 'transcript') return result;
    const { transcript, requestId } = result;
    return {
      kind: 'transcript',
      requestId,
      tags: adoptedTags(transcript.extra),
      stored: toStored(transcript),
      decide: (job) => this.notify.decide('transcript.completed', toFacts(job, { transcript }), transcript),
    };
  }

  private async readInThread(callback: CallbackEntity, bytes: Buffer, presumed: Presumed): Promise<Reading> {
    const { parser } = this.provider;
    if (!parser) return this.readHere(this.provider.parseCallback(bytes));
    const rules = await this.rules.compiled('transcript.completed');
    const { facts: job, adopt } = presumed;
    const looked = await this.notify.look(rules, job);
    const task = { bytes: ownBytes(bytes), parser, job, adopt, series: looked.snapshot };
    const answer = await this.thread.read(task, rules);
    if (answer.kind !== 'transcript') return answer;
    const { requestId, extra, stored, judged } = answer;
    return {
      kind: 'transcript',
      requestId,
      tags: adoptedTags(extra),
      stored,
      decide: async (known) => {
        // Until the body was read nobody knew the tags of an adopted job, and so not with which calls it counts.
        const isPresumed = known.id === job.id && !(adopt && looked.needs.length > 0);
        if (isPresumed) return this.notify.decideJudged('transcript.completed', judged, rules, looked);
        // Or it was found by the request id only: the rules look at another job than was presumed.
        const again = await this.read(callback, () => Promise.resolve({ facts: known, adopt: false }));
        if (again.kind !== 'transcript') throw new Error('A body that could be read cannot be read again');
        return again.decide(known);
      },
    };
  }
}

/** In a buffer that holds nothing else, so that it can be handed over. */
function ownBytes(bytes: Buffer): Uint8Array {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes);
}
