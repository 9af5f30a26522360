import { Inject, Injectable } from '@nestjs/common';
import { AuditStore } from '../database/audit.store.js';
import { Database } from '../database/database.service.js';
import { DISPATCHER, type DeliveryDispatcher } from '../deliveries/delivery-dispatcher.js';
import { ConflictError, GoneError, NotFoundError, UnprocessableError } from '../errors.js';
import { isoTime } from '../iso-time.js';
import { JobsStore } from '../jobs/jobs.store.js';
import { StoredFactsReader, type StoredJob } from '../jobs/stored-facts.service.js';
import { Log } from '../log.service.js';
import { ThreadStoppedError } from '../one-thread.service.js';
import type { CompiledRule } from '../rules/evaluate.js';
import { factsOn } from '../rules/facts-on.js';
import { apart, together } from '../rules/merge.js';
import type { Notification, SkippedRecipient } from '../rules/plan.js';
import { ReadingThread } from '../rules/reading-thread.service.js';
import { RuleVersionsStore } from '../rules/rule-versions.store.js';
import { RulesStore } from '../rules/rules.store.js';
import type { Trigger } from '../transcripts/facts.js';
import { TranscriptsStore } from '../transcripts/transcripts.store.js';
import { newNotifications, type Planned } from './new-notifications.js';
import { NotifyService, type Decision } from './notify.service.js';
import { ReplayStore } from './replay.store.js';

/** `then`: the rules in force when the job came to its end; `now`: those of today. */
export type ReplayedRules = 'then' | 'now';

/** What rules make of a job once more. */
export interface Replay {
  on: Trigger;
  /** Epoch milliseconds: the rules as they were at this time; null for those of today. */
  rulesAt: number | null;
  evaluated: number;
  matched: { ruleId: string; ruleName: string; ruleVersion: number }[];
  /** Messages that nothing was planned for yet. */
  fresh: Notification[];
  /** Messages of the plan that were planned before. */
  known: number;
  skipped: SkippedRecipient[];
  /** Deliveries that were made of `fresh`; 0 for a dry run. */
  planned: number;
}

/** What the rules are asked about. */
interface Occasion {
  trigger: Trigger;
  /** Epoch milliseconds. */
  at: number;
}

/** Evaluates a job once more, and plans what nobody was told of yet. */
@Injectable()
export class JobReplayer {
  constructor(
    @Inject(DISPATCHER) private readonly dispatcher: DeliveryDispatcher,
    private readonly database: Database,
    private readonly storedFacts: StoredFactsReader,
    private readonly jobs: JobsStore,
    private readonly transcripts: TranscriptsStore,
    private readonly replays: ReplayStore,
    private readonly rules: RulesStore,
    private readonly versions: RuleVersionsStore,
    private readonly reading: ReadingThread,
    private readonly notify: NotifyService,
    private readonly audit: AuditStore,
    private readonly log: Log,
  ) {}

  /**
   * @param actor who asks, when what is new is to be planned; undefined for a dry run
   * @throws NotFoundError, ConflictError, GoneError
   */
  async replay(jobId: string, which: ReplayedRules, actor: string | undefined): Promise<Replay> {
    const stored = await this.storedFacts.find(jobId);
    if (!stored) throw new NotFoundError('There is no such job');
    const { trigger, at } = await this.occasionOf(stored);
    const rules = which === 'now' ? await this.rules.compiled(trigger) : await this.versions.inForceAt(trigger, at);
    const decision = await this.decide(stored, trigger, rules);
    const { notifications, skipped } = decision.plan;
    const { fresh, planned } =
      actor === undefined ? await this.look(jobId, decision) : await this.plan(jobId, decision, which, actor);
    return {
      on: trigger,
      rulesAt: which === 'now' ? null : at,
      evaluated: decision.evaluations.length,
      matched: decision.evaluations
        .filter(({ matched }) => matched)
        .map(({ ruleId, ruleName, ruleVersion }) => ({ ruleId, ruleName, ruleVersion })),
      fresh,
      known: notifications.length - fresh.length,
      skipped,
      planned,
    };
  }

