import { Injectable } from '@nestjs/common';
import { ChannelsRegistry } from '../channels/channels.registry.service.js';
import { Clock } from '../clock.js';
import { CapsStore } from '../deliveries/caps.store.js';
import { DAY } from '../duration.js';
import { RateLimitedError, UnprocessableError } from '../errors.js';
import { isoTime } from '../iso-time.js';
import { OccasionsStore, type TimeRange } from '../jobs/occasions.store.js';
import { Log } from '../log.service.js';
import { RecipientsStore } from '../recipients/recipients.store.js';
import type { Directory } from '../recipients/directory.js';
import { apart, togetherStepwise } from '../rules/merge.js';
import { planStepwise, type Notification, type Plan } from '../rules/plan.js';
import { differenceOf, type Change } from '../rules/plan-difference.js';
import type { Evaluation, Rule } from '../rules/rule.js';
import { memoryStepwise, triggersOf, type RuleSets } from '../rules/simulate.js';
import type { JudgedOccasion } from '../rules/simulation-task.js';
import { SimulationThreads, type JudgedPage, type SimulationRun } from '../rules/simulation-thread.service.js';
import { admit, type ThrottleMemory } from '../rules/throttle.js';
import { inSlices } from '../slices.service.js';
import type { Trigger } from '../transcripts/facts.js';
import type { StoredOccasion } from '../transcripts/occasion.js';
import { SimulationPreview, type MessagePreview } from './simulation-preview.service.js';
import { isUnsaved, SimulationSets } from './simulation-sets.service.js';
import { SimulationTally, type Outcome, type Shown } from './simulation-tally.js';
import type {
  ShownChange,
  ShownLists,
  ShownMessage,
  SimulateBody,
  SimulationLine,
  SimulationSummary,
} from './simulation.schema.js';

/** Without `from`. */
const DEFAULT_DAYS = 7;
/** At a time: they share one thread, and the event loop with everybody. */
const AT_ONCE = 2;
const RETRY_AFTER_MS = 5_000;
/** An answer in one piece has to come before proxies and the server give up on a silent connection. */
const WHOLE_MAX = 20_000;
/** What came longer before the range is not read for what rules remember of it. */
const MEMORY_MAX = 31 * DAY;

/** A simulation that was found to be possible, and has a place. */
export interface PreparedSimulation {
  sets: RuleSets;
  range: TimeRange;
  triggers: Trigger[];
  /** Where reading begins: before the range, for rules that remember. */
  since: number;
  /** Occasions in the range. */
  of: number;
  limit: number;
  /** Gives the place free; may be called again. */
  release: () => void;
}

interface Page extends JudgedPage {
  occasions: StoredOccasion[];
}

/** What one simulation works with from the first page to the last. */
interface Work {
  prepared: PreparedSimulation;
  run: SimulationRun;
  directory: Directory;
  tally: SimulationTally;
  /** Why a message would be held. */
  capped: ReturnType<CapsStore['tried']>;
  /** Calls that were told of, under both sets. */
  told: { proposed: Map<string, ThrottleMemory>; inForce: Map<string, ThrottleMemory> };
  /** Rules by id: those of the proposed set, and those in force. */
  rules: { proposed: ReadonlyMap<string, Rule>; inForce: ReadonlyMap<string, Rule> };
}

/** Tries rules on what has been: what they would have sent to whom. It stores nothing and sends nothing. */
@Injectable()
export class Simulations {
  private running = 0;

