import type { Stage } from '../../test/support/stage.js';
import type { Sender } from './sender.js';
import type { StagedSmtp } from './staged-smtp.js';
import type { StagedTwilio } from './staged-twilio.js';

/**
 * What comes out of comparing what was sent and acknowledged with what is stored and what the sinks have. The lists name what breaks a
 * promise, and are to be empty; the numbers are figures.
 */
export interface Reckoning {
  /** Request ids of callbacks that were acknowledged, and are not stored or were never settled: there is no job. */
  lost: string[];
  /** Request ids with more, or fewer, than one job, one settled callback (the one that was acknowledged) and one transcript. */
  notSettledOnce: string[];
  /** Jobs whose deliveries are not exactly those that the rules ask for. */
  wronglyPlanned: string[];
  /** Deliveries that ended in any other state than sent or delivered, with the state and the reason. */
  notDelivered: string[];
  /** Told as sent, and not at the sink. */
  notReceived: string[];
  /** At a sink, and of no delivery of a callback that was sent. */
  neverSent: string[];
  /** Mails that came again without a crash during a send to explain it. */
  unexplainedRepeats: string[];
  /** SMS that were made more than once. */
  repeatedSms: string[];
  acknowledged: number;
  mails: number;
  sms: number;
  /** Mails that came again after a crash, under the same Message-ID. */
  repeatedMails: number;
  /** The most of them that one crash caused. */
  mostRepeatsOfOneCrash: number;
}

/** A {@link Reckoning} of a server that kept its promises, without the figures. */
export const NOTHING_BROKEN = {
  lost: [],
  notSettledOnce: [],
  wronglyPlanned: [],
  notDelivered: [],
  notReceived: [],
  neverSent: [],
  unexplainedRepeats: [],
  repeatedSms: [],
} satisfies Partial<Reckoning>;

interface Rows {
  callbacks: { id: string; state: string; job_id: string }[];
  jobs: { id: string; request_id: string }[];
  transcripts: { job_id: string }[];
  deliveries: DeliveryRow[];
  interrupted: Map<string, number>;
}

interface DeliveryRow {
  id: string;
  job_id: string;
  channel: string;
  recipient: string;
  state: string;
  reason: string | null;
}

/** Compares the logs after a recovery. The server must be idle: see {@link drained}. */
export async function reckon(
  stage: Stage,
  sender: Sender,
  { smtp, twilio }: { smtp: StagedSmtp; twilio: StagedTwilio },
): Promise<Reckoning> {
  const rows = await read(stage);
  return { ...stored(sender, rows), ...sent(sender, rows, smtp, twilio) };
}

async function read(stage: Stage): Promise<Rows> {
  const interrupted = await stage.sql<{ id: string; n: number | string }>(
    `select delivery_id as id, count(*) as n from attempts where code = 'INTERRUPTED' group by delivery_id`,
  );
  return {
    callbacks: await stage.sql('select id, state, job_id from callbacks'),
    jobs: await stage.sql('select id, request_id from jobs'),
    transcripts: await stage.sql('select job_id from transcripts'),
    deliveries: await stage.sql('select id, job_id, channel, recipient, state, reason from deliveries'),
    interrupted: new Map(interrupted.map(({ id, n }) => [id, Number(n)])),
  };
}

function stored(
  sender: Sender,
  { callbacks, jobs, transcripts, deliveries }: Rows,
): Pick<Reckoning, 'lost' | 'notSettledOnce' | 'wronglyPlanned' | 'acknowledged'> {
  const jobsOf = grouped(jobs, ({ request_id }) => request_id);
  const callbacksOf = grouped(callbacks, ({ job_id }) => job_id);
  const transcriptsOf = grouped(transcripts, ({ job_id }) => job_id);
  const deliveriesOf = grouped(deliveries, ({ job_id }) => job_id);
  const lost: string[] = [];
  const notSettledOnce: string[] = [];
  const wronglyPlanned: string[] = [];
  for (const callback of sender.sent.values()) {
    const own = jobsOf.get(callback.requestId) ?? [];
    const [job] = own;
    if (!job) {
      if (callback.acknowledged !== undefined) lost.push(callback.requestId);
      continue;
    }
    const { id } = job;
    const [kept, ...others] = callbacksOf.get(id) ?? [];
    const once = own.length === 1 && transcriptsOf.get(id)?.length === 1 && others.length === 0;
    const same = callback.acknowledged === undefined || callback.acknowledged === kept?.id;
    if (!once || !same || kept?.state !== 'settled') notSettledOnce.push(callback.requestId);
    const expected = [callback.email, callback.phone].filter((to) => to !== undefined).sort();
    const planned = (deliveriesOf.get(id) ?? []).map(({ recipient }) => recipient).sort();
    if (planned.join() !== expected.join()) wronglyPlanned.push(`${callback.requestId}: ${planned.join()}`);
  }
  return { lost, notSettledOnce, wronglyPlanned, acknowledged: sender.acknowledged.length };
}

function sent(
  sender: Sender,
  { deliveries, interrupted }: Rows,
  smtp: StagedSmtp,
  twilio: StagedTwilio,
): Omit<Reckoning, 'lost' | 'notSettledOnce' | 'wronglyPlanned' | 'acknowledged'> {
  const mailsOf = grouped(smtp.mails, ({ messageId }) => messageId.slice(1, messageId.indexOf('@')));
  const smsOf = grouped(twilio.messages, ({ to }) => to);
  const addresses = new Set([...sender.sent.values()].flatMap(({ email, phone }) => [email, phone]));
  const ids = new Set(deliveries.map(({ id }) => id));
  const done = deliveries.filter(({ state }) => state === 'sent' || state === 'delivered');
  const unexplainedRepeats: string[] = [];
  const repeatsOfCrash = new Map<number, number>();
  for (const [id, copies] of mailsOf) {
    const eras = new Set(copies.map(({ era }) => era));
    const explained = eras.size === copies.length && copies.length - 1 <= (interrupted.get(id) ?? 0);
    if (!explained) unexplainedRepeats.push(`${id}: ${copies.map(({ era }) => era).join()}`);
    for (const { era } of copies.slice(0, -1)) repeatsOfCrash.set(era, (repeatsOfCrash.get(era) ?? 0) + 1);
  }
  return {
    notDelivered: deliveries
      .filter((delivery) => !done.includes(delivery))
      .map(({ id, state, reason }) => `${id} ${state} ${reason ?? ''}`),
    notReceived: done
      .filter(({ id, channel, recipient }) => !(channel === 'email' ? mailsOf.has(id) : smsOf.has(recipient)))
      .map(({ id }) => id),
    neverSent: [
      ...[...mailsOf].filter(([id, [mail]]) => !ids.has(id) || !addresses.has(mail?.to)).map(([id]) => id),
      ...[...smsOf.keys()].filter((to) => !addresses.has(to)),
    ],
    unexplainedRepeats,
    repeatedSms: [...smsOf].filter(([, copies]) => copies.length > 1).map(([to]) => to),
    mails: mailsOf.size,
    sms: smsOf.size,
    repeatedMails: smtp.mails.length - mailsOf.size,
    mostRepeatsOfOneCrash: Math.max(0, ...repeatsOfCrash.values()),
  };
}

function grouped<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group) group.push(item);
    else groups.set(keyOf(item), [item]);
  }
  return groups;
}
