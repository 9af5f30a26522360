import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { ChannelsRegistry } from '../channels/channels.registry.service.js';
import { Clock } from '../clock.js';
import { DeliveriesStore, type EnqueueSource } from '../deliveries/deliveries.store.js';
import { NEVER } from '../deliveries/delivery.js';
import { RestoredStore } from '../deliveries/restored.store.js';
import { startsOf, type EscalationStart } from '../escalations/escalation.js';
import { EscalationsStore } from '../escalations/escalations.store.js';
import { RecipientsStore } from '../recipients/recipients.store.js';
import { EvaluationsStore } from '../rules/evaluations.store.js';
import { evaluateStepwise, seriesOf, type CompiledRule } from '../rules/evaluate.js';
import { togetherStepwise } from '../rules/merge.js';
import { planStepwise, type Notification, type Plan } from '../rules/plan.js';
import type { Judged } from '../rules/reading.js';
import type { Observation } from '../rules/series.js';
import type { Evaluation, RuleMatch } from '../rules/rule.js';
import { RulesStore } from '../rules/rules.store.js';
import { SeriesStore, type Looked } from '../rules/series.store.js';
import { ThrottlesStore } from '../rules/throttles.store.js';
import { inSlices } from '../slices.service.js';
import type { Facts, JobFacts, Trigger } from '../transcripts/facts.js';
import { toSpeech } from '../transcripts/speech.js';
import type { Transcript } from '../transcripts/transcript.js';

/** What the rules made of one fact: made before the transaction, written inside it. */
export interface Decision {
  trigger: Trigger;
  evaluations: Evaluation[];
  plan: Plan;
  /** What begins with these messages, and goes on until somebody acknowledges. */
  escalations: EscalationStart[];
  /** What the call is in series over many calls, and what of those before was known. */
  series: { tags: Readonly<Record<string, string>>; observations: Observation[]; looked: Looked };
}

/** What notifications are written for. */
interface Occasion {
  jobId: string;
  callbackId?: string;
  replay?: boolean;
  aboutDeliveryId?: string;
  /** Fails when another call that the conditions count was settled meanwhile. */
  exact?: boolean;
}

/** Rules to deliveries, for everything that fires rules. */
@Injectable()
export class NotifyService {
  constructor(
    private readonly rules: RulesStore,
    private readonly recipients: RecipientsStore,
    private readonly channels: ChannelsRegistry,
    private readonly deliveries: DeliveriesStore,
    private readonly evaluations: EvaluationsStore,
    private readonly restored: RestoredStore,
    private readonly escalations: EscalationsStore,
    private readonly throttles: ThrottlesStore,
    private readonly series: SeriesStore,
    private readonly clock: Clock,
  ) {}

  /** Evaluates the rules here, in slices. @param rules those of today when left out */
  async decide(
    trigger: Trigger,
    facts: Facts,
    transcript?: Transcript,
    rules?: readonly CompiledRule[],
  ): Promise<Decision> {
    const compiled = rules ?? (await this.rules.compiled(trigger));
    const looked = await this.look(compiled, facts.job);
    const speech = transcript && toSpeech(transcript);
    const { matches, ...judged } = await inSlices(evaluateStepwise(compiled, facts, speech, looked.snapshot));
    return this.plan(trigger, { ...judged, facts }, matches, looked);
  }

  /** What the rules ask of the calls before one, with the answers. */
  look(rules: readonly CompiledRule[], job: Pick<JobFacts, 'id' | 'tags'>): Promise<Looked> {
    return this.series.before(seriesOf(rules), job);
  }

  /** For evaluations that were made elsewhere, on these rules and with these answers. */
  async decideJudged(
    trigger: Trigger,
    judged: Judged,
    rules: readonly CompiledRule[],
    looked: Looked,
  ): Promise<Decision> {
    const byId = new Map(rules.map(({ rule }) => [rule.id, rule]));
    const matches = judged.evaluations.flatMap((evaluation) => {
      const rule = evaluation.matched ? byId.get(evaluation.ruleId) : undefined;
      return rule ? [{ rule, evaluation }] : [];
    });
    return this.plan(trigger, judged, matches, looked);
  }

  private async plan(
    trigger: Trigger,
    { facts, evaluations, observations }: Judged,
    matches: RuleMatch[],
    looked: Looked,
  ): Promise<Decision> {
    const directory = await this.recipients.directory();
    const plan = await inSlices(planStepwise(matches, facts, directory, this.channels.all(), this.clock.now()));
    const series = { tags: facts.job.tags, observations, looked };
    return { trigger, evaluations, plan, escalations: startsOf(matches), series };
  }

  /** @param match a rule with the actions of one of its steps */
  async planStep(match: RuleMatch, facts: Facts): Promise<Plan> {
    const directory = await this.recipients.directory();
    return inSlices(planStepwise([match], facts, directory, this.channels.all(), this.clock.now()));
  }

  /** No throttle holds back what nobody has acknowledged. @returns how many deliveries were new */
  async writeStep(tx: EntityManager, plan: Plan, trigger: Trigger, occasion: Occasion): Promise<number> {
    return this.deliveries.enqueue(tx, await this.held(plan.notifications, occasion), sourceOf(trigger, occasion));
  }

  /**
   * @returns how many deliveries were new
   * @throws SeriesMovedError when it should be exact, and is not: decide again
   */
  async write(tx: EntityManager, decision: Decision, occasion: Occasion): Promise<number> {
    const { trigger, evaluations, plan } = decision;
    const { jobId, callbackId } = occasion;
    const source = sourceOf(trigger, occasion);
    const { tags, observations, looked } = decision.series;
    await this.series.record(tx, observations, { id: jobId, tags }, looked, occasion.exact ?? false);
    const fresh = await this.deliveries.unplanned(tx, plan.notifications, source);
    const { admitted, skipped } = await this.throttles.admit(tx, fresh, jobId);
    await this.evaluations.insert(tx, { jobId, callbackId, trigger }, evaluations, [...plan.skipped, ...skipped]);
    const told = new Set(admitted.map(({ ruleId }) => ruleId));
    const throttled = new Set(skipped.map(({ ruleId }) => ruleId).filter((ruleId) => !told.has(ruleId)));
    const escalations = decision.escalations.filter(({ ruleId }) => !throttled.has(ruleId));
    await this.escalations.open(tx, escalations, { ...occasion, trigger });
    const notifications = await this.held(admitted, occasion);
    return this.deliveries.insert(tx, await inSlices(togetherStepwise(notifications)), source);
  }

  /** Of jobs and callbacks from before a restored backup: what they tell may have been told after it. */
  private async held(notifications: Notification[], { jobId, callbackId }: Occasion): Promise<Notification[]> {
    const reason = await this.restored.reason([jobId, ...(callbackId ? [callbackId] : [])]);
    if (reason === undefined) return notifications;
    return notifications.map((notification) =>
      notification.state === 'queued' || notification.state === 'waiting'
        ? { ...notification, state: 'held', reason, dueAt: NEVER }
        : notification,
    );
  }
}

function sourceOf(trigger: Trigger, { jobId, replay = false, aboutDeliveryId }: Occasion): EnqueueSource {
  return { jobId, trigger, replay, ...(aboutDeliveryId === undefined ? {} : { aboutDeliveryId }) };
}
