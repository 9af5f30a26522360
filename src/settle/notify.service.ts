import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { ChannelsRegistry } from '../channels/channels.registry.service.js';
import { Clock } from '../clock.js';
import { DeliveriesStore } from '../deliveries/deliveries.store.js';
import { NEVER } from '../deliveries/delivery.js';
import { RestoredStore } from '../deliveries/restored.store.js';
import { startsOf, type EscalationStart } from '../escalations/escalation.js';
import { EscalationsStore } from '../escalations/escalations.store.js';
import { RecipientsStore } from '../recipients/recipients.store.js';
import { EvaluationsStore } from '../rules/evaluations.store.js';
import { evaluateStepwise, type CompiledRule } from '../rules/evaluate.js';
import { planStepwise, type Notification, type Plan } from '../rules/plan.js';
import type { Judged } from '../rules/reading.js';
import type { Evaluation, RuleMatch } from '../rules/rule.js';
import { RulesStore } from '../rules/rules.store.js';
import { inSlices } from '../slices.service.js';
import type { Facts, Trigger } from '../transcripts/facts.js';
import { toSpeech } from '../transcripts/speech.js';
import type { Transcript } from '../transcripts/transcript.js';

/** What the rules made of one fact: made before the transaction, written inside it. */
export interface Decision {
  trigger: Trigger;
  evaluations: Evaluation[];
  plan: Plan;
  /** What begins with these messages, and goes on until somebody acknowledges. */
  escalations: EscalationStart[];
}

/** What notifications are written for. */
interface Occasion {
  jobId: string;
  callbackId?: string;
  replay?: boolean;
  aboutDeliveryId?: string;
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
    const speech = transcript && toSpeech(transcript);
    const { evaluations, matches } = await inSlices(evaluateStepwise(compiled, facts, speech));
    return this.plan(trigger, facts, evaluations, matches);
  }

  /** For evaluations that were made elsewhere, on these rules. */
  async decideJudged(
    trigger: Trigger,
    { facts, evaluations }: Judged,
    rules: readonly CompiledRule[],
  ): Promise<Decision> {
    const byId = new Map(rules.map(({ rule }) => [rule.id, rule]));
    const matches = evaluations.flatMap((evaluation) => {
      const rule = evaluation.matched ? byId.get(evaluation.ruleId) : undefined;
      return rule ? [{ rule, evaluation }] : [];
    });
    return this.plan(trigger, facts, evaluations, matches);
  }

  private async plan(
    trigger: Trigger,
    facts: Facts,
    evaluations: Evaluation[],
    matches: RuleMatch[],
  ): Promise<Decision> {
    const directory = await this.recipients.directory();
    const plan = await inSlices(planStepwise(matches, facts, directory, this.channels.all(), this.clock.now()));
    return { trigger, evaluations, plan, escalations: startsOf(matches) };
  }

  /** @param match a rule with the actions of one of its steps */
  async planStep(match: RuleMatch, facts: Facts): Promise<Plan> {
    const { plan } = await this.plan(match.rule.on, facts, [], [match]);
    return plan;
  }

  /** @returns how many deliveries were new */
  writeStep(tx: EntityManager, plan: Plan, trigger: Trigger, occasion: Occasion): Promise<number> {
    return this.enqueue(tx, plan, trigger, occasion);
  }

  /** @returns how many deliveries were new */
  async write(tx: EntityManager, decision: Decision, occasion: Occasion): Promise<number> {
    const { trigger, evaluations, plan, escalations } = decision;
    const { jobId, callbackId } = occasion;
    await this.evaluations.insert(tx, { jobId, callbackId, trigger }, evaluations, plan.skipped);
    await this.escalations.open(tx, escalations, { ...occasion, trigger });
    return this.enqueue(tx, plan, trigger, occasion);
  }

  private async enqueue(tx: EntityManager, plan: Plan, trigger: Trigger, occasion: Occasion): Promise<number> {
    const { jobId, callbackId, replay = false, aboutDeliveryId } = occasion;
    const notifications = await this.held(plan.notifications, [jobId, ...(callbackId ? [callbackId] : [])]);
    return this.deliveries.enqueue(tx, notifications, {
      jobId,
      trigger,
      replay,
      ...(aboutDeliveryId === undefined ? {} : { aboutDeliveryId }),
    });
  }

  /** Of jobs and callbacks from before a restored backup: what they tell may have been told after it. */
  private async held(notifications: Notification[], ids: string[]): Promise<Notification[]> {
    const reason = await this.restored.reason(ids);
    if (reason === undefined) return notifications;
    return notifications.map((notification) =>
      notification.state === 'queued' || notification.state === 'waiting'
        ? { ...notification, state: 'held', reason, dueAt: NEVER }
        : notification,
    );
  }
}