  constructor(
    private readonly sets: SimulationSets,
    private readonly occasions: OccasionsStore,
    private readonly threads: SimulationThreads,
    private readonly recipients: RecipientsStore,
    private readonly channels: ChannelsRegistry,
    private readonly caps: CapsStore,
    private readonly previews: SimulationPreview,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /**
   * Checks everything that can be wrong, so that nothing is streamed before it is certain that it can be done.
   * @param whole the answer comes in one piece
   * @throws RuleInvalidError, NotFoundError, ConflictError, UnprocessableError, RateLimitedError
   */
  async prepare(body: SimulateBody, whole: boolean): Promise<PreparedSimulation> {
    const range = this.rangeOf(body);
    const sets = await this.sets.of(body);
    const triggers = triggersOf(sets);
    const since = range.from - Math.min(await inSlices(memoryStepwise(sets)), MEMORY_MAX);
    const of = await this.occasions.count(range, triggers);
    const read = since < range.from ? await this.occasions.count({ from: since, to: range.to }, triggers) : of;
    if (whole && read > WHOLE_MAX) throw tooMany(read);
    return { sets, range, triggers, since, of, limit: body.limit, release: this.enter() };
  }

  /** Progress after each page, a line for each job that a rule matches, and the summary, oldest job first. */
  async *run(prepared: PreparedSimulation): AsyncGenerator<SimulationLine, void> {
    const started = performance.now();
    const run = this.threads.begin(prepared.sets);
    try {
      const work = await this.workOf(prepared, run);
      const { tally } = work;
      yield progressOf(work);
      for await (const page of this.pages(work)) {
        tally.transcripts += page.occasions.filter(({ at }) => at >= prepared.range.from).length;
        tally.unreadable += page.unreadable;
        for (const judged of page.judged) yield* this.tell(judged, page.occasions[judged.index], work);
        yield progressOf(work);
      }
      const ms = Math.round(performance.now() - started);
      this.log.info('rules.simulated', { transcripts: tally.transcripts, matched: tally.matched, ms });
      yield summaryOf(work, ms);
    } finally {
      await run.end();
      prepared.release();
    }
  }

  private async workOf(prepared: PreparedSimulation, run: SimulationRun): Promise<Work> {
    const { sets, limit } = prepared;
    const names = new Map([...sets.inForce, ...sets.proposed].map(({ id, name }) => [id, name]));
    return {
      prepared,
      run,
      directory: await this.recipients.directory(),
      tally: new SimulationTally(limit, sets.focus, names),
      capped: this.caps.tried(),
      told: { proposed: new Map(), inForce: new Map() },
      rules: { proposed: byId(sets.proposed), inForce: byId(sets.inForce) },
    };
  }

  /** One page is read and judged while the one before it is told. */
  private async *pages({ prepared, run }: Work): AsyncGenerator<Page, void> {
    const reader = this.occasions.pages({ from: prepared.since, to: prepared.range.to }, prepared.triggers);
    const next = async (): Promise<Page | undefined> => {
      const { value: occasions, done } = await reader.next();
      return done === true ? undefined : { occasions, ...(await run.judge(occasions)) };
    };
    let ahead = next();
    for (let page = await ahead; page; page = await ahead) {
      ahead = next();
      // Nobody waits for it when the client has gone.
      ahead.catch(() => undefined);
      yield page;
    }
  }

  private async *tell(
    judged: JudgedOccasion,
    occasion: StoredOccasion | undefined,
    work: Work,
  ): AsyncGenerator<SimulationLine, void> {
    if (!occasion) return;
    const outcome = await this.outcomeOf(judged, occasion, work);
    // From before the range, for what is remembered of it.
    if (occasion.at < work.prepared.range.from) return;
    const wasRoom = work.tally.hasRoom;
    const shown = work.tally.add(outcome);
    const isMatch = judged.proposed.some(({ ruleId }) => work.tally.isLookedAt(ruleId));
    const isSomething = Object.values(shown).some((list: unknown[]) => list.length > 0);
    if (!isSomething && !(isMatch && wasRoom)) return;
    const { job, at, trigger } = occasion;
    const lists = await this.show(shown, occasion);
    yield { type: 'job', jobId: job.id, at: isoTime(at), on: trigger, ...lists };
  }

  private async outcomeOf(judged: JudgedOccasion, { job, at }: StoredOccasion, work: Work): Promise<Outcome> {
    const { index: _index, facts, ...judgement } = judged;
    const plan = async (
      evaluations: Evaluation[],
      set: 'proposed' | 'inForce',
    ): Promise<Plan & { isThrottled: boolean }> => {
      const matches = evaluations.flatMap((evaluation) => {
        const rule = work.rules[set].get(evaluation.ruleId);
        return rule ? [{ rule, evaluation }] : [];
      });
      const all = await inSlices(planStepwise(matches, facts, work.directory, this.channels.all(), at));
      return throttled(all, work.told[set], job.id, at);
    };
    const would = await plan(judgement.proposed, 'proposed');
    // What is the same for both may have been told of under one of them only.
    const does =
      judgement.inForce || would.isThrottled ? await plan(judgement.inForce ?? judgement.proposed, 'inForce') : would;
    const isLookedAt = ({ ruleId }: { ruleId: string }): boolean => work.tally.isLookedAt(ruleId);
    const speaksOf = (message: Notification): boolean => apart(message).some(isLookedAt);
    const { added, removed, changed } = differenceOf(does.notifications, would.notifications);
    const capped = withCaps(would.notifications, at, work.capped);
    return {
      jobId: job.id,
      judgement,
      messages: would.notifications.filter(speaksOf).map(capped),
      skipped: would.skipped.filter(isLookedAt),
      added: added.map(capped),
      removed,
      changed: changed.map(({ before, after }) => ({ before, after: capped(after) })),
    };
  }

  private async show({ messages, added, removed, changed }: Shown, occasion: StoredOccasion): Promise<ShownLists> {
    const { job, trigger } = occasion;
    const made = new Map<Notification, MessagePreview>();
    const preview = async (notification: Notification): Promise<MessagePreview> => {
      const known = made.get(notification) ?? (await this.previews.of(notification, { jobId: job.id, trigger }));
      made.set(notification, known);
      return known;
    };
    const each = async (list: Notification[]): Promise<ShownMessage[]> => {
      const shown: ShownMessage[] = [];
      for (const one of list) shown.push(showMessage(one, occasion, await preview(one)));
      return shown;
    };
    const changes: ShownChange[] = [];
    for (const change of changed) changes.push(showChange(change, occasion, await preview(change.after)));
    return { messages: await each(messages), added: await each(added), removed: await each(removed), changed: changes };
  }

  private rangeOf({ from, to }: SimulateBody): TimeRange {
    const until = to ?? this.clock.now() + 1;
    const range = { from: from ?? until - DEFAULT_DAYS * DAY, to: until };
    if (range.from < range.to) return range;
    throw new UnprocessableError('The range is empty: "from" has to be before "to"', {
      errors: [{ pointer: '/from', message: 'is not before "to"' }],
    });
  }

  private enter(): () => void {
    if (this.running >= AT_ONCE) {
      const message = `${String(AT_ONCE)} simulations run already: wait for one of them to end`;
      throw new RateLimitedError(message, RETRY_AFTER_MS);
    }
    this.running++;
    let isInside = true;
    return () => {
      if (isInside) this.running--;
      isInside = false;
    };
  }
}

/** As a settle stores it: without the calls that are one too many for a throttle. */
async function throttled(
  plan: Plan,
  told: Map<string, ThrottleMemory>,
  jobId: string,
  at: number,
): Promise<Plan & { isThrottled: boolean }> {
  const parts = plan.notifications.flatMap(apart);
  if (parts.every(({ throttle }) => throttle === undefined)) return { ...plan, isThrottled: false };
  const { admitted, skipped, raised } = admit(parts, told, jobId, at);
  for (const [key, memory] of raised) told.set(key, memory);
  const notifications = await inSlices(togetherStepwise(admitted));
  // How long it stays shut is another time for each call; the summary counts them together.
  const held = skipped.map((one) => ({ ...one, reason: one.reason.replace(/; open again in .*$/, '') }));
  return { notifications, skipped: [...plan.skipped, ...held], isThrottled: true };
}

/** @returns a notification of the plan as a settle would store it: held when it is over a cap */
function withCaps(
  planned: readonly Notification[],
  at: number,
  capped: Work['capped'],
): (notification: Notification) => Notification {
  const held = new Map<Notification, Notification>();
  for (const one of planned) {
    const reason = capped(one, at);
    if (reason !== undefined) held.set(one, { ...one, state: 'held', reason });
  }
  return (notification) => held.get(notification) ?? notification;
}

function byId(rules: readonly Rule[]): ReadonlyMap<string, Rule> {
  return new Map(rules.map((rule) => [rule.id, rule]));
}

function progressOf({ prepared, tally }: Work): SimulationLine {
  const { transcripts, matched, totals } = tally;
  return { type: 'progress', of: prepared.of, transcripts, matched, totals: { ...totals } };
}

function summaryOf({ prepared, tally }: Work, ms: number): SimulationSummary {
  const { transcripts, matched, totals, rules, skipped, faults, stopped, unreadable, truncated } = tally;
  const range = { from: isoTime(prepared.range.from), to: isoTime(prepared.range.to) };
  const figures = { range, transcripts, matched, totals, rules };
  return { type: 'summary', ...figures, skipped, faults, stopped, unreadable, truncated, ms };
}

function showMessage(one: Notification, { job, at, trigger }: StoredOccasion, preview: MessagePreview): ShownMessage {
  return {
    jobId: job.id,
    at: isoTime(at),
    on: trigger,
    ...(isUnsaved(one.ruleId) ? {} : { ruleId: one.ruleId }),
    ruleName: one.ruleName,
    action: one.action,
    ...(one.parts && { alsoFor: [...new Set(one.parts.slice(1).map(({ ruleName }) => ruleName))] }),
    channel: one.channel,
    kind: one.kind,
    to: one.to,
    template: one.template,
    attach: one.attach,
    state: one.state,
    ...(one.reason === undefined ? {} : { reason: one.reason }),
    dueAt: isoTime(one.dueAt),
    matches: one.matches,
    ...preview,
  };
}

function showChange({ before, after }: Change, occasion: StoredOccasion, preview: MessagePreview): ShownChange {
  const { channel, template, attach, previewSegments, state, dueAt } = before;
  return {
    ...showMessage(after, occasion, preview),
    before: {
      channel,
      template,
      attach,
      ...(previewSegments === undefined ? {} : { previewSegments }),
      state,
      dueAt: isoTime(dueAt),
    },
  };
}

function tooMany(count: number): UnprocessableError {
  return new UnprocessableError(
    `There are ${String(count)} transcripts in the range, and an answer in one piece is made of at most ${String(WHOLE_MAX)}. ` +
      'Take a shorter range, or ask for a stream with "Accept: application/x-ndjson"',
    { errors: [{ pointer: '/from', message: 'is too early for an answer in one piece' }] },
  );
}
