import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { reckon } from './support/reckoning.js';
import { figure, scaled } from './support/scale.js';
import { Sender } from './support/sender.js';
import type { SmtpStep } from './support/staged-smtp.js';
import type { TwilioStep } from './support/staged-twilio.js';
import { Victim } from './support/victim.js';

/** Before the mail server, or Twilio, has taken the message. */
const SMTP_BEFORE: SmtpStep[] = ['S1', 'S2', 'S3', 'S4', 'S5', 'S6'];
const SMTP_AFTER: SmtpStep[] = ['S7', 'S8'];
const TWILIO_BEFORE: TwilioStep[] = ['T1', 'T2'];
const TWILIO_AFTER: TwilioStep[] = ['T3', 'T4', 'T5', 'T6'];
/** Kills at each step: in full 200 before acceptance, and 200 after that of an SMS. */
const EACH = scaled(25, 1);
const EACH_SMS = scaled(50, 1);
const PATIENCE_MS = 30_000;

/** Empty in all that breaks a promise. */
const NOTHING_BROKEN = {
  lost: [],
  notSettledOnce: [],
  wronglyPlanned: [],
  notDelivered: [],
  notReceived: [],
  neverSent: [],
  unexplainedRepeats: [],
  repeatedSms: [],
};

async function until(done: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while (!done()) {
    if (Date.now() > deadline) throw new Error(`${what} never came`);
    await sleep(5);
  }
}

/** Kills at one step of the send of one callback's message, and starts again. @returns who was to get it, and the time of the start */
async function killAt(
  victim: Victim,
  sender: Sender,
  step: SmtpStep | TwilioStep,
): Promise<{ to: string; startMs: number }> {
  const email = step.startsWith('S');
  victim.smtp.cut();
  victim.twilio.cut();
  // The other side has to see that its connection is gone before it uses it for the next message.
  await sleep(50);
  let struck = false;
  const onStep = (now: SmtpStep | TwilioStep): void => {
    if (now !== step || struck) return;
    struck = true;
    victim.strike();
  };
  victim.smtp.onStep = onStep;
  victim.twilio.onStep = onStep;
  victim.twilio.statusFirst = step === 'T6';
  const callback = await sender.send(email ? { email } : { sms: true });
  await until(() => struck, step);
  const startMs = await victim.restart();
  return { to: callback.email ?? callback.phone ?? '', startMs };
}

/** Kills at every step, `rounds(step)` times. @returns who was killed at which */
async function walk<T extends SmtpStep | TwilioStep>(
  victim: Victim,
  sender: Sender,
  steps: readonly T[],
  rounds: (step: T) => number,
): Promise<{ step: T; to: string; rescuedMs: number }[]> {
  const walked: { step: T; to: string; rescuedMs: number }[] = [];
  for (const step of steps) {
    for (let round = 0; round < rounds(step); round++) {
      const { to, startMs } = await killAt(victim, sender, step);
      const started = performance.now();
      await victim.untilNone('deliveries', `state = 'sending'`);
      walked.push({ step, to, rescuedMs: startMs + performance.now() - started });
      await victim.drained();
    }
  }
  return walked;
}

describe('a server on SQLite that is killed at a step of a send', () => {
  it('sends once what the mail server had not taken, and at most once more what it had (C5, C6: S1 to S8)', async () => {
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
      figure(
        'mails repeated after those, under the same Message-ID',
        after.filter(({ to }) => copies(to) === 2).length,
      );
      figure('SQLite: in-flight work taken back after a restart, longest', `${longest(walked)} ms`);
      expect(before.filter(({ to }) => copies(to) !== 1)).toEqual([]);
      expect(after.filter(({ to }) => copies(to) < 1 || copies(to) > 2)).toEqual([]);
      expect(await reckon(victim.stage, sender, victim)).toMatchObject(NOTHING_BROKEN);
    } finally {
      sender.stop();
      await victim.stop();
    }
  });

  it('makes every SMS exactly once, wherever it was killed (C5, C6: T1 to T6)', async () => {
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
      figure('kills after it accepted', after.length);
      figure('SMS repeated after those', after.filter(({ to }) => copies(to) > 1).length);
      expect(walked.filter(({ to }) => copies(to) !== 1)).toEqual([]);
      expect(await reckon(victim.stage, sender, victim)).toMatchObject(NOTHING_BROKEN);
    } finally {
      sender.stop();
      await victim.stop();
    }
  });
});

function longest(walked: readonly { rescuedMs: number }[]): string {
  return Math.max(...walked.map(({ rescuedMs }) => rescuedMs)).toFixed(0);
}
