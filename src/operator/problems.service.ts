import { Inject, Injectable } from '@nestjs/common';
import { Clock } from '../clock.js';
import type { Settings } from '../config/env.js';
import { SETTINGS } from '../config/settings.js';
import { ChannelGate } from '../deliveries/channel-gate.service.js';
import { SECOND } from '../duration.js';
import { StorageProbe } from '../health/storage-probe.service.js';
import { within } from '../health/within.service.js';
import { errorFields, Log } from '../log.service.js';
import { AlertOutlets } from './alert-outlets.service.js';
import { BacklogStore } from './backlog.store.js';
import * as problem from './problem.js';
import type { Backlog, DatedProblem, OperatorProblem, ProblemKind } from './problem.js';
import { RefusedCallbacks } from './refused-callbacks.service.js';

/** What is wrong now, and about what nothing could be found out. */
export interface Findings {
  /** Epoch milliseconds. */
  at: number;
  problems: DatedProblem[];
  /** Kinds whose check failed. */
  unchecked: ReadonlySet<ProblemKind>;
  /** Kinds of which this process cannot say that they are over. */
  open: ReadonlySet<ProblemKind>;
}

interface Check {
  kind: ProblemKind;
  /** As people read it. */
  name: string;
  asksDatabase?: true;
  /** @returns 'unknown' when nothing is seen and nothing can be said either */
  look(now: number): Promise<(OperatorProblem | undefined)[] | 'unknown'>;
}

/** All checks of one round that ask the database share this; with the probe before them it stays under three seconds. */
const DATABASE_WITHIN = 2.8 * SECOND;
const DISK_WITHIN = 1 * SECOND;
/** Who asks again within this time gets the same answer. */
const GOOD_FOR = 1 * SECOND;

/** Looks at everything that can be wrong. A check that fails is itself a problem, and keeps no other from being made. */
@Injectable()
export class Problems {
  /** The last findings, for whoever must not wait. */
  latest: DatedProblem[] = [];
  private readonly firstSeen = new Map<string, number>();
  private readonly checks: Check[];
  private seen: () => void = () => undefined;
  private looking: { begun: number; findings: Promise<Findings> } | undefined;

  constructor(
    private readonly storage: StorageProbe,
    private readonly clock: Clock,
    private readonly log: Log,
    @Inject(SETTINGS) settings: Settings,
    backlog: BacklogStore,
    refused: RefusedCallbacks,
    outlets: AlertOutlets,
    gate: ChannelGate,
  ) {
    this.checks = [
      {
        kind: 'disk',
        name: 'the disk',
        look: async () => [problem.diskProblem(await within(DISK_WITHIN, storage.disk()), settings.minFreeBytes)],
      },
      { kind: 'callbacks.refused', name: 'refused callbacks', look: () => refused.look() },
      {
        kind: 'alerts.path',
        name: 'the paths of alerts',
        look: () =>
          Promise.resolve(
            outlets.failing().map(({ path, code, since }) => problem.alertPathProblem(path, code, since)),
          ),
      },
      counted('callbacks.quarantined', () => backlog.quarantinedCallbacks(), problem.quarantinedProblem),
      counted(
        'callbacks.late',
        () => backlog.pendingCallbacks(),
        (found, now) => (now - found.since > problem.SETTLE_LATE ? problem.settleProblem(found, now) : undefined),
      ),
      counted('jobs.overdue', () => backlog.overdueJobs(), problem.overdueProblem),
      counted('jobs.waiting', () => backlog.waitingJobs(), problem.waitingProblem),
      counted('deliveries.dead', () => backlog.deadDeliveries(), problem.deadProblem),
      counted('redaction.failed', () => backlog.unredacted(), problem.redactionProblem),
      counted('deliveries.unknown', () => backlog.unknownDeliveries(), problem.unknownProblem),
      counted('deliveries.held', () => backlog.heldDeliveries(), problem.heldProblem),
      counted('escalations.exhausted', () => backlog.exhaustedEscalations(), problem.exhaustedProblem),
      {
        kind: 'channel.closed',
        name: 'the channels',
        look: (now) => Promise.resolve(problem.channelProblems(gate.states(), now)),
      },
      {
        kind: 'deliveries.late',
        name: 'late deliveries',
        asksDatabase: true,
        look: async (now) => {
          const open = new Set(gate.states().flatMap((state) => (state.open ? [state.channel] : [])));
          return (await backlog.lateDeliveries())
            .filter(({ channel }) => open.has(channel))
            .map(({ channel, ...found }) => problem.deliveriesLateProblem(channel, found, now));
        },
      },
    ];
  }

