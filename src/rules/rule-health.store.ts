import { Injectable } from '@nestjs/common';
import { Clock } from '../clock.js';
import { Database } from '../database/database.service.js';
import { Snapshot } from '../database/snapshot.js';
import { DAY, HOUR, SECOND } from '../duration.js';
import type { EvaluationOutcome } from './evaluation.entity.js';
import type { RuleCounts } from './rule-health.js';

/** What came of all rules in a window of time. */
export interface RuleWindow {
  /** Of one version of a rule. */
  counts(rule: { id: string; version: number }): RuleCounts;
  /** When any version of a rule matched last inside the window, in epoch milliseconds. */
  lastMatchedAt(ruleId: string): number | null;
}

/** One statement counts the evaluations of this long: a million in a week hold up nobody else. */
const STEP = HOUR;
/** Who pages through many rules has them counted once. */
const KEPT = 30 * SECOND;
const NOTHING: RuleCounts = { evaluated: 0, matched: 0, failed: 0 };

/** Counts what came of rules, out of the index alone. */
@Injectable()
export class RuleHealthStore {
  private kept: { days: number; snapshot: Snapshot<RuleWindow> } | undefined;

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /** What came of the rules in the last days; at most half a minute old. */
  window(days: number): Promise<RuleWindow> {
    if (this.kept?.days !== days) {
      const now = (): number => this.clock.now();
      this.kept = { days, snapshot: new Snapshot(() => this.count(now() - days * DAY, now() + 1), now, KEPT) };
    }
    return this.kept.snapshot.get();
  }

  private async count(from: number, until: number): Promise<RuleWindow> {
    const counted = new Map<string, RuleCounts>();
    const matched = new Map<string, number>();
    for (let step = from; step < until; step += STEP) {
      // Between two statements everybody else has a turn.
      await new Promise((resolve) => setImmediate(resolve));
      for (const row of await this.step(step, Math.min(until, step + STEP))) {
        counted.set(keyOf(row), plus(counted.get(keyOf(row)) ?? NOTHING, row));
        if (row.outcome === 'matched') matched.set(row.id, row.last);
      }
    }
    return {
      counts: (rule) => counted.get(keyOf(rule)) ?? NOTHING,
      lastMatchedAt: (id) => matched.get(id) ?? null,
    };
  }

  private step(from: number, to: number): Promise<Counted[]> {
    return this.database.read<Counted>(
      `select rule_id as id, rule_version as version, outcome, count(*) as count, max(created_at) as last
         from evaluations where created_at >= ? and created_at < ?
        group by rule_id, rule_version, outcome order by max(created_at)`,
      [from, to],
    );
  }
}

interface Counted {
  id: string;
  version: number;
  outcome: EvaluationOutcome;
  count: number | string;
  last: number;
}

function keyOf({ id, version }: { id: string; version: number }): string {
  return `${id}:${String(version)}`;
}

function plus({ evaluated, matched, failed }: RuleCounts, { outcome, count }: Counted): RuleCounts {
  const n = Number(count);
  return {
    evaluated: evaluated + (outcome === 'skipped' ? 0 : n),
    matched: matched + (outcome === 'matched' ? n : 0),
    failed: failed + (outcome === 'failed' ? n : 0),
  };
}
