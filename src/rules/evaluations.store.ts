import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Clock } from '../clock.js';
import { Ids } from '../ids.service.js';
import type { Trigger } from '../transcripts/facts.js';
import { EvaluationEntity } from './evaluation.entity.js';
import type { SkippedRecipient } from './plan.js';
import type { Evaluation } from './rule.js';

/** Rows of one statement: both databases have a limit on its parameters, and there may be thousands of rules. */
const CHUNK = 500;

/** What the rules made of jobs, with the explanations: of rules that did not match too. */
@Injectable()
export class EvaluationsStore {
  constructor(
    private readonly ids: Ids,
    private readonly clock: Clock,
  ) {}

  /** @param skipped recipients of matching rules that could not be used */
  async insert(
    tx: EntityManager,
    source: { jobId: string; callbackId?: string | undefined; trigger: Trigger },
    evaluations: readonly Evaluation[],
    skipped: readonly SkippedRecipient[],
  ): Promise<void> {
    const createdAt = this.clock.now();
    const rows = evaluations.map((evaluation) => ({
      id: this.ids.next(),
      jobId: source.jobId,
      callbackId: source.callbackId ?? null,
      trigger: source.trigger,
      ruleId: evaluation.ruleId,
      ruleName: evaluation.ruleName,
      ruleVersion: evaluation.ruleVersion,
      matched: evaluation.matched,
      data: evaluation,
      skipped: skipped
        .filter(({ ruleId }) => ruleId === evaluation.ruleId)
        .map(({ action, to, reason }) => ({ action, to, reason })),
      createdAt,
    }));
    for (let i = 0; i < rows.length; i += CHUNK) await tx.insert(EvaluationEntity, rows.slice(i, i + CHUNK));
  }
}
