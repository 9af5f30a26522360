import { Inject, Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { Clock } from '../clock.js';
import { Database } from '../database/database.service.js';
import { changed } from '../database/unit-of-work.service.js';
import { MINUTE, SECOND } from '../duration.js';
import { JobSubmitter } from '../jobs/job-submitter.service.js';
import { errorFields, Log } from '../log.service.js';
import { SUBMIT_RETRY_POLICY } from '../retry-policy.js';
import { DISPATCHER, type DeliveryDispatcher } from './delivery-dispatcher.js';
import { NEVER } from './delivery.js';

const LOOK_EVERY = SECOND;
/** A smaller step back is a correction, for which nobody has to wait long. */
const STEP = 2 * SECOND;
/** No job is put off for longer. */
const LONGEST = 2 * Math.max(...SUBMIT_RETRY_POLICY.backoffMs);

/**
 * A clock that is set back leaves what waits due in the future, by as much as it was set back. Such a row tells of itself: it was written
 * later than now. It is made due at once, which is one early try at the most. Looked for at the start, and when the wall clock steps back
 * against the monotonic one. A clock that is set forward makes things due early, and needs nothing.
 */
@Injectable()
export class DueTimes implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private timer: NodeJS.Timeout | undefined;
  private offset: number;

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly submitter: JobSubmitter,
    private readonly log: Log,
    @Inject(DISPATCHER) private readonly dispatcher: DeliveryDispatcher,
  ) {
    this.offset = this.readOffset();
  }

  async onApplicationBootstrap(): Promise<void> {
    await this.pull(LONGEST);
    this.timer = setInterval(() => void this.look(), LOOK_EVERY).unref();
  }

  beforeApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  private async look(): Promise<void> {
    const offset = this.readOffset();
    const step = offset - this.offset;
    if (step > -STEP) {
      // Small steps add up to no large one that nobody has seen.
      if (step > 0) this.offset = offset;
      return;
    }
    this.log.warn('clock.set-back', { ms: Math.round(-step) });
    await this.pull(0).then(
      () => {
        this.offset = offset;
        this.dispatcher.wake();
        this.submitter.wake();
      },
      (error: unknown) => {
        // The next look tries again.
        this.log.error('clock.not-followed', errorFields(error));
      },
    );
  }

  /** @param plausible milliseconds from now for which a job may wait: it does not say when it was written */
  private async pull(plausible: number): Promise<void> {
    const { dialect, uow } = this.database;
    const now = this.clock.now();
    await uow.run(async (tx) => {
      await changed(
        tx,
        dialect.bind(
          `update deliveries set due_at = ?, updated_at = ?
            where state in ('queued', 'waiting', 'unknown') and due_at > ? and due_at < ? and updated_at > ?`,
        ),
        [now, now, now, NEVER, now + MINUTE],
      );
      await changed(
        tx,
        dialect.bind(
          `update jobs set next_attempt_at = ?
            where state = 'pending' and next_attempt_at > ? and (next_attempt_at > ? or created_at > ?)`,
        ),
        [now, now, now + plausible, now + MINUTE],
      );
    });
  }

  private readOffset(): number {
    return this.clock.now() - performance.now();
  }
}
