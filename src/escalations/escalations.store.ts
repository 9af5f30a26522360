import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Clock } from '../clock.js';
import { AuditStore } from '../database/audit.store.js';
import { Database } from '../database/database.service.js';
import { changed, rows } from '../database/unit-of-work.service.js';
import { NEVER } from '../deliveries/delivery.js';
import { MINUTE } from '../duration.js';
import { Ids } from '../ids.service.js';
import { JobsStore } from '../jobs/jobs.store.js';
import type { Trigger } from '../transcripts/facts.js';
import { stepTaken, subjectOf, type AfterStep, type EscalationStart, type SkippedInStep } from './escalation.js';
import { EscalationEntity } from './escalation.entity.js';

/** What escalations begin with. */
interface EscalationSource {
  jobId: string;
  trigger: Trigger;
  /** A rule that has told of the job before, without steps, does not begin to escalate now. */
  replay?: boolean;
  aboutDeliveryId?: string;
}

/** Who acknowledges: a key of the API, or the recipient of a delivery. */
export type Acknowledger = { key: string } | { deliveryId: string };

/** What a step makes, inside of the transaction that takes it. */
interface StepWork {
  /** What stands after it, by the time at which it is taken. */
  next: (now: number) => AfterStep;
  skipped: readonly SkippedInStep[];
  /** @returns how many deliveries were new */
  enqueue: (tx: EntityManager) => Promise<number>;
}

/**
 * Escalations. Each change is a compare-and-set on state and step, in one transaction with what comes of it: whoever is second, be it
 * another replica or the same step after a crash, changes nothing. Every write keeps the job locked first, as an erasure does.
 */
@Injectable()
export class EscalationsStore {
  constructor(
    private readonly database: Database,
    private readonly jobs: JobsStore,
    private readonly ids: Ids,
    private readonly clock: Clock,
    private readonly audit: AuditStore,
  ) {}

  /** Opens escalations, each rule once for a job (or a dead delivery). To be called before the messages of the rules are stored. */
  async open(tx: EntityManager, starts: readonly EscalationStart[], source: EscalationSource): Promise<void> {
    const now = this.clock.now();
    for (const start of starts) {
      if (source.replay && (await this.toldBefore(tx, start, source))) continue;
      await changed(
        tx,
        this.database.dialect.bind(
          `insert into escalations (id, job_id, subject, about_delivery_id, trigger_name, rule_id, rule_name, rule_version,
             state, step, steps, next_at, history, opened_at, updated_at)
           values (?, ?, ?, ?, ?, ?, ?, ?, 'open', 0, ?, ?, '[]', ?, ?) on conflict (subject, rule_id) do nothing`,
        ),
        [
          this.ids.next(),
          source.jobId,
          subjectOf(source.jobId, source.aboutDeliveryId),
          source.aboutDeliveryId ?? null,
          source.trigger,
          start.ruleId,
          start.ruleName,
          start.ruleVersion,
          start.steps,
          now + start.waitMs,
          now,
          now,
        ],
      );
    }
  }

  /** Those whose next step is due, longest due first. */
  due(limit: number): Promise<EscalationEntity[]> {
    return this.database.reads
      .createQueryBuilder(EscalationEntity, 'escalation')
      .where(`escalation.state = 'open' and escalation.nextAt <= :now`, { now: this.clock.now() })
      .orderBy('escalation.nextAt')
      .take(limit)
      .getMany();
  }

  /** Epoch milliseconds of the next step of all; undefined when none is to come. */
  async nextAt(): Promise<number | undefined> {
    const [row] = await this.database.read<{ next: number | null }>(
      `select min(next_at) as next from escalations where state = 'open'`,
    );
    return row?.next ?? undefined;
  }

  /**
   * After the clock was set back: what was written later than now (clocks of replicas differ a little) waits for as long as was left of it.
   * @returns how many
   */
  followClock(): Promise<number> {
    const now = this.clock.now();
    return this.database.uow.run((tx) =>
      changed(
        tx,
        this.database.dialect.bind(
          `update escalations set next_at = next_at - updated_at + ?, updated_at = ? where state = 'open' and updated_at > ?`,
        ),
        [now, now, now + MINUTE],
      ),
    );
  }