  private async occasionOf({ job }: StoredJob): Promise<Occasion> {
    const settledAt = job.settledAt ?? job.createdAt;
    switch (job.state) {
      case 'completed':
        if (job.contentDroppedAt !== null)
          throw new GoneError(
            `The words of this job were dropped at ${isoTime(job.contentDroppedAt)} (HERALD_CONTENT_RETENTION_DAYS): there is nothing to evaluate`,
          );
        return {
          trigger: 'transcript.completed',
          at: (await this.replays.transcriptCameAt(job.id)) ?? settledAt,
        };
      case 'failed':
        return { trigger: 'transcript.failed', at: settledAt };
      case 'overdue':
        return { trigger: 'job.overdue', at: job.overdueAt ?? settledAt };
      default:
        throw new ConflictError(`The job is ${job.state}: its transcript has not come yet, so no rule was evaluated`);
    }
  }

  private async decide(
    { job, facts: all, transcript }: StoredJob,
    trigger: Trigger,
    rules: readonly CompiledRule[],
  ): Promise<Decision> {
    const facts = factsOn(trigger, all);
    if (!facts) throw new ConflictError('What came of the job is not kept any more');
    const packed = transcript?.whole && (await this.transcripts.findJson(job.id))?.packed;
    if (!packed || trigger !== 'transcript.completed') return this.notify.decide(trigger, facts, transcript, rules);
    try {
      const looked = await this.notify.look(rules, facts.job);
      const task = { packed, job: facts.job, rules: rules.map(({ rule }) => rule), series: looked.snapshot };
      return await this.notify.decideJudged(trigger, await this.reading.evaluate(task), rules, looked);
    } catch (error) {
      if (!(error instanceof ThreadStoppedError)) throw error;
      throw new UnprocessableError(`Evaluating the rules on this transcript ${error.message}`);
    }
  }

  private async look(jobId: string, { plan }: Decision): Promise<Pick<Replay, 'fresh' | 'planned'>> {
    const before = await this.replays.planned(this.database.reads, jobId);
    return { fresh: freshIn(plan.notifications, before), planned: 0 };
  }

  /** Two replays at once see each other's deliveries: the job is locked. */
  private async plan(
    jobId: string,
    decision: Decision,
    rules: ReplayedRules,
    actor: string,
  ): Promise<Pick<Replay, 'fresh' | 'planned'>> {
    const done = await this.database.uow.run(async (tx) => {
      await this.jobs.lock(tx, jobId);
      const fresh = freshIn(decision.plan.notifications, await this.replays.planned(tx, jobId));
      const planned = fresh.length === 0 ? 0 : await this.notify.write(tx, onlyOf(decision, fresh), { jobId });
      await this.audit.record(tx, actor, 'job.replayed', jobId, { rules, planned });
      return { fresh, planned };
    });
    if (done.planned > 0) this.dispatcher.wake();
    this.log.info('job.replayed', { jobId, rules, planned: done.planned });
    return done;
  }
}

/** What no message told of before, as messages. */
function freshIn(plan: readonly Notification[], before: readonly Planned[]): Notification[] {
  return together(newNotifications(plan.flatMap(apart), before));
}

/** Evaluations of the rules that have something new to tell; the others were kept when the job was settled. */
function onlyOf(decision: Decision, fresh: Notification[]): Decision {
  const telling = new Set(fresh.flatMap(apart).map(({ ruleId }) => ruleId));
  const { trigger, evaluations, plan, escalations, series } = decision;
  return {
    trigger,
    series,
    escalations: escalations.filter(({ ruleId }) => telling.has(ruleId)),
    evaluations: evaluations.filter(({ ruleId }) => telling.has(ruleId)),
    plan: { notifications: fresh, skipped: plan.skipped.filter(({ ruleId }) => telling.has(ruleId)) },
  };
}
