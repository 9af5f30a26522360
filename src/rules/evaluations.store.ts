import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { Clock } from '../clock.js';
import { Ids } from '../ids.service.js';
import { slices } from '../slices.service.js';
import type { Trigger } from '../transcripts/facts.js';
import { EvaluationEntity, type EvaluationOutcome } from './evaluation.entity.js';
import type { SkippedRecipient } from './plan.js';
import type { Evaluation } from './rule.js';

/** Rows of one statement: a database takes a bounded number of parameters, and the event loop stands still meanwhile. */
const ROWS = 100;

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
    const stepDone = slices();
    const skippedBy = skippedByRule(skipped);
    for (let i = 0; i < evaluations.length; i += ROWS) {
      const rows = evaluations.slice(i, i + ROWS).map((evaluation) => ({
        id: this.ids.next(),
        jobId: source.jobId,
        callbackId: source.callbackId ?? null,
        trigger: source.trigger,
        ruleId: evaluation.ruleId,
        ruleName: evaluation.ruleName,
        ruleVersion: evaluation.ruleVersion,
        matched: evaluation.matched,
        outcome: outcomeOf(evaluation),
        data: evaluation,
        skipped: skippedBy.get(evaluation.ruleId) ?? [],
        createdAt,
      }));
      await tx.insert(EvaluationEntity, rows);
      await stepDone();
    }
  }
}

function outcomeOf({ matched, error, skippedBy }: Evaluation): EvaluationOutcome {
  if (skippedBy !== undefined) return 'skipped';
  if (matched) return 'matched';
  return error === undefined ? 'unmatched' : 'failed';
}

function skippedByRule(skipped: readonly SkippedRecipient[]): Map<string, EvaluationEntity['skipped']> {
  const byRule = new Map<string, EvaluationEntity['skipped']>();
  for (const { ruleId, action, to, reason } of skipped)
    byRule.set(ruleId, [...(byRule.get(ruleId) ?? []), { action, to, reason }]);
  return byRule;
}
