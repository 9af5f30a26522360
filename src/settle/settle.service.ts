import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { BLOBS, type BlobStore } from '../blobs/blob-store.js';
import type { CallbackEntity } from '../callbacks/callback.entity.js';
import { CallbacksStore } from '../callbacks/callbacks.store.js';
import { Database } from '../database/database.service.js';
import { isDuplicateKey } from '../database/duplicate-key.js';
import { EventBus } from '../event-bus.service.js';
import { Ids } from '../ids.service.js';
import type { JobEntity } from '../jobs/job.entity.js';
import { JobsStore } from '../jobs/jobs.store.js';
import { Log } from '../log.service.js';
import { Metrics } from '../metrics.service.js';
import { SeriesMovedError } from '../rules/series.store.js';
import { toFacts, type JobFacts } from '../transcripts/facts.js';
import { TranscriptsStore } from '../transcripts/transcripts.store.js';
import { CallbackReader, type Reading } from './callback-reader.service.js';
import { NotifyService, type Decision } from './notify.service.js';
import { settlementOf, type JobStanding, type Settlement } from './settlement.js';

/** The job that a callback belongs to, as it stood when it was read. */
interface Standing {
  job: JobEntity | undefined;
  standing: JobStanding;
}

/** A settle made ready outside of the transaction: everything that takes time. */
interface Prepared {
  callback: CallbackEntity;
  result: Reading;
  settlement: Settlement;
  /** Id of the job, made here when it has to be adopted. */
  jobId: string;
  decision: Decision | undefined;
  /** Kept until the transcript is stored. */
  audioBlob: string | null;
}

/** The job changed between reading and writing; the settle is made ready again. */
class StandingChangedError extends Error {}

/** How often a settle that was overtaken is made ready again. */
const ATTEMPTS = 12;

/** What one settle did, for the log and for those who wait. */
export interface Settled {
  callbackId: string;
  jobId: string;
  outcome: Settlement['kind'];
  deliveries: number;
}

/**
 * The one transaction for a callback: parse it, settle its job, store the transcript, evaluate the rules, insert the deliveries.
 * Parsing and evaluating happen before the transaction, on the job as it was read; inside, that reading is checked again.
 */
@Injectable()
export class SettleService {
  /** The end of the row of those that were overtaken. */
  private turn: Promise<unknown> = Promise.resolve();

  constructor(
    @Inject(BLOBS) private readonly blobs: BlobStore,
    private readonly database: Database,
    private readonly callbacks: CallbacksStore,
    private readonly jobs: JobsStore,
    private readonly transcripts: TranscriptsStore,
    private readonly reader: CallbackReader,
    private readonly notify: NotifyService,
    private readonly ids: Ids,
    private readonly metrics: Metrics,
    private readonly events: EventBus,
    private readonly log: Log,
  ) {}

  /** Settles one callback; undefined when another has settled it. */
  async settle(callbackId: string): Promise<Settled | undefined> {
    const started = performance.now();
    for (let attempt = 1; ; attempt++) {
      const exact = attempt < ATTEMPTS;
      try {
        if (attempt === 1) return await this.settleOnce(callbackId, started, exact);
        // Side by side they would overtake each other again.
        return await this.inTurn(() => this.settleOnce(callbackId, started, exact));
      } catch (error) {
        // Another callback of the same job, or of one that counts with it, was a moment earlier: what that means is decided anew.
        const overtaken =
          error instanceof StandingChangedError || error instanceof SeriesMovedError || isDuplicateKey(error);
        if (!overtaken || attempt === ATTEMPTS) throw error;
      }
    }
  }

  /** @param exact what the rules count of other calls must not have changed; a settle that is overtaken again and again goes without */
  private async settleOnce(callbackId: string, started: number, exact: boolean): Promise<Settled | undefined> {
    const callback = await this.callbacks.find(callbackId);
    if (callback?.state !== 'pending') return undefined;
    const prepared = await this.prepare(callback);
    // Parsing and evaluating take milliseconds: requests that came meanwhile go first.
    await new Promise((resolve) => setImmediate(resolve));
    const settled = await this.write(prepared, exact && !callback.replay);
    if (settled) await this.finish(prepared, settled, started);
    return settled;
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const run = this.turn.then(work);
    this.turn = run.catch(() => undefined);
    return run;
  }

  private async prepare(callback: CallbackEntity): Promise<Prepared> {
    const newId = callback.jobId === '' ? this.ids.next() : callback.jobId;
    const result = await this.reader.read(callback, async () => {
      const known = callback.jobId === '' ? undefined : await this.jobs.find(callback.jobId);
      return { facts: known ? this.jobs.facts(known) : adoptedFacts(newId, {}), adopt: known === undefined };
    });
    const { job, standing } = await this.standingOf(this.database.reads, callback, result);
    const settlement = settlementOf(result, standing, callback.replay);
    const jobId = job?.id ?? newId;
    const facts = job ? this.jobs.facts(job) : adoptedFacts(jobId, tagsOf(result));
    const decision = await this.decide(settlement, result, facts);
    return { callback, result, settlement, jobId, decision, audioBlob: job?.audioBlob ?? null };
  }

