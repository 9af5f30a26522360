import { Injectable } from '@nestjs/common';
import { Clock } from '../clock.js';
import { DeliveriesStore } from '../deliveries/deliveries.store.js';
import { deliveryFacts } from '../deliveries/message-composer.service.js';
import { NotFoundError, UnprocessableError } from '../errors.js';
import { afterStep } from '../escalations/escalation.js';
import type { EscalationEntity } from '../escalations/escalation.entity.js';
import { EscalationsStore } from '../escalations/escalations.store.js';
import { StoredFactsReader } from '../jobs/stored-facts.service.js';
import type { Evaluation, Rule, RuleDefinition } from '../rules/rule.js';
import { RulesStore } from '../rules/rules.store.js';
import type { Facts } from '../transcripts/facts.js';
import { NotifyService } from './notify.service.js';

/** What came of an escalation whose step was due. */
export type StepOutcome =
  | { kind: 'taken'; step: number; deliveries: number; state: 'open' | 'exhausted' }
  | { kind: 'stopped'; reason: string }
  /** Another replica was faster, or somebody acknowledged in this moment. */
  | { kind: 'overtaken' };

/**
 * Takes the next step of an escalation: the actions are those of the version of the rule that matched; the facts are made anew from the
 * stored job, and contacts, groups and suppressions are those of now. A rule that was deleted or switched off meanwhile stops it.
 */
@Injectable()
export class EscalationSteps {
  constructor(
    private readonly escalations: EscalationsStore,
    private readonly rules: RulesStore,
    private readonly storedFacts: StoredFactsReader,
    private readonly deliveries: DeliveriesStore,
    private readonly notify: NotifyService,
    private readonly clock: Clock,
  ) {}

  async take(escalation: EscalationEntity): Promise<StepOutcome> {
    const { jobId, trigger, aboutDeliveryId } = escalation;
    const rule = await this.ruleOf(escalation);
    if ('ended' in rule) return this.stop(escalation, rule.ended);
    const facts = await this.factsOf(escalation);
    if (!facts) return this.stop(escalation, 'its job was erased');
    const number = escalation.step + 1;
    const steps = rule.escalate ?? [];
    const step = steps[escalation.step];
    if (!step) return this.stop(escalation, 'the rule has no further step');
    const evaluation = await this.evaluationOf(escalation);
    const plan = await this.notify.planStep(
      { rule: { ...rule, actions: step.actions }, evaluation, step: number },
      facts,
    );
    const next = afterStep(steps, number, this.clock.now());
    const occasion = { jobId, ...(aboutDeliveryId === null ? {} : { aboutDeliveryId }) };
    const deliveries = await this.escalations.takeStep(escalation, {
      ...next,
      skipped: plan.skipped,
      enqueue: (tx) => this.notify.writeStep(tx, plan, trigger, occasion),
    });
    if (deliveries === undefined) return { kind: 'overtaken' };
    return { kind: 'taken', step: number, deliveries, state: next.state };
  }

  /** The version that matched; or why there are no further steps. */
  private async ruleOf({ ruleId, ruleVersion }: EscalationEntity): Promise<Rule | { ended: string }> {
    const current = await this.rules.get(ruleId).catch((error: unknown) => {
      if (error instanceof NotFoundError) return undefined;
      throw error;
    });
    if (!current) return { ended: 'the rule was deleted' };
    if (!current.rule.enabled) return { ended: 'the rule was switched off' };
    const [saved] = await this.rules.versions(ruleId, 1, ruleVersion + 1);
    const definition: RuleDefinition | null = saved?.version === ruleVersion ? saved.definition : null;
    if (!definition) return { ended: 'the version of the rule that matched is not there any more' };
    const { createdAt, updatedAt } = current.rule;
    return { ...definition, id: ruleId, version: ruleVersion, createdAt, updatedAt };
  }

  private async factsOf({ jobId, aboutDeliveryId }: EscalationEntity): Promise<Facts | undefined> {
    try {
      const { facts } = await this.storedFacts.read(jobId);
      const about = aboutDeliveryId === null ? null : await this.deliveries.find(aboutDeliveryId);
      return about ? { ...facts, delivery: deliveryFacts(about, about.reason ?? '') } : facts;
    } catch (error) {
      if (error instanceof UnprocessableError) return undefined;
      throw error;
    }
  }

  private async evaluationOf(escalation: EscalationEntity): Promise<Evaluation> {
    const { ruleId, ruleName, ruleVersion } = escalation;
    const matches = await this.escalations.matchesOf(escalation);
    return { ruleId, ruleName, ruleVersion, matched: true, conditions: [], matches };
  }

  private async stop(escalation: EscalationEntity, reason: string): Promise<StepOutcome> {
    return (await this.escalations.stop(escalation, reason)) ? { kind: 'stopped', reason } : { kind: 'overtaken' };
  }
}
