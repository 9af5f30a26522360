import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { NOTHING_BROKEN, reckon } from './support/reckoning.js';
import { figure, scaled, SHORT } from './support/scale.js';
import { Sender } from './support/sender.js';
import { StagedSmtp, type SmtpStep } from './support/staged-smtp.js';
import type { TwilioStep } from './support/staged-twilio.js';
import { Victim } from './support/victim.js';

/** Before the mail server, or Twilio, has taken the message. */
const SMTP_BEFORE: SmtpStep[] = ['S1', 'S2', 'S3', 'S4', 'S5', 'S6'];
const SMTP_AFTER: SmtpStep[] = ['S7', 'S8'];
const TWILIO_BEFORE: TwilioStep[] = ['T1', 'T2'];
const TWILIO_AFTER: TwilioStep[] = ['T3', 'T4', 'T5', 'T6'];
const BEFORE = new Set<SmtpStep | TwilioStep>([...SMTP_BEFORE, ...TWILIO_BEFORE]);
/** Kills at each step: in full 200 before acceptance, and 200 after that of an SMS. */
const EACH = scaled(25, 1);
const EACH_SMS = scaled(50, 1);
const PATIENCE_MS = 60_000;

async function until(done: () => boolean, what: string, patienceMs = PATIENCE_MS): Promise<void> {
  const deadline = Date.now() + patienceMs;
  while (!done()) {
    if (Date.now() > deadline) throw new Error(`${what} never came`);
    await sleep(5);
  }
}

/**
 * Kills at one step of the send of one callback's message, and starts again. A look-up of an SMS that an earlier kill left in doubt
 * would be taken for the send, as it connects to Twilio too: those wait until the end.
 * @returns who was to get it, and the time of the start
 */
async function killAt(
  victim: Victim,
  sender: Sender,
  step: SmtpStep | TwilioStep,
): Promise<{ to: string; startMs: number }> {
  const email = step.startsWith('S');
  victim.cut();
  // The other side has to see that its connection is gone before it uses it for the next message.
  await sleep(50);
  let struck = false;
  const onStep = (now: SmtpStep | TwilioStep): void => {
    if (now !== step || struck) return;
    struck = true;
    victim.strike();
    // What is still on its way must not make a message after all.
    if (BEFORE.has(step)) victim.cut();
  };
  victim.smtp.onStep = onStep;
  victim.twilio.onStep = onStep;
  victim.twilio.statusFirst = step === 'T6';
  const { callback, bytes } = sender.make(email ? { email } : { sms: true });
  const acknowledged = await sender.deliver(callback, bytes);
  await until(() => struck, step);
  await victim.postponeLookUps();
  const startMs = await victim.restart();
  if (!acknowledged) await sender.deliver(callback, bytes);
  return { to: callback.email ?? callback.phone ?? '', startMs };
}

/** Kills at every step, `rounds(step)` times. @returns who was killed at which */
async function walk<T extends SmtpStep | TwilioStep>(
  victim: Victim,
  sender: Sender,
  steps: readonly T[],
  rounds: (step: T) => number,
): Promise<{ step: T; to: string; startMs: number; rescuedMs: number }[]> {
  const walked: { step: T; to: string; startMs: number; rescuedMs: number }[] = [];
  for (const step of steps) {
    for (let round = 0; round < rounds(step); round++) {
      const { to, startMs } = await killAt(victim, sender, step);
      const started = performance.now();
      await victim.untilNone('deliveries', `state = 'sending'`);
      walked.push({ step, to, startMs, rescuedMs: performance.now() - started });
      await victim.drained();
    }
  }
  return walked;
}

async function mailLane(): Promise<void> {
  const victim = await Victim.start('SQLite');
  const sender = new Sender(victim.url);
  try {
    const walked = await walk(victim, sender, [...SMTP_BEFORE, ...SMTP_AFTER], () => EACH);
    const copies = (to: string): number => victim.smtp.mails.filter((mail) => mail.to === to).length;
    const before = walked.filter(({ step }) => SMTP_BEFORE.includes(step));
    const after = walked.filter(({ step }) => SMTP_AFTER.includes(step));
    figure('kills before the mail server accepted', before.length);
    figure('mails repeated after those', before.filter(({ to }) => copies(to) !== 1).length);
    figure('kills after it accepted', after.length);
    figure('mails repeated after those, under the same Message-ID', after.filter(({ to }) => copies(to) === 2).length);
    tellRescue(walked);
    expect(before.filter(({ to }) => copies(to) !== 1)).toEqual([]);
    expect(after.filter(({ to }) => copies(to) < 1 || copies(to) > 2)).toEqual([]);
    expect(await reckon(victim.stage, sender, victim)).toMatchObject(NOTHING_BROKEN);
  } finally {
    sender.stop();
    await victim.stop();
  }
}

