import { Inject, Injectable } from '@nestjs/common';
import { Clock } from '../clock.js';
import type { Settings } from '../config/env.js';
import { SETTINGS } from '../config/settings.js';
import { Metrics } from '../metrics.service.js';
import { REFUSED_WITHIN, refusedProblem, type Backlog, type OperatorProblem } from './problem.js';

/** Callbacks refused for their size. Nothing of them is stored, so they are known by this process's count only. */
@Injectable()
export class RefusedCallbacks {
  private readonly started: number;
  private counted = 0;
  private last = 0;
  private refused: Backlog | undefined;

  constructor(
    private readonly metrics: Metrics,
    private readonly clock: Clock,
    @Inject(SETTINGS) private readonly settings: Settings,
  ) {
    this.started = clock.now();
  }

  /** @returns 'unknown' for the first day of a process: it cannot tell what the one before it refused */
  async look(): Promise<OperatorProblem[] | 'unknown'> {
    const now = this.clock.now();
    const { values } = await this.metrics.callbacks.get();
    const total = values.find(({ labels }) => labels.outcome === 'too-large')?.value ?? 0;
    if (total > this.counted) {
      this.refused = { count: (this.refused?.count ?? 0) + total - this.counted, since: this.refused?.since ?? now };
      this.counted = total;
      this.last = now;
    }
    if (this.refused && now - this.last >= REFUSED_WITHIN) this.refused = undefined;
    if (this.refused) return [refusedProblem(this.refused, this.settings.maxCallbackBytes)];
    return now - this.started < REFUSED_WITHIN ? 'unknown' : [];
  }
}