  /**
   * Takes the next step: moves on and stores its messages, both or neither.
   * @param escalation as it was read
   * @returns how many deliveries were new; undefined when the step was taken, acknowledged or stopped meanwhile
   */
  takeStep(escalation: EscalationEntity, { next, skipped, enqueue }: StepWork): Promise<number | undefined> {
    const { id, step } = escalation;
    return this.write(escalation.jobId, async (tx) => {
      const now = this.clock.now();
      const { state, nextAt } = next(now);
      const moved = await this.change(
        tx,
        `step = ?, state = ?, next_at = ?, updated_at = ? where id = ? and state = 'open' and step = ?`,
        [step + 1, state, nextAt, now, id, step],
      );
      if (moved === 0) return undefined;
      const deliveries = await enqueue(tx);
      const history = [...escalation.history, stepTaken(step + 1, now, deliveries, skipped)];
      await this.change(tx, 'history = ? where id = ?', [JSON.stringify(history), id]);
      return deliveries;
    });
  }

  /** Ends it without a further step. @returns false when it had moved on meanwhile */
  stop({ id, jobId, step }: EscalationEntity, reason: string): Promise<boolean> {
    return this.write(jobId, async (tx) => {
      const stopped = await this.change(
        tx,
        `state = 'stopped', reason = ?, next_at = null, updated_at = ? where id = ? and state = 'open' and step = ?`,
        [reason, this.clock.now(), id, step],
      );
      return stopped > 0;
    });
  }

  /**
   * Acknowledges, and cancels what their steps planned and nobody has sent yet. The first one counts.
   * @returns ids of those that this call acknowledged
   */
  acknowledge(jobId: string, ids: readonly string[], by: Acknowledger): Promise<string[]> {
    const key = 'key' in by ? by.key : null;
    const deliveryId = 'deliveryId' in by ? by.deliveryId : null;
    return this.write(jobId, async (tx) => {
      const done: string[] = [];
      for (const id of ids) {
        const now = this.clock.now();
        const count = await this.change(
          tx,
          `state = 'acknowledged', next_at = null, acknowledged_at = ?, acknowledged_by = ?, acknowledged_delivery_id = ?,
             updated_at = ? where id = ? and state in ('open', 'exhausted')`,
          [now, key, deliveryId, now, id],
        );
        if (count === 0) continue;
        done.push(id);
        await this.cancelSteps(tx, id);
        await this.audit.record(
          tx,
          key ?? 'recipient',
          'escalation.acknowledged',
          id,
          deliveryId ? { deliveryId } : {},
        );
      }
      return done;
    });
  }

  /** What is in hand goes out, and what may have been sent stays in doubt. */
  private async cancelSteps(tx: EntityManager, id: string): Promise<void> {
    const { dialect } = this.database;
    const [escalation] = await rows<{ job_id: string; rule_id: string; about: string }>(
      tx,
      dialect.bind(`select job_id, rule_id, coalesce(about_delivery_id, '') as about from escalations where id = ?`),
      [id],
    );
    if (!escalation) return;
    await changed(
      tx,
      dialect.bind(
        `update deliveries set state = 'cancelled', reason = 'acknowledged before it was sent', due_at = ?, updated_at = ?
          where job_id = ? and rule_id = ? and coalesce(about_delivery_id, '') = ? and escalation_step > 0
            and state in ('queued', 'waiting', 'held')`,
      ),
      [NEVER, this.clock.now(), escalation.job_id, escalation.rule_id, escalation.about],
    );
  }

  private async toldBefore(tx: EntityManager, { ruleId }: EscalationStart, source: EscalationSource): Promise<boolean> {
    const { jobId, aboutDeliveryId } = source;
    const found = await rows(
      tx,
      this.database.dialect.bind(
        `select id from deliveries where job_id = ? and rule_id = ? and coalesce(about_delivery_id, '') = ? limit 1`,
      ),
      [jobId, ruleId, aboutDeliveryId ?? ''],
    );
    return found.length > 0;
  }

  private change(tx: EntityManager, assignments: string, parameters: unknown[]): Promise<number> {
    return changed(tx, this.database.dialect.bind(`update escalations set ${assignments}`), parameters);
  }

  private write<T>(jobId: string, work: (tx: EntityManager) => Promise<T>): Promise<T> {
    return this.database.uow.run(async (tx) => {
      await this.jobs.lock(tx, jobId);
      return work(tx);
    });
  }
}