  private async standingOf(manager: EntityManager, callback: CallbackEntity, result: Reading): Promise<Standing> {
    const requestId = 'requestId' in result ? result.requestId : undefined;
    let job: JobEntity | undefined;
    if (callback.jobId !== '') job = await this.jobs.findForCallback(manager, callback.jobId);
    // Also where the row of its job is lost: the request may have been adopted by another callback of it.
    if (!job && requestId !== undefined) job = await this.jobs.findByRequestId(manager, requestId);
    if (!job) return { job, standing: { kind: 'unknown' } };
    if (job.deletedAt !== null) return { job, standing: { kind: 'deleted' } };
    const hasTranscript = await this.transcripts.exists(manager, job.id);
    const failed = result.kind === 'failure' && requestId !== undefined;
    const superseded = failed && (await this.jobs.isSuperseded(manager, job, requestId));
    return { job, standing: { kind: 'known', state: job.state, hasTranscript, superseded } };
  }

  private async decide(settlement: Settlement, result: Reading, job: JobFacts): Promise<Decision | undefined> {
    if (settlement.kind === 'complete' && result.kind === 'transcript') return result.decide(job);
    if (settlement.kind === 'fail' && result.kind === 'failure')
      return this.notify.decide('transcript.failed', toFacts(job, { failure: result.failure }));
    return undefined;
  }

  private write(prepared: Prepared, exact: boolean): Promise<Settled | undefined> {
    const { callback, result, settlement, jobId, decision } = prepared;
    return this.database.uow.run(async (tx) => {
      if (!(await this.callbacks.lockPending(tx, callback.id))) return undefined;
      await this.jobs.lock(tx, jobId);
      const now = await this.standingOf(tx, callback, result);
      const settlementNow = settlementOf(result, now.standing, callback.replay);
      if (!sameSettlement(settlement, settlementNow)) throw new StandingChangedError();
      await this.apply(tx, prepared);
      const deliveries = decision
        ? await this.notify.write(tx, decision, {
            jobId,
            callbackId: callback.id,
            replay: callback.replay,
            exact,
          })
        : 0;
      return { callbackId: callback.id, jobId, outcome: settlement.kind, deliveries };
    });
  }

  private async apply(tx: EntityManager, { callback, result, settlement, jobId }: Prepared): Promise<void> {
    switch (settlement.kind) {
      case 'complete':
        if (result.kind !== 'transcript') return;
        if (settlement.adopt) await this.adopt(tx, jobId, result);
        await this.transcripts.insert(tx, { jobId, callbackId: callback.id, stored: result.stored });
        await this.jobs.complete(tx, jobId, result.requestId);
        await this.callbacks.settle(tx, callback.id, { state: 'settled', jobId });
        return;
      case 'fail':
        if (result.kind !== 'failure') return;
        if (settlement.adopt) await this.adopt(tx, jobId, result);
        await this.jobs.fail(tx, jobId, result.failure);
        await this.callbacks.settle(tx, callback.id, { state: 'settled', jobId });
        return;
      case 'duplicate':
        await this.callbacks.settle(tx, callback.id, { state: 'duplicate', reason: settlement.reason, jobId });
        return;
      case 'quarantine':
        await this.callbacks.settle(tx, callback.id, { state: 'quarantined', reason: settlement.reason });
        return;
      case 'erase':
        await this.callbacks.erase(tx, callback.id);
    }
  }

  private async adopt(tx: EntityManager, jobId: string, result: Reading): Promise<void> {
    const requestId = 'requestId' in result ? result.requestId : undefined;
    await this.jobs.adopt(tx, { id: jobId, requestId, tags: tagsOf(result), options: {} });
  }

  /** What follows the commit: files that nobody needs any more, and the telling. */
  private async finish(prepared: Prepared, settled: Settled, started: number): Promise<void> {
    const { callback, settlement, jobId, audioBlob } = prepared;
    if (settlement.kind === 'complete' && audioBlob !== null) await this.blobs.delete(audioBlob);
    if (settlement.kind === 'erase') {
      if (callback.blobKey !== null) await this.blobs.delete(callback.blobKey);
      await this.database.uow.forget();
    }
    this.metrics.settles.inc({ outcome: settled.outcome });
    this.events.publish({ type: 'callback.settled', id: callback.id, jobId, state: settled.outcome });
    if (settled.outcome === 'complete')
      this.events.publish({ type: 'job.completed', id: jobId, jobId, state: 'completed' });
    if (settled.outcome === 'fail') this.events.publish({ type: 'job.failed', id: jobId, jobId, state: 'failed' });
    this.log.info('callback.settled', {
      callbackId: callback.id,
      jobId,
      outcome: settled.outcome,
      adopted: 'adopt' in settlement ? settlement.adopt : undefined,
      deliveries: settled.deliveries,
      ms: Math.round((performance.now() - started) * 10) / 10,
    });
  }
}

function tagsOf(result: Reading): Record<string, string> {
  return result.kind === 'transcript' ? result.tags : {};
}

/** A job that is made from its callback. */
function adoptedFacts(id: string, tags: Record<string, string>): JobFacts {
  return { id, origin: 'external', tags, options: {}, createdAt: 0 };
}

function sameSettlement(a: Settlement, b: Settlement): boolean {
  return a.kind === b.kind && ('adopt' in a && a.adopt) === ('adopt' in b && b.adopt);
}
