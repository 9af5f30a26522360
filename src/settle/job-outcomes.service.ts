import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Clock } from '../clock.js';
import { Database } from '../database/database.service.js';
import { Deaths } from '../deliveries/deaths.service.js';
import type { DeliveryEntity } from '../deliveries/delivery.entity.js';
import { DISPATCHER, type DeliveryDispatcher } from '../deliveries/delivery-dispatcher.js';
import { deliveryFacts } from '../deliveries/message-composer.service.js';
import { EventBus } from '../event-bus.service.js';
import { overdueFacts } from '../jobs/deadline.js';
import type { JobEntity } from '../jobs/job.entity.js';
import { JobSubmitter } from '../jobs/job-submitter.service.js';
import { JobsStore } from '../jobs/jobs.store.js';
import { LateJobsStore } from '../jobs/late-jobs.store.js';
import { JobWatchdog } from '../jobs/watchdog.service.js';
import { Log } from '../log.service.js';
import { Metrics } from '../metrics.service.js';
import { toFacts } from '../transcripts/facts.js';
import type { Failure } from '../transcripts/transcript.js';
import { TranscriptsStore } from '../transcripts/transcripts.store.js';
import { NotifyService } from './notify.service.js';

/** Fires rules for what is no callback: a submit that was refused, a job that is overdue, a delivery that died. */
@Injectable()
export class JobOutcomes implements OnModuleInit {
  constructor(
    @Inject(DISPATCHER) private readonly dispatcher: DeliveryDispatcher,
    private readonly database: Database,
    private readonly jobs: JobsStore,
    private readonly lateJobs: LateJobsStore,
    private readonly transcripts: TranscriptsStore,
    private readonly notify: NotifyService,
    private readonly submitter: JobSubmitter,
    private readonly watchdog: JobWatchdog,
    private readonly deaths: Deaths,
    private readonly clock: Clock,
    private readonly metrics: Metrics,
    private readonly events: EventBus,
    private readonly log: Log,
  ) {}

  onModuleInit(): void {
    this.submitter.onRefused((job, failure, owner) => this.refused(job, failure, owner));
    this.watchdog.onOverdue((job) => this.overdue(job));
    this.deaths.onDead((delivery, reason) => this.dead(delivery, reason));
  }

  private async refused(job: JobEntity, failure: Failure, owner: string): Promise<boolean> {
    const decision = await this.notify.decide('transcript.failed', toFacts(this.jobs.facts(job), { failure }));
    return this.commit(job, 'failed', async (tx) => {
      if (!(await this.jobs.fail(tx, job.id, failure, owner))) return false;
      await this.notify.write(tx, decision, { jobId: job.id });
      return true;
    });
  }

  private async overdue(job: JobEntity): Promise<boolean> {
    const at = this.clock.now();
    const facts = { ...toFacts(this.jobs.facts(job)), overdue: overdueFacts(job, at) };
    const decision = await this.notify.decide('job.overdue', facts);
    return this.commit(job, 'overdue', async (tx) => {
      if (!(await this.lateJobs.markOverdue(tx, job, at))) return false;
      await this.notify.write(tx, decision, { jobId: job.id });
      return true;
    });
  }

  /** A delivery that `delivery.dead` planned fires nothing when it dies itself, or two broken channels would feed each other. */
  private async dead(
    delivery: DeliveryEntity,
    reason: string,
  ): Promise<((tx: EntityManager) => Promise<void>) | undefined> {
    if (delivery.trigger === 'delivery.dead') return undefined;
    const job = await this.jobs.find(delivery.jobId);
    if (!job) return undefined;
    const transcript = await this.transcripts.find(job.id);
    const facts = toFacts(this.jobs.facts(job), transcript ? { transcript } : {});
    facts.delivery = deliveryFacts(delivery, reason);
    const decision = await this.notify.decide('delivery.dead', facts, transcript);
    return async (tx) => {
      await this.notify.write(tx, decision, { jobId: job.id, aboutDeliveryId: delivery.id });
    };
  }

  private async commit(
    job: JobEntity,
    state: 'failed' | 'overdue',
    work: (tx: EntityManager) => Promise<boolean>,
  ): Promise<boolean> {
    const done = await this.database.uow.run(work);
    if (!done) return false;
    this.dispatcher.wake();
    // Who submitted it counts its failure.
    if (state === 'overdue') this.metrics.jobs.inc({ event: state });
    this.events.publish({ type: `job.${state}`, id: job.id, jobId: job.id, state });
    this.log.info(`job.${state}`, { jobId: job.id, resubmissions: job.resubmissions });
    return true;
  }
}
