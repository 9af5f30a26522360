import { Injectable } from '@nestjs/common';
import { Database } from '../database/database.service.js';
import { HOUR } from '../duration.js';
import type { EvaluationOutcome } from './evaluation.entity.js';
import type { RuleCounts } from './rule-health.js';

/** A rule, and from when on its evaluations count (epoch milliseconds). */
export interface CountedRule {
  id: string;
  since: number;
}

/** One statement counts the evaluations of this long: a million in a week hold up nobody else. */
const STEP = 2 * HOUR;

/** Counts what came of rules, out of the index alone. */
@Injectable()
export class RuleHealthStore {
  constructor(private readonly database: Database) {}

  /** @param until epoch milliseconds; @returns by rule id; a rule that was not looked at has no entry */
  async counts(rules: readonly CountedRule[], until: number): Promise<Map<string, RuleCounts>> {
    const counted = new Map<string, RuleCounts>();
    const first = Math.min(...rules.map(({ since }) => since));
    for (let from = first; from < until; from += STEP) {
      const to = Math.min(until, from + STEP);
      // Between two statements everybody else has a turn, for each waits for the event loop.
      await new Promise((resolve) => setImmediate(resolve));
      for (const row of await this.step(rules, from, to)) add(counted, row);
    }
    return counted;
  }

  /** When rules matched last, in epoch milliseconds; ever, whatever their version. */
  async lastMatches(ids: readonly string[]): Promise<Map<string, number>> {
    if (ids.length === 0) return new Map();
    const rows = await this.database.read<{ id: string; at: number | null }>(
      `with asked (id) as (values ${ids.map(() => '(cast(? as text))').join(', ')})
       select id, (select max(created_at) from evaluations where matched and rule_id = asked.id) as at from asked`,
      [...ids],
    );
    return new Map(rows.flatMap(({ id, at }) => (at === null ? [] : [[id, at] as const])));
  }

  private step(rules: readonly CountedRule[], from: number, to: number): Promise<Counted[]> {
    const asked = rules.filter(({ since }) => since < to);
    return this.database.read<Counted>(
      `with asked (id, since) as (values ${asked.map(() => '(cast(? as text), cast(? as bigint))').join(', ')})
       select asked.id as id, outcome, count(*) as count
         from asked join evaluations on rule_id = asked.id and created_at >= asked.since and created_at < ?
        group by asked.id, outcome`,
      [...asked.flatMap(({ id, since }) => [id, Math.max(since, from)]), to],
    );
  }
}

interface Counted {
  id: string;
  outcome: EvaluationOutcome;
  count: number | string;
}

function add(counted: Map<string, RuleCounts>, { id, outcome, count }: Counted): void {
  const before = counted.get(id) ?? { evaluated: 0, matched: 0, failed: 0 };
  const n = Number(count);
  counted.set(id, {
    evaluated: before.evaluated + (outcome === 'skipped' ? 0 : n),
    matched: before.matched + (outcome === 'matched' ? n : 0),
    failed: before.failed + (outcome === 'failed' ? n : 0),
  });
}
