import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Stage, type DatabaseKind } from '../../test/support/stage.js';
import { HOUR } from '../../src/duration.js';
import { scaled } from './scale.js';
import { StagedSmtp } from './staged-smtp.js';
import { StagedTwilio } from './staged-twilio.js';

const ACCOUNT = { accountSid: `AC${'0'.repeat(32)}`, authToken: 'stand-in-auth-token' };
/** How long a drain may take on a busy machine; a mail that was in flight at eight kills in a row waits for 810 s. */
const PATIENCE_MS = scaled(1_000_000, 180_000);

/** A built server that is there to be killed, between sinks that survive it. */
export class Victim {
  kills = 0;

  private constructor(
    readonly stage: Stage,
    readonly smtp: StagedSmtp,
    readonly twilio: StagedTwilio,
  ) {}

  static async start(kind: DatabaseKind, env: Record<string, string> = {}): Promise<Victim> {
    const smtp = new StagedSmtp();
    const twilio = new StagedTwilio(ACCOUNT);
    const stage = await Stage.start(kind, {
      twilio: ACCOUNT,
      env: {
        SMTP_URL: await smtp.start(),
        TWILIO_BASE_URL: await twilio.start(),
        HERALD_LOG_LEVEL: 'warn',
        // More than the cap is sent on purpose.
        HERALD_SMS_PER_HOUR: 'none',
        ...env,
      },
    });
    return new Victim(stage, smtp, twilio);
  }

  get url(): string {
    return this.stage.server.url;
  }

  /** Whether the process still runs; one that is dead may stay in the table as long as a tracer looks at it. Linux only. */
  get alive(): boolean {
    try {
      return !/^\d+ \(.*\) [ZX] /.test(readFileSync(`/proc/${this.stage.server.pid}/stat`, 'utf8'));
    } catch {
      return false;
    }
  }

  /** SIGKILL at once; the caller is in the middle of something, and nothing of it may go on. */
  strike(): void {
    process.kill(this.stage.server.pid, 'SIGKILL');
    this.struck();
  }

  /** Counts a kill that somebody else did. */
  struck(): void {
    this.kills++;
    this.smtp.era = this.kills;
    this.twilio.era = this.kills;
  }

  async kill(): Promise<void> {
    this.struck();
    await this.stage.server.end('SIGKILL');
  }

  /** @returns milliseconds until it was ready */
  async restart(): Promise<number> {
    const started = performance.now();
    await this.stage.server.restart();
    return performance.now() - started;
  }

  /** Waits until nothing waits to be settled or sent. What may have been sent waits for its look-up, and is not waited for. */
  async drained(): Promise<void> {
    await this.untilNone('callbacks', `state = 'pending'`);
    await this.untilNone('deliveries', `state in ('queued', 'sending')`);
  }

  /** What may have been sent waits for {@link lookUpNow}. The server must be down; a send that this kill cut is not in doubt yet. */
  async postponeLookUps(): Promise<void> {
    await this.stage.sql(`update deliveries set due_at = ${Date.now() + HOUR} where state = 'unknown'`);
  }

  /** Looks up now what may have been sent, instead of a minute after its send: the times of those sends are moved back. */
  async lookUpNow(): Promise<void> {
    await this.untilNone('deliveries', `state = 'sending'`);
    const unknown = `select id from deliveries where state = 'unknown'`;
    await this.stage.sql(`update attempts set started_at = started_at - 90000 where delivery_id in (${unknown})`);
    await this.stage.sql(`update deliveries set due_at = 0 where state = 'unknown'`);
    // Whoever lets the channel send lets it look for what is due.
    await this.stage.server.api('POST', '/v1/channels/sms/resume');
    await this.untilNone('deliveries', `state = 'unknown' and due_at = 0`);
    await this.drained();
  }

  /** Waits until the table has no such row. */
  async untilNone(table: string, where: string): Promise<void> {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const left = await this.stage.count(table, where);
      if (left === 0) return;
      if (Date.now() > deadline)
        throw new Error(`${left} of ${table} stay ${where}: ${this.stage.server.log.slice(-2000)}`);
      await sleep(100);
    }
  }

  /** Ends the open connections of both sinks. */
  cut(): void {
    this.smtp.cut();
    this.twilio.cut();
  }

  async stop(): Promise<void> {
    await this.stage.stop();
    await Promise.all([this.smtp.stop(), this.twilio.stop()]);
  }
}
