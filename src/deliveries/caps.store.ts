import { createHash } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { ChannelsRegistry } from '../channels/channels.registry.service.js';
import { Clock } from '../clock.js';
import type { ChannelLimits, Settings } from '../config/env.js';
import { SETTINGS } from '../config/settings.js';
import { Database } from '../database/database.service.js';
import { changed, rows } from '../database/unit-of-work.service.js';
import { HOUR } from '../duration.js';
import type { Notification } from '../rules/plan.js';

/** Counters that one statement touches. */
const CHUNK = 200;

/** What is asked of a message that is to be counted. */
type Capped = Pick<Notification, 'channel' | 'kind' | 'state' | 'to'>;

/** A counter and what it may not go over. */
interface Cap {
  name: string;
  most: number;
  reason: string;
}

/**
 * Hard caps on what is sent in a clock hour (UTC), by kind of message and by recipient. They are counted in the transaction that
 * stores the delivery, under a lock, so they are exact with any number of replicas. What is captured is not capped.
 */
@Injectable()
export class CapsStore {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly channels: ChannelsRegistry,
    @Inject(SETTINGS) private readonly settings: Pick<Settings, 'limits'>,
  ) {}

  /** Locks and reads the counters that these notifications may raise, until the end of the transaction. */
  async open(tx: EntityManager, notifications: readonly Capped[]): Promise<OpenCaps> {
    const caps = new Map(notifications.map((one) => [one, this.capsOf(one)]));
    // In one order everywhere, so that two transactions never wait for each other.
    const names = [...new Set([...caps.values()].flat().map(({ name }) => name))].sort();
    const window = Math.floor(this.clock.now() / HOUR) * HOUR;
    const counts = new Map<string, number>();
    for (const chunk of chunked(names)) {
      const found = await rows<{ cap: string; count: number }>(
        tx,
        this.database.dialect.bind(
          `insert into cap_counters (cap, window_start, count) values ${chunk.map(() => '(?, ?, 0)').join(', ')}
           on conflict (cap, window_start) do update set count = cap_counters.count returning cap, count`,
        ),
        chunk.flatMap((name) => [name, window]),
      );
      for (const { cap, count } of found) counts.set(cap, count);
    }
    return new OpenCaps(caps, counts, (raised) => this.save(tx, window, raised));
  }

  /**
   * Counters of a simulation, which are kept nowhere: to be asked in the order of time.
   * @returns a function that counts a notification planned at `at`, or says why it would be held
   */
  tried(): (notification: Notification, at: number) => string | undefined {
    const counts = new Map<string, number>();
    let window = 0;
    return (notification, at) => {
      const hour = Math.floor(at / HOUR);
      if (hour !== window) counts.clear();
      window = hour;
      const caps = this.capsOf(notification);
      const over = caps.find(({ name, most }) => (counts.get(name) ?? 0) >= most);
      if (!over) for (const { name } of caps) counts.set(name, (counts.get(name) ?? 0) + 1);
      return over?.reason;
    };
  }

  private async save(tx: EntityManager, window: number, raised: Map<string, number>): Promise<void> {
    const { dialect } = this.database;
    for (const chunk of chunked([...raised])) {
      await changed(
        tx,
        dialect.bind(
          `insert into cap_counters (cap, window_start, count) values ${chunk.map(() => '(?, ?, ?)').join(', ')}
           on conflict (cap, window_start) do update set count = excluded.count`,
        ),
        chunk.flatMap(([name, count]) => [name, window, count]),
      );
    }
    // The first of an hour sweeps the hours before the last.
    if ([...raised.values()].includes(1)) {
      await changed(tx, dialect.bind('delete from cap_counters where window_start < ?'), [window - HOUR]);
    }
  }

  private capsOf({ channel, kind, state, to }: Capped): Cap[] {
    if (state !== 'queued' || this.channels.get(channel)?.captures === true) return [];
    const { perHour, perRecipientPerHour } = this.settings.limits[kind];
    const option = `HERALD_${kind.toUpperCase()}`;
    return [
      ...capOf(kind, perHour, `messages of the kind ${kind}`, `${option}_PER_HOUR`),
      ...capOf(
        `${kind}:${hashed(to)}`,
        perRecipientPerHour,
        'messages to this recipient',
        `${option}_PER_RECIPIENT_PER_HOUR`,
      ),
    ];
  }
}

/** The counters of one transaction. */
class OpenCaps {
  private readonly raised = new Map<string, number>();

  constructor(
    private readonly caps: ReadonlyMap<Capped, Cap[]>,
    private readonly counts: Map<string, number>,
    private readonly write: (raised: Map<string, number>) => Promise<void>,
  ) {}

  /** Why the notification has to be held; undefined when it may go. */
  over(notification: Capped): string | undefined {
    return this.caps.get(notification)?.find(({ name, most }) => (this.counts.get(name) ?? 0) >= most)?.reason;
  }

  /** It was stored, to be sent. */
  count(notification: Capped): void {
    for (const { name } of this.caps.get(notification) ?? []) {
      const count = (this.counts.get(name) ?? 0) + 1;
      this.counts.set(name, count);
      this.raised.set(name, count);
    }
  }

  async close(): Promise<void> {
    await this.write(this.raised);
  }
}

function capOf(name: string, most: ChannelLimits['perHour'], what: string, option: string): Cap[] {
  if (most === undefined) return [];
  const reason =
    `cap: ${String(most)} ${what} were planned in this hour already (${option}). ` +
    'It is not sent by itself: retry it to send it all the same, or cancel it';
  return [{ name, most, reason }];
}

/** A counter must not keep an address. */
function hashed(address: string): string {
  return createHash('sha256').update(address.toLowerCase()).digest('hex').slice(0, 32);
}

function* chunked<T>(all: T[]): Generator<T[]> {
  for (let i = 0; i < all.length; i += CHUNK) yield all.slice(i, i + CHUNK);
}
