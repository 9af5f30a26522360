import { Injectable } from '@nestjs/common';
import { In, LessThan } from 'typeorm';
import { Database } from '../database/database.service.js';
import { DeliveryEntity } from '../deliveries/delivery.entity.js';
import { EvaluationEntity } from '../rules/evaluation.entity.js';
import { RuleVersionEntity } from '../rules/rule.entity.js';
import type { RuleDefinition, SpeechMatch } from '../rules/rule.js';
import { subjectOf, type EscalationState } from './escalation.js';
import { EscalationEntity } from './escalation.entity.js';

interface EscalationFilter {
  state?: EscalationState | undefined;
  jobId?: string | undefined;
  ruleId?: string | undefined;
}

/** What an escalation began with. */
interface Matched {
  definition: RuleDefinition;
  matches: SpeechMatch[];
}

/** Reads of escalations, and of what they came from. */
@Injectable()
export class EscalationsQueryStore {
  constructor(private readonly database: Database) {}

  find(id: string): Promise<EscalationEntity | null> {
    return this.database.reads.findOneBy(EscalationEntity, { id });
  }

  /** Newest first; one row more than `limit` tells of a next page. */
  list(filter: EscalationFilter, page: { cursor?: string | undefined; limit: number }): Promise<EscalationEntity[]> {
    const { state, jobId, ruleId } = filter;
    return this.database.reads.find(EscalationEntity, {
      where: {
        ...(state === undefined ? {} : { state }),
        ...(jobId === undefined ? {} : { jobId }),
        ...(ruleId === undefined ? {} : { ruleId }),
        ...(page.cursor === undefined ? {} : { id: LessThan(page.cursor) }),
      },
      order: { id: 'DESC' },
      take: page.limit + 1,
    });
  }

  /** A delivery, and the escalations that its link acknowledges; undefined when there is none. */
  async behindLink(
    deliveryId: string,
  ): Promise<{ delivery: DeliveryEntity; escalations: EscalationEntity[] } | undefined> {
    const delivery = await this.database.reads.findOneBy(DeliveryEntity, { id: deliveryId });
    if (!delivery) return undefined;
    const { jobId, aboutDeliveryId, ruleId } = delivery;
    const escalations = await this.database.reads.findBy(EscalationEntity, {
      jobId,
      subject: subjectOf(jobId, aboutDeliveryId),
      ruleId,
    });
    return escalations.length === 0 ? undefined : { delivery, escalations };
  }

  /** The version of the rule that matched, and the words that made it match; undefined when that version is not there any more. */
  async matched({ jobId, ruleId, ruleVersion }: EscalationEntity): Promise<Matched | undefined> {
    const { reads } = this.database;
    const saved = await reads.findOneBy(RuleVersionEntity, { ruleId, version: ruleVersion });
    if (!saved?.definition) return undefined;
    const evaluation = await reads.findOne(EvaluationEntity, {
      where: { jobId, ruleId, ruleVersion, matched: true },
      order: { id: 'DESC' },
    });
    return { definition: saved.definition, matches: evaluation?.data.matches ?? [] };
  }

  /** The deliveries by whose links these were acknowledged, by id. */
  async acknowledgers(escalations: readonly EscalationEntity[]): Promise<Map<string, DeliveryEntity>> {
    const ids = escalations.flatMap(({ acknowledgedDeliveryId }) => acknowledgedDeliveryId ?? []);
    if (ids.length === 0) return new Map();
    const found = await this.database.reads.find(DeliveryEntity, {
      where: { id: In(ids) },
      select: { id: true, kind: true, channel: true, recipient: true, recipientData: true },
    });
    return new Map(found.map((delivery) => [delivery.id, delivery]));
  }
}
