import type { TwilioFaultSpec } from '../../src/sandbox/twilio-stand-in.service.js';
import { readFixture } from '../fixtures/deepgram/index.js';
import { PATIENCE_MS, type Stage } from './stage.js';

const BODY = readFixture('diarized.json');

/** Ways a send of an SMS ends without an answer that says whether there is a message; `made` when there is one. */
export const DOUBTS: readonly { fault: TwilioFaultSpec; made: boolean }[] = [
  { fault: 'reset-before', made: false },
  { fault: 'reset-after', made: true },
  { fault: { status: 500, body: '<html>oops</html>' }, made: false },
  { fault: 'half-answer', made: true },
  { fault: { status: 503, body: '' }, made: false },
  { fault: 'not-json', made: true },
];

/** SMS without a cap, so that a suite may send as many as it wants. */
export const NO_CAPS = { HERALD_SMS_PER_HOUR: 'none', HERALD_SMS_PER_RECIPIENT_PER_HOUR: 'none' };

/** Lets a transcript come. @returns the id of its one delivery */
export async function onlyDelivery(stage: Stage, tags: Record<string, string>): Promise<string> {
  const id = await stage.submitted(tags);
  await stage.server.hook(id, BODY);
  const { deliveries } = await stage.job(id, ({ state }) => state === 'completed');
  if (deliveries.length !== 1) throw new Error(`${String(deliveries.length)} deliveries instead of one`);
  return deliveries[0]?.id ?? '';
}

/** Makes a delivery whose send ends so. @returns its id, once it is `unknown` */
export async function inDoubt(stage: Stage, tags: Record<string, string>, fault: TwilioFaultSpec): Promise<string> {
  // Many without an answer in a row open the breaker.
  await stage.server.api('POST', '/v1/channels/sms/resume');
  stage.twilio.failNext(fault);
  const id = await onlyDelivery(stage, tags);
  await stage.delivery(id, ({ state }) => state === 'unknown');
  return id;
}

/** Has what may have been sent looked up now, as if `seconds` had passed since its send. */
export async function lookUpAfter(stage: Stage, seconds: number): Promise<void> {
  const unknown = `select id from deliveries where state = 'unknown'`;
  await stage.sql(
    `update attempts set started_at = started_at - ${String(seconds * 1_000)} where delivery_id in (${unknown})`,
  );
  await stage.sql(`update deliveries set due_at = 0 where state = 'unknown' and due_at < 9000000000000000`);
  // Whoever lets the channel send lets it look for what is due.
  await stage.server.api('POST', '/v1/channels/sms/resume');
}

/** Waits until no delivery is as told. */
export async function noneLeft(stage: Stage, where: string): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while ((await stage.count('deliveries', where)) > 0) {
    if (Date.now() > deadline) throw new Error(`Some deliveries stay ${where}: ${stage.server.log.slice(-2_000)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
