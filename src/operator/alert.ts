import { DAY, HOUR, MINUTE } from '../duration.js';
import { duration, type DatedProblem, type ProblemKind, type Severity } from './problem.js';

/** What there is to tell of a problem. */
export type AlertEvent = 'new' | 'worse' | 'grown' | 'reminder' | 'over';

export interface AlertItem extends DatedProblem {
  event: AlertEvent;
}

/** What the operator was last told of a problem. */
export interface Told {
  key: string;
  kind: ProblemKind;
  severity: Severity;
  summary: string;
  since: number;
  /** The least number since it was told; a growing one is told again. */
  count: number | null;
  toldAt: number;
  /** That it is over was the last word. */
  over: boolean;
}

/** What ends and comes back within this time is not told as new. */
const QUIET_AFTER_END = 10 * MINUTE;
const GROWTH_EVERY = HOUR;
const REMIND_EVERY = DAY;

export interface AlertPlan {
  /** To be told, all in one message. */
  items: AlertItem[];
  /** Changed without a word. */
  keep: Told[];
  /** Keys that are past. */
  forget: string[];
}

/**
 * Compares what is wrong with what was told.
 * @param unchecked kinds about which nothing is known now: what was told of them stands
 */
export function planAlerts(
  problems: readonly DatedProblem[],
  told: readonly Told[],
  { now, unchecked }: { now: number; unchecked: ReadonlySet<ProblemKind> },
): AlertPlan {
  const plan: AlertPlan = { items: [], keep: [], forget: [] };
  const before = new Map(told.map((one) => [one.key, one]));
  for (const problem of problems) {
    const last = before.get(problem.key);
    before.delete(problem.key);
    const event = eventOf(problem, last, now);
    if (event) plan.items.push({ ...problem, event });
    else if (last && !last.over && problem.count !== undefined && problem.count < (last.count ?? Infinity))
      plan.keep.push({ ...last, count: problem.count });
  }
  for (const last of before.values()) {
    if (unchecked.has(last.kind)) continue;
    if (!last.over) plan.items.push(overItem(last));
    else if (elapsed(last, now) >= QUIET_AFTER_END) plan.forget.push(last.key);
  }
  return plan;
}

/** What is on record once an item was told. */
export function toTold({ key, kind, severity, summary, since, count, event }: AlertItem, now: number): Told {
  return { key, kind, severity, summary, since, count: count ?? null, toldAt: now, over: event === 'over' };
}

function eventOf(problem: DatedProblem, last: Told | undefined, now: number): AlertEvent | undefined {
  if (!last) return 'new';
  const ago = elapsed(last, now);
  if (last.over) return ago >= QUIET_AFTER_END ? 'new' : undefined;
  if (problem.severity === 'critical' && last.severity === 'warning') return 'worse';
  if (ago >= REMIND_EVERY) return 'reminder';
  return ago >= GROWTH_EVERY && (problem.count ?? 0) > (last.count ?? 0) ? 'grown' : undefined;
}

/** A clock that was set back must not silence an alert for as long. */
function elapsed(last: Told, now: number): number {
  return now < last.toldAt ? Infinity : now - last.toldAt;
}

function overItem({ count, toldAt: _toldAt, over: _over, ...last }: Told): AlertItem {
  return { ...last, ...(count === null ? {} : { count }), action: '', event: 'over' };
}

/** Who tells: where this Herald is. */
export interface Teller {
  /** As people name it: its public URL, or the host and port. */
  herald: string;
  host: string;
}

const WORDS: Record<AlertEvent, string> = {
  new: '',
  worse: 'Worse now: ',
  grown: 'More now: ',
  reminder: 'Still: ',
  over: 'Over: ',
};

/** The message of an alert, in the forms that the paths need. `text` is what a chat shows. */
export function alertMessage(items: readonly AlertItem[], teller: Teller, now: number) {
  const sorted = [...items].sort((a, b) => rank(a) - rank(b));
  const wrong = sorted.filter(({ event }) => event !== 'over');
  const [first] = sorted;
  const subject = `[Herald] ${
    wrong.length > 0 ? `${wrong.length} ${wrong.length === 1 ? 'problem' : 'problems'}` : 'Over'
  }: ${first ? first.kind : 'none'}${sorted.length > 1 ? ` and ${sorted.length - 1} more` : ''}`;
  const text = [
    `Herald at ${teller.herald} (${teller.host})`,
    ...sorted.map((item) => paragraph(item, now)),
    'What is wrong now: GET /v1/health',
  ].join('\n\n');
  const problems = sorted.map(({ event, key, kind, severity, since, count, summary, action }) => ({
    event,
    key,
    kind,
    severity,
    since: new Date(since).toISOString(),
    ...(count === undefined ? {} : { count }),
    summary,
    action,
  }));
  return {
    subject,
    text,
    body: { text, herald: teller.herald, host: teller.host, at: new Date(now).toISOString(), problems },
  };
}

/** What POST /v1/alerts/test sends. */
export function testAlert(teller: Teller, now: number): ReturnType<typeof alertMessage> {
  const text = `Herald at ${teller.herald} (${teller.host})\n\nThis is a test alert. Nothing is wrong.`;
  return {
    subject: '[Herald] Test alert',
    text,
    body: { text, herald: teller.herald, host: teller.host, at: new Date(now).toISOString(), problems: [] },
  };
}

function paragraph(item: AlertItem, now: number): string {
  const severity = item.event === 'over' ? '' : `${item.severity.toUpperCase()} `;
  const since = `${item.event === 'over' ? 'lasted' : 'since'} ${
    item.event === 'over' ? duration(now - item.since) : new Date(item.since).toISOString()
  }`;
  return [
    `${severity}${WORDS[item.event]}${item.summary} (${since})`,
    ...(item.action ? [`→ ${item.action}`] : []),
  ].join('\n');
}

function rank({ event, severity }: AlertItem): number {
  if (event === 'over') return 2;
  return severity === 'critical' ? 0 : 1;
}
