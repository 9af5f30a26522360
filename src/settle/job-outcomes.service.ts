import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Database } from '../database/database.service.js';
import { Deaths } from '../deliveries/deaths.service.js';
import type { DeliveryEntity } from '../deliveries/delivery.entity.js';
import { DISPATCHER, type DeliveryDispatcher } from '../deliveries/delivery-dispatcher.js';
import { deliveryFacts } from '../deliveries/message-composer.service.js';
import { EventBus } from '../event-bus.service.js';
import type { JobEntity } from '../jobs/job.entity.js';
import { JobSubmitter } from '../jobs/job-submitter.service.js';
import { JobsStore } from '../jobs/jobs.store.js';
import { JobWatchdog } from '../jobs/watchdog.service.js';
import { Log } from '../log.service.js';
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
    private readonly transcripts: TranscriptsStore,
    private readonly notify: NotifyService,
    private readonly submitter: JobSubmitter,
    private readonly watchdog: JobWatchdog,
    private readonly deaths: Deaths,
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
    return this.commit(job, 'job.failed', async (tx) => {
      if (!(await this.jobs.fail(tx, job.id, failure, owner))) return false;
      await this.notify.write(tx, decision, { jobId: job.id });
      return true;
    });
  }

  private async overdue(job: JobEntity): Promise<boolean> {
    const decision = await this.notify.decide('job.overdue', toFacts(this.jobs.facts(job)));
    return this.commit(job, 'job.overdue', async (tx) => {
      if (!(await this.jobs.markOverdue(tx, job.id))) return false;
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

  private async commit(job: JobEntity, event: string, work: (tx: EntityManager) => Promise<boolean>): Promise<boolean> {
    const done = await this.database.uow.run(work);
    if (!done) return false;
    this.dispatcher.wake();
    this.events.publish({ type: event, id: job.id, jobId: job.id });
    this.log.info(event, { jobId: job.id });
    return true;
  }
}
