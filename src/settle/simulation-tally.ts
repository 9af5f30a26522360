import type { Notification, SkippedRecipient } from '../rules/plan.js';
import type { Change, PlanDifference } from '../rules/plan-difference.js';
import type { Judgement } from '../rules/simulate.js';

/** What one occasion came to, before anything is shown of it. */
export interface Outcome extends PlanDifference {
  jobId: string;
  judgement: Omit<Judgement, 'observations'>;
  /** Of the rules that are looked at. */
  messages: Notification[];
  skipped: SkippedRecipient[];
}

/** What of an occasion is shown. */
export type Shown = Pick<Outcome, 'messages' | 'added' | 'removed' | 'changed'>;

const LISTS = ['messages', 'added', 'removed', 'changed'] as const;
type List = (typeof LISTS)[number];

interface RuleFigures extends Record<List, number> {
  ruleName: string;
  matched: number;
}

/** Different faults and skipped recipients that are told; each says how often and of which job first. */
const KINDS_MAX = 100;

/** Counts a simulation. All is counted; of each list only the first are kept. */
export class SimulationTally {
  transcripts = 0;
  matched = 0;
  unreadable = 0;
  truncated = false;
  readonly totals: Record<List, number> = { messages: 0, added: 0, removed: 0, changed: 0 };
  private readonly shown: Record<List, number> = { messages: 0, added: 0, removed: 0, changed: 0 };
  private readonly byRule = new Map<string, RuleFigures>();
  private readonly stops = new Map<string, { by: string; count: number }>();
  private readonly faultsSeen = new Map<string, { ruleName: string; error: string; count: number; jobId: string }>();
  private readonly skips = new Map<
    string,
    { ruleName: string; action: number; to: string; reason: string; count: number; jobId: string }
  >();

  /**
   * @param limit of each list
   * @param focus id of the rule that is looked at; absent: all
   * @param names of the rules, by id
   */
  constructor(
    private readonly limit: number,
    private readonly focus: string | undefined,
    private readonly names: ReadonlyMap<string, string>,
  ) {}

  /** @returns what of it there is room for */
  add(outcome: Outcome): Shown {
    const { judgement, jobId } = outcome;
    const matching = judgement.proposed.filter(({ ruleId }) => this.isLookedAt(ruleId));
    if (matching.length > 0) this.matched++;
    for (const { ruleName } of matching) this.figures(ruleName).matched++;
    for (const list of LISTS) this.count(list, outcome[list]);
    if (judgement.stoppedBy !== undefined) tell(this.stops, judgement.stoppedBy, { by: judgement.stoppedBy });
    for (const fault of judgement.faults) tell(this.faultsSeen, JSON.stringify(fault), { ...fault, jobId });
    for (const { ruleId, action, to, reason } of outcome.skipped) {
      const skip = { ruleName: this.names.get(ruleId) ?? '', action, to, reason };
      tell(this.skips, JSON.stringify(skip), { ...skip, jobId });
    }
    return {
      messages: this.room('messages', outcome.messages),
      added: this.room('added', outcome.added),
      removed: this.room('removed', outcome.removed),
      changed: this.room('changed', outcome.changed),
    };
  }

  /** Whether a job that plans nothing can still be told of. */
  get hasRoom(): boolean {
    return this.shown.messages < this.limit;
  }

  isLookedAt(ruleId: string): boolean {
    return this.focus === undefined || ruleId === this.focus;
  }

  get rules(): RuleFigures[] {
    return [...this.byRule.values()].sort((a, b) => (a.ruleName < b.ruleName ? -1 : 1));
  }

  get stopped() {
    return [...this.stops.values()];
  }

  get faults() {
    return [...this.faultsSeen.values()];
  }

  get skipped() {
    return [...this.skips.values()];
  }

  private count(list: List, entries: readonly (Notification | Change)[]): void {
    this.totals[list] += entries.length;
    for (const entry of entries) this.figures(('after' in entry ? entry.after : entry).ruleName)[list]++;
  }

  private figures(ruleName: string): RuleFigures {
    const figures = this.byRule.get(ruleName) ?? {
      ruleName,
      matched: 0,
      messages: 0,
      added: 0,
      removed: 0,
      changed: 0,
    };
    this.byRule.set(ruleName, figures);
    return figures;
  }

  private room<T>(list: List, entries: T[]): T[] {
    const kept = entries.slice(0, Math.max(0, this.limit - this.shown[list]));
    this.shown[list] += kept.length;
    if (kept.length < entries.length) this.truncated = true;
    return kept;
  }
}

function tell<T extends object>(seen: Map<string, T & { count: number }>, key: string, what: T): void {
  const before = seen.get(key);
  if (before) before.count++;
  else if (seen.size < KINDS_MAX) seen.set(key, { ...what, count: 1 });
}
