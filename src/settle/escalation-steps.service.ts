import { Injectable } from '@nestjs/common';
import { DeliveriesStore } from '../deliveries/deliveries.store.js';
import { deliveryFacts } from '../deliveries/message-composer.service.js';
import { NotFoundError, UnprocessableError } from '../errors.js';
import { afterStep } from '../escalations/escalation.js';
import type { EscalationEntity } from '../escalations/escalation.entity.js';
import { EscalationsQueryStore } from '../escalations/escalations.query.store.js';
import { EscalationsStore } from '../escalations/escalations.store.js';
import { StoredFactsReader } from '../jobs/stored-facts.service.js';
import type { RuleDefinition, RuleMatch, SpeechMatch } from '../rules/rule.js';
import { RulesStore } from '../rules/rules.store.js';
import { atStep } from '../rules/steps.js';
import type { Facts } from '../transcripts/facts.js';
import { NotifyService } from './notify.service.js';

/** What came of an escalation whose step was due. */
export type StepOutcome =
  | { kind: 'taken'; step: number; deliveries: number }
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
    private readonly queries: EscalationsQueryStore,
    private readonly rules: RulesStore,
    private readonly storedFacts: StoredFactsReader,
    private readonly deliveries: DeliveriesStore,
    private readonly notify: NotifyService,
  ) {}

  async take(escalation: EscalationEntity): Promise<StepOutcome> {
    const ended = await this.endOf(escalation);
    if (ended !== undefined) return this.stop(escalation, ended);
    const matched = await this.queries.matched(escalation);
    if (!matched) return this.stop(escalation, 'the version of the rule that matched is not there any more');
    const match = atStep(matchOf(escalation, matched.definition, matched.matches), escalation.step + 1);
    if (!match) return this.stop(escalation, 'the rule has no further step');
    const facts = await this.factsOf(escalation);
    if (!facts) return this.stop(escalation, 'its job was erased');
    return this.send(escalation, match, facts);
  }

  private async send(
    escalation: EscalationEntity,
    match: RuleMatch & { step: number },
    facts: Facts,
  ): Promise<StepOutcome> {
    const { jobId, trigger, aboutDeliveryId } = escalation;
    const plan = await this.notify.planStep(match, facts);
    const occasion = { jobId, ...(aboutDeliveryId === null ? {} : { aboutDeliveryId }) };
    const deliveries = await this.escalations.takeStep(escalation, {
      next: (now) => afterStep(match.rule.escalate ?? [], match.step, now),
      skipped: plan.skipped,
      enqueue: (tx) => this.notify.writeStep(tx, plan, trigger, occasion),
    });
    return deliveries === undefined ? { kind: 'overtaken' } : { kind: 'taken', step: match.step, deliveries };
  }

  /** Why there are no further steps; undefined when there may be. */
  private async endOf({ ruleId }: EscalationEntity): Promise<string | undefined> {
    try {
      const { rule } = await this.rules.get(ruleId);
      return rule.enabled ? undefined : 'the rule was switched off';
    } catch (error) {
      if (error instanceof NotFoundError) return 'the rule was deleted';
      throw error;
    }
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

  private async stop(escalation: EscalationEntity, reason: string): Promise<StepOutcome> {
    return (await this.escalations.stop(escalation, reason)) ? { kind: 'stopped', reason } : { kind: 'overtaken' };
  }
}

/** The match as it was, made from what is stored of it. */
function matchOf(
  { ruleId, ruleName, ruleVersion, openedAt }: EscalationEntity,
  definition: RuleDefinition,
  matches: SpeechMatch[],
): RuleMatch {
  return {
    rule: { ...definition, id: ruleId, version: ruleVersion, createdAt: openedAt, updatedAt: openedAt },
    evaluation: { ruleId, ruleName, ruleVersion, matched: true, conditions: [], matches },
  };
}