  /** Told when something is seen that was not there before, whoever looked. */
  onNew(listener: () => void): void {
    this.seen = listener;
  }

  /** Answers within three seconds and never rejects. Who asks while a look is under way shares it. */
  find(): Promise<Findings> {
    const { looking } = this;
    if (looking && performance.now() - looking.begun < GOOD_FOR) return looking.findings;
    const findings = this.look();
    this.looking = { begun: performance.now(), findings };
    return findings;
  }

  private async look(): Promise<Findings> {
    const begun = performance.now();
    const now = this.clock.now();
    const unsure = { unchecked: new Set<ProblemKind>(), open: new Set<ProblemKind>() };
    const probed = this.storage.databaseFault();
    const others = this.run(
      this.checks.filter((check) => !check.asksDatabase),
      now,
      unsure,
      () => Infinity,
    );
    const fault = await probed;
    const asking = this.checks.filter((check) => check.asksDatabase);
    if (fault === 'silent') for (const { kind } of asking) unsure.unchecked.add(kind);
    const found = [
      ...(fault ? [problem.databaseProblem(fault)] : []),
      ...(await others),
      ...(fault === 'silent'
        ? []
        : await this.run(asking, now, unsure, () => begun + DATABASE_WITHIN - performance.now())),
    ];
    this.latest = this.dated(found, now);
    return { at: now, problems: this.latest, ...unsure };
  }

  /** One after the other: several at once would take the database's connections from those who work. */
  private async run(
    checks: Check[],
    now: number,
    unsure: { unchecked: Set<ProblemKind>; open: Set<ProblemKind> },
    left: () => number,
  ): Promise<OperatorProblem[]> {
    const found: OperatorProblem[] = [];
    for (const check of checks) {
      const { kind, name } = check;
      try {
        const patience = left();
        const seen = await (patience === Infinity ? check.look(now) : within(Math.max(1, patience), check.look(now)));
        if (seen === 'unknown') unsure.open.add(kind);
        else found.push(...seen.filter((one) => one !== undefined));
      } catch (error) {
        this.log.warn('operator.check-failed', { check: kind, ...errorFields(error) });
        unsure.unchecked.add(kind);
        found.push(problem.checkFailedProblem(kind, name));
      }
    }
    return found;
  }

  private dated(found: OperatorProblem[], now: number): DatedProblem[] {
    const keys = new Set(found.map(({ key }) => key));
    if (found.some(({ key }) => !this.firstSeen.has(key))) this.seen();
    for (const key of this.firstSeen.keys()) if (!keys.has(key)) this.firstSeen.delete(key);
    return found.map((one) => {
      const first = this.firstSeen.get(one.key) ?? now;
      this.firstSeen.set(one.key, first);
      return { ...one, since: one.since ?? first };
    });
  }
}

function counted(
  kind: ProblemKind,
  count: () => Promise<Backlog | undefined>,
  tell: (found: Backlog, now: number) => OperatorProblem | undefined,
): Check {
  return {
    kind,
    name: kind.replace('.', ', '),
    asksDatabase: true,
    look: async (now) => {
      const found = await count();
      return found ? [tell(found, now)] : [];
    },
  };
}
