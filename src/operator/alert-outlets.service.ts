import { Inject, Injectable } from '@nestjs/common';
import { Clock } from '../clock.js';
import type { Settings } from '../config/env.js';
import { SETTINGS } from '../config/settings.js';
import { MINUTE, SECOND } from '../duration.js';
import { Log } from '../log.service.js';
import { alertMessage, testAlert, type AlertItem, type Teller } from './alert.js';
import { alertPaths, codeOf, type AlertMessage, type AlertPath } from './alert-paths.service.js';

/** What became of a message on one path. */
export interface PathOutcome {
  path: AlertPath['name'];
  ok: boolean;
  /** Why not. */
  code?: string;
  ms: number;
}

interface Outlet {
  path: AlertPath;
  /** What another path took and this one did not, by key. */
  waiting: Map<string, AlertItem>;
  failures: number;
  retryAt: number;
  failing: { since: number; code: string } | undefined;
}

const FIRST_RETRY = 15 * SECOND;
const LONGEST_RETRY = 10 * MINUTE;

/** The configured paths to the operator, each with its own retries. */
@Injectable()
export class AlertOutlets {
  private readonly outlets: Outlet[];

  constructor(
    @Inject(SETTINGS) settings: Settings,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {
    this.outlets = alertPaths(settings.alerts).map((path) => ({
      path,
      waiting: new Map<string, AlertItem>(),
      failures: 0,
      retryAt: 0,
      failing: undefined,
    }));
  }

  get names(): AlertPath['name'][] {
    return this.outlets.map(({ path }) => path.name);
  }

  /** Paths whose last message did not get through. */
  failing(): { path: string; code: string; since: number }[] {
    return this.outlets.flatMap(({ path, failing }) => (failing ? [{ path: path.name, ...failing }] : []));
  }

  /**
   * Sends items, and what waits, over every path.
   * @returns true when the operator has been told as far as there is a way: one path is enough, the others get it later
   */
  async tell(items: readonly AlertItem[], teller: Teller, signal: AbortSignal): Promise<boolean> {
    const told = await Promise.all(this.outlets.map((outlet) => this.tellOver(outlet, items, teller, signal)));
    if (told.length === 0 || told.includes(true)) return true;
    // All of it is planned anew: what has ended meanwhile must not be told as new.
    for (const { waiting } of this.outlets) waiting.clear();
    return items.length === 0;
  }

  /** Sends a test alert over every path at once, whatever failed before. */
  test(teller: Teller): Promise<PathOutcome[]> {
    const message = testAlert(teller, this.clock.now());
    const signal = new AbortController().signal;
    return Promise.all(this.outlets.map((outlet) => this.send(outlet, message, signal)));
  }

  private async tellOver(
    outlet: Outlet,
    items: readonly AlertItem[],
    teller: Teller,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { path, waiting } = outlet;
    const own = `alerts.path:${path.name}`;
    // That a path is broken is no news for those whom it does not reach.
    for (const item of items) if (!item.key.startsWith(own)) waiting.set(item.key, item);
    if (waiting.size === 0) return true;
    const now = this.clock.now();
    // A clock that was set back must not make the wait longer.
    if (now < outlet.retryAt && outlet.retryAt - now <= LONGEST_RETRY) return false;
    const { ok } = await this.send(outlet, alertMessage([...waiting.values()], teller, now), signal);
    if (ok) waiting.clear();
    return ok;
  }

  private async send(outlet: Outlet, message: AlertMessage, signal: AbortSignal): Promise<PathOutcome> {
    const { path } = outlet;
    const begun = performance.now();
    const ms = (): number => Math.round(performance.now() - begun);
    try {
      await path.send(message, signal);
      outlet.failures = 0;
      outlet.retryAt = 0;
      outlet.failing = undefined;
      this.log.info('operator.alert-sent', { path: path.name, ms: ms() });
      return { path: path.name, ok: true, ms: ms() };
    } catch (error) {
      const code = codeOf(error);
      const now = this.clock.now();
      outlet.retryAt = now + Math.min(LONGEST_RETRY, FIRST_RETRY * 2 ** outlet.failures);
      outlet.failures = Math.min(outlet.failures + 1, 10);
      outlet.failing = { since: outlet.failing?.since ?? now, code };
      this.log.error('operator.alert-path-failed', { path: path.name, code, failures: outlet.failures, ms: ms() });
      return { path: path.name, ok: false, code, ms: ms() };
    }
  }
}
