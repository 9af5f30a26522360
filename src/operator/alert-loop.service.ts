import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { Inject, Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { Gauge } from 'prom-client';
import type { Subscription } from 'rxjs';
import { Clock } from '../clock.js';
import type { Settings } from '../config/env.js';
import { SETTINGS } from '../config/settings.js';
import { MINUTE, SECOND } from '../duration.js';
import { EventBus, type HeraldEvent } from '../event-bus.service.js';
import { errorFields, Log } from '../log.service.js';
import { Metrics } from '../metrics.service.js';
import { Wakeup } from '../wakeup.service.js';
import { planAlerts, toTold, type AlertItem, type Teller } from './alert.js';
import { AlertOutlets } from './alert-outlets.service.js';
import { isOwn, type DatedProblem, type ProblemKind } from './problem.js';
import { Problems, type Findings } from './problems.service.js';
import { ToldBook } from './told-book.service.js';

const EVERY = 15 * SECOND;
/** As long as this process itself is not well. */
const EVERY_WHEN_ILL = 5 * SECOND;
/** Events come in bursts; one look is enough for one. */
const AFTER_EVENT = 1 * SECOND;
/** What may pass by itself is told only when it has lasted for so long: nobody is woken for a moment's silence of the database. */
const PASSES_WITHIN: Partial<Record<ProblemKind, number>> = {
  database: 10 * SECOND,
  'check.failed': 30 * SECOND,
  'channel.failing': 2 * MINUTE,
};

/** Tells the operator what is wrong, once for each problem, over a path that does not depend on what is wrong. */
@Injectable()
export class AlertLoop implements OnApplicationBootstrap, BeforeApplicationShutdown {
  /** The lease's owner: another one after each start. */
  private readonly owner = randomUUID();
  private readonly stop = new AbortController();
  private readonly logged = new Set<string>();
  private subscription: Subscription | undefined;
  private eventTimer: NodeJS.Timeout | undefined;
  private readonly wakeup = new Wakeup(
    () => this.round(),
    (error) => {
      this.log.error('operator.loop-broke', errorFields(error));
    },
  );

  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly problems: Problems,
    private readonly book: ToldBook,
    private readonly outlets: AlertOutlets,
    private readonly events: EventBus,
    private readonly clock: Clock,
    private readonly log: Log,
    metrics: Metrics,
  ) {
    const gauge = new Gauge({
      name: 'herald_problems',
      help: 'What is wrong now, by kind and severity',
      labelNames: ['kind', 'severity'],
      registers: [metrics.registry],
      collect: () => {
        gauge.reset();
        for (const { kind, severity } of problems.latest) gauge.inc({ kind, severity });
      },
    });
  }

  /** Who tells. */
  get teller(): Teller {
    const { publicUrl, host, port } = this.settings;
    return { herald: publicUrl ?? `http://${host}:${port}`, host: hostname() };
  }

  onApplicationBootstrap(): void {
    this.subscription = this.events.events.subscribe((event) => {
      if (matters(event)) this.lookSoon();
    });
    this.problems.onNew(() => {
      this.lookSoon();
    });
    this.wakeup.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.subscription?.unsubscribe();
    clearTimeout(this.eventTimer);
    this.wakeup.stop();
    this.stop.abort();
    await this.wakeup.idle();
    await this.book.leave(this.owner);
  }

  /** Sends over every path, and to the log. */
  async test(): ReturnType<AlertOutlets['test']> {
    this.log.error('operator.alert', { alert: 'test' });
    const outcomes = await this.outlets.test(this.teller);
    // A path that works again is brought what it missed.
    this.lookSoon();
    return outcomes;
  }

  private lookSoon(): void {
    if (this.stop.signal.aborted) return;
    this.eventTimer ??= setTimeout(() => {
      this.eventTimer = undefined;
      this.wakeup.now();
    }, AFTER_EVENT);
  }

  private async round(): Promise<number> {
    const found = await this.problems.find();
    const now = this.clock.now();
    const { ripe, unchecked, next } = sift(found, now);
    const leads = await this.book.refresh(this.owner);
    const plan = planAlerts(
      ripe.filter(({ kind }) => leads || isOwn(kind)),
      this.book.entries((kind) => leads || isOwn(kind)),
      { now, unchecked },
    );
    this.write(plan.items);
    const failing = this.outlets.failing().length;
    const told = await this.outlets.tell(plan.items, this.teller, this.stop.signal);
    if (told) this.logged.clear();
    await this.book.note([...plan.keep, ...(told ? plan.items.map((item) => toTold(item, now)) : [])], plan.forget);
    return this.outlets.failing().length === failing ? next : SECOND;
  }

  /** The log is a path of its own that is always there. Once for each, however often the others are tried. */
  private write(items: readonly AlertItem[]): void {
    for (const { event, kind, key, severity, count } of items) {
      const line = `${event} ${key}`;
      if (this.logged.has(line)) continue;
      this.logged.add(line);
      if (event === 'over') this.log.warn('operator.alert-over', { kind, key });
      else this.log.error('operator.alert', { alert: event, kind, key, severity, count });
    }
  }
}

/** Takes out what may pass by itself; what was told of its kind stands meanwhile. */
function sift({ problems, unchecked, open }: Findings, now: number) {
  const left = ({ kind, since }: DatedProblem): number => (PASSES_WITHIN[kind] ?? 0) - (now - since);
  const young = problems.filter((problem) => left(problem) > 0);
  const isIll = problems.some(({ kind }) => kind === 'database' || kind === 'disk');
  return {
    ripe: problems.filter((problem) => left(problem) <= 0),
    unchecked: new Set([...unchecked, ...open, ...young.map(({ kind }) => kind)]),
    /** Milliseconds until the next one has lasted long enough. */
    next: Math.max(SECOND, Math.min(isIll ? EVERY_WHEN_ILL : EVERY, ...young.map(left))),
  };
}

/** Events after which something may be wrong that was not before. */
function matters({ type, state }: HeraldEvent): boolean {
  if (type.startsWith('channel.') || type === 'job.overdue') return true;
  if (type === 'callback.settled') return state === 'quarantine';
  return type.startsWith('delivery.') && (state === 'dead' || state === 'unknown' || state === 'held');
}
