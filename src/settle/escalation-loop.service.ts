import { Inject, Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { Clock } from '../clock.js';
import type { Settings } from '../config/env.js';
import { SETTINGS } from '../config/settings.js';
import { storageFaultOf } from '../database/storage-fault.js';
import { DISPATCHER, type DeliveryDispatcher } from '../deliveries/delivery-dispatcher.js';
import { SECOND } from '../duration.js';
import type { EscalationState } from '../escalations/escalation.js';
import type { EscalationEntity } from '../escalations/escalation.entity.js';
import { EscalationsStore } from '../escalations/escalations.store.js';
import { EventBus } from '../event-bus.service.js';
import { errorFields, Log } from '../log.service.js';
import { Metrics } from '../metrics.service.js';
import { Wakeup } from '../wakeup.service.js';
import { EscalationSteps, type StepOutcome } from './escalation-steps.service.js';

/** Looks are at most so far apart: what was opened since, here or by another replica, is found by then. */
const EVERY = SECOND;
const SOONEST = 50;
/** Steps of one look. */
const BATCH = 50;
/** A step that broke is tried again after this time; the others go on. */
const BROKEN_PAUSE = 10 * SECOND;
/** A smaller step back of the clock is a correction. */
const SET_BACK = 2 * SECOND;

/** Takes the steps of escalations at their time; what was due while no process ran, at the start. */
@Injectable()
export class EscalationLoop implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private stopping = false;
  /** Ids of those that broke, and the monotonic milliseconds of the next try. */
  private readonly broken = new Map<string, number>();
  /** Wall clock minus monotonic clock; undefined before the first look. */
  private offset: number | undefined;
  private readonly wakeup = new Wakeup(
    () => this.look(),
    (error) => {
      this.log.error('escalations.loop-broke', errorFields(error));
    },
  );

  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    @Inject(DISPATCHER) private readonly dispatcher: DeliveryDispatcher,
    private readonly escalations: EscalationsStore,
    private readonly steps: EscalationSteps,
    private readonly clock: Clock,
    private readonly metrics: Metrics,
    private readonly events: EventBus,
    private readonly log: Log,
  ) {}

  onApplicationBootstrap(): void {
    if (this.settings.role !== 'api') this.wakeup.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopping = true;
    this.wakeup.stop();
    await this.wakeup.idle();
  }

  private async look(): Promise<number> {
    await this.followClock();
    const next = await this.escalations.nextAt();
    if (next === undefined || next > this.clock.now()) {
      this.broken.clear();
      return this.pauseUntil(next);
    }
    for (const escalation of await this.escalations.due(BATCH + this.broken.size)) {
      if (this.stopping) return EVERY;
      if ((this.broken.get(escalation.id) ?? 0) <= performance.now()) await this.takeOne(escalation);
    }
    return this.broken.size > 0 ? EVERY : this.pauseUntil(await this.escalations.nextAt());
  }

  private pauseUntil(next: number | undefined): number {
    return next === undefined ? EVERY : Math.max(SOONEST, Math.min(EVERY, next - this.clock.now()));
  }

  private async takeOne(escalation: EscalationEntity): Promise<void> {
    const { id, jobId } = escalation;
    try {
      const outcome = await this.steps.take(escalation);
      this.broken.delete(id);
      this.tell(escalation, outcome);
    } catch (error) {
      // The database was away: that says nothing of the step.
      if (storageFaultOf(error) !== undefined) throw error;
      this.broken.set(id, performance.now() + BROKEN_PAUSE);
      this.log.error('escalation.step-broke', { escalationId: id, jobId, ...errorFields(error) });
    }
  }

  private tell({ id, jobId, ruleId, steps }: EscalationEntity, outcome: StepOutcome): void {
    if (outcome.kind === 'overtaken') return;
    const named = { escalationId: id, jobId, ruleId };
    if (outcome.kind === 'stopped') {
      this.publish('stopped', id, jobId, 'stopped');
      this.log.info('escalation.stopped', named);
      return;
    }
    const { step, deliveries } = outcome;
    this.publish('step', id, jobId, step < steps ? 'open' : 'exhausted');
    if (step === steps) this.metrics.escalations.inc({ event: 'exhausted' });
    this.log.info('escalation.step', { ...named, step, of: steps, deliveries });
    if (deliveries > 0) this.dispatcher.wake();
  }

  private publish(event: 'step' | 'stopped', id: string, jobId: string, state: EscalationState): void {
    this.metrics.escalations.inc({ event });
    this.events.publish({ type: `escalation.${event}`, id, jobId, state });
  }

  /** At the start, and when the wall clock steps back against the monotonic one. */
  private async followClock(): Promise<void> {
    const offset = this.clock.now() - performance.now();
    if (this.offset !== undefined && offset - this.offset > -SET_BACK) {
      // Small steps back add up.
      this.offset = Math.max(offset, this.offset);
      return;
    }
    const moved = await this.escalations.followClock();
    this.offset = offset;
    if (moved > 0) this.log.warn('escalations.times-moved', { moved });
  }
}