async function smsLane(): Promise<void> {
  const victim = await Victim.start('SQLite');
  const sender = new Sender(victim.url);
  try {
    const rounds = (step: TwilioStep): number => (TWILIO_BEFORE.includes(step) ? EACH : EACH_SMS);
    const walked = await walk(victim, sender, [...TWILIO_BEFORE, ...TWILIO_AFTER], rounds);
    await victim.lookUpNow();
    const copies = (to: string): number => victim.twilio.messages.filter((message) => message.to === to).length;
    const before = walked.filter(({ step }) => TWILIO_BEFORE.includes(step));
    const after = walked.filter(({ step }) => TWILIO_AFTER.includes(step));
    figure('kills before Twilio accepted', before.length);
    figure('SMS repeated after those', before.filter(({ to }) => copies(to) > 1).length);
    figure('kills after Twilio accepted', after.length);
    figure('SMS repeated after those', after.filter(({ to }) => copies(to) > 1).length);
    tellRescue(walked);
    expect(walked.filter(({ to }) => copies(to) !== 1)).toEqual([]);
    expect(await reckon(victim.stage, sender, victim)).toMatchObject(NOTHING_BROKEN);
  } finally {
    sender.stop();
    await victim.stop();
  }
}

describe('a server on SQLite that is killed at a step of a send', () => {
  // Side by side: most of the time of a kill is the next start.
  let lanes: Record<'mail' | 'sms', Promise<void>>;

  beforeAll(() => {
    lanes = { mail: mailLane(), sms: smsLane() };
    // Each is awaited by its own test.
    Promise.allSettled(Object.values(lanes)).catch(() => undefined);
  });

  afterAll(() => Promise.allSettled(Object.values(lanes)));

  it('sends once what the mail server had not taken, and at most once more what it had (C5, C6: S1 to S8)', () =>
    lanes.mail);

  it('makes every SMS exactly once, wherever it was killed (C5, C6: T1 to T6)', () => lanes.sms);
});

/** The claim has to lapse first, in the eyes of the process that takes it: 30 s, and a look every 5 s. */
const RESCUE_MS = 60_000;

// Half a minute of waiting, which CI can do without.
if (!SHORT) {
  describe('a server on PostgreSQL that is killed in the middle of a mail', () => {
    it('leaves it to another process, which sends it once, within a minute (C5)', async () => {
      const victim = await Victim.start('PostgreSQL');
      // Each process has a sink of its own, so that it is known whose mail is cut.
      const smtp = new StagedSmtp();
      const replica = await victim.stage.replica({ SMTP_URL: await smtp.start() });
      const sender = new Sender(victim.url);
      try {
        let to: string | undefined;
        victim.smtp.onStep = (step, whom) => {
          if (step !== 'S5' || to !== undefined) return;
          to = whom;
          victim.strike();
          victim.cut();
        };
        for (let sent = 1; to === undefined; sent++) {
          await sender.send({ email: true });
          await until(() => to !== undefined || victim.smtp.mails.length + smtp.mails.length === sent, 'a mail');
        }
        const killed = performance.now();
        const copies = (): number => [...victim.smtp.mails, ...smtp.mails].filter((mail) => mail.to === to).length;
        await until(() => copies() > 0, 'the mail that was cut', 2 * RESCUE_MS);
        const rescuedMs = performance.now() - killed;
        figure('mail in flight, killed on PostgreSQL: sent by another process after', `${rescuedMs.toFixed(0)} ms`);
        await victim.drained();
        expect(copies()).toBe(1);
        expect(rescuedMs).toBeLessThan(RESCUE_MS);
      } finally {
        sender.stop();
        await replica.stop();
        await victim.stop();
        await smtp.stop();
      }
    });
  });
}

/** The time from the ready server on; that of the start is in a figure of its own. */
function tellRescue(walked: readonly { step: string; startMs: number; rescuedMs: number }[]): void {
  const most = (values: number[]): string => `${Math.max(...values).toFixed(0)} ms`;
  const channel = walked[0]?.step.startsWith('S') ? 'mail' : 'SMS';
  figure(`${channel} in flight, killed on SQLite: longest start`, most(walked.map(({ startMs }) => startMs)));
  figure(`${channel} in flight, taken back after that`, most(walked.map(({ rescuedMs }) => rescuedMs)));
  expect(walked.filter(({ rescuedMs }) => rescuedMs > 5_000)).toEqual([]);
}
