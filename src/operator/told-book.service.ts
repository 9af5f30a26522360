import { hostname } from 'node:os';
import { Inject, Injectable } from '@nestjs/common';
import type { Settings } from '../config/env.js';
import { SETTINGS } from '../config/settings.js';
import { DAY, SECOND } from '../duration.js';
import { Clock } from '../clock.js';
import { within } from '../health/within.service.js';
import { errorFields, Log } from '../log.service.js';
import type { Told } from './alert.js';
import { AlertsStore } from './alerts.store.js';
import { isOwn, type ProblemKind } from './problem.js';

/** Three rounds: so long nobody tells when the one that tells was killed. */
const LEASE = 45 * SECOND;
const PATIENCE = 3 * SECOND;
/** What a replica that is gone has told is kept for so long. */
const FOREIGN_FOR = 7 * DAY;

/**
 * What the operator was told: in the table, and in memory while the table cannot be reached. On PostgreSQL the replicas share it;
 * what is wrong with one of them alone stands there under its own name.
 */
@Injectable()
export class ToldBook {
  private readonly entriesByKey = new Map<string, Told>();
  /** Not written yet; `undefined` is to be deleted. */
  private readonly unsaved = new Map<string, Told | undefined>();
  /** At the end of the keys of what is wrong with this process alone. */
  private readonly mark: string;

  constructor(
    private readonly store: AlertsStore,
    private readonly clock: Clock,
    private readonly log: Log,
    @Inject(SETTINGS) { database, port }: Settings,
  ) {
    this.mark = database.kind === 'sqlite' ? '' : `@${hostname()}:${port}`;
  }

  /**
   * Reads what was told, by other replicas as well.
   * @returns whether this process tells of what is the same for all of them
   */
  async refresh(owner: string): Promise<boolean> {
    try {
      const stored = await within(PATIENCE, this.store.all());
      this.entriesByKey.clear();
      for (const one of stored) this.entriesByKey.set(one.key, one);
      for (const [key, one] of this.unsaved) {
        if (one) this.entriesByKey.set(key, one);
        else this.entriesByKey.delete(key);
      }
      return await within(PATIENCE, this.store.lead(owner, LEASE));
    } catch (error) {
      this.log.debug('operator.book-unread', errorFields(error));
      return false;
    }
  }

  /** At shutdown. Never rejects. */
  async leave(owner: string): Promise<void> {
    await within(PATIENCE, this.store.leave(owner)).catch((error: unknown) => {
      this.log.debug('operator.book-unwritten', errorFields(error));
    });
  }

  /** Under the keys of the problems, without the marks of replicas. */
  entries(wanted: (kind: ProblemKind) => boolean): Told[] {
    return [...this.entriesByKey.values()].flatMap((one) => {
      if (!wanted(one.kind)) return [];
      if (!isOwn(one.kind)) return [one];
      if (!one.key.endsWith(this.mark)) return [];
      return [{ ...one, key: one.key.slice(0, one.key.length - this.mark.length) }];
    });
  }

  /** Never rejects: what cannot be written now is written with the next one. */
  async note(told: readonly Told[], forget: readonly string[]): Promise<void> {
    for (const one of told) {
      const key = isOwn(one.kind) ? one.key + this.mark : one.key;
      this.put(key, { ...one, key });
    }
    for (const key of forget) {
      const own = this.entriesByKey.has(key + this.mark) ? key + this.mark : key;
      this.put(own, undefined);
    }
    this.dropForeign();
    const writing = [...this.unsaved];
    try {
      await within(
        PATIENCE,
        this.store.save(
          writing.flatMap(([, one]) => one ?? []),
          writing.flatMap(([key, one]) => (one ? [] : [key])),
        ),
      );
      for (const [key, one] of writing) if (this.unsaved.get(key) === one) this.unsaved.delete(key);
    } catch (error) {
      this.log.debug('operator.book-unwritten', { count: writing.length, ...errorFields(error) });
    }
  }

  private put(key: string, one: Told | undefined): void {
    this.unsaved.set(key, one);
    if (one) this.entriesByKey.set(key, one);
    else this.entriesByKey.delete(key);
  }

  private dropForeign(): void {
    const before = this.clock.now() - FOREIGN_FOR;
    for (const { key, kind, toldAt } of this.entriesByKey.values()) {
      if (isOwn(kind) && !key.endsWith(this.mark) && toldAt < before) this.put(key, undefined);
    }
  }
}
