import { randomUUID } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { HOUR, MINUTE } from '../../src/duration.js';
import { readFixture } from '../fixtures/deepgram/index.js';
import { basic, HOOK_PASSWORD, type TestServer } from '../support/server.js';
import { databases, PATIENCE_MS, Stage, type JobBody } from '../support/stage.js';

const CALLS = 100;
const PEOPLE = Array.from({ length: 10 }, (_, i) => `+1415555${String(3000 + i)}`);
const ABROAD = '+447911123456';
const CAP = 60;

type Shown = JobBody['deliveries'][number];

const servers = (await databases()).flatMap<['SQLite' | 'PostgreSQL', number]>((kind) =>
  kind === 'SQLite' ? [[kind, 1]] : [[kind, 2]],
);

/** The windows are clock hours: a test that runs over the end of one would meet two caps. */
async function insideAnHour(): Promise<void> {
  const left = HOUR - (Date.now() % HOUR);
  if (left < MINUTE) await new Promise((resolve) => setTimeout(resolve, left + 100));
}

/** Callbacks of calls that somebody else submitted, all different. */
async function calls(to: TestServer[]): Promise<number[]> {
  const body = JSON.parse(readFixture('diarized.json').toString('utf8')) as { metadata: Record<string, unknown> };
  const one = async (number: number): Promise<number> => {
    const url = to[number % to.length]?.url ?? '';
    const metadata = { ...body.metadata, request_id: randomUUID(), extra: { pump: 'yes' } };
    const answer = await fetch(`${url}/hook`, {
      method: 'POST',
      headers: { authorization: basic(HOOK_PASSWORD), 'content-type': 'application/json' },
      body: JSON.stringify({ ...body, metadata }),
    });
    return answer.status;
  };
  const statuses: number[] = [];
  for (let i = 0; i < CALLS; i += 20) {
    statuses.push(...(await Promise.all(Array.from({ length: 20 }, (_, n) => one(i + n)))));
  }
  return statuses;
}

describe.each(servers)('caps on %s with %d server processes', (kind, processes) => {
  it(
    '1,000 matching notifications and 100 abroad: exactly the cap is sent; the rest is held, visible and not lost (X4)',
    async () => {
      await insideAnHour();
      const caps = { HERALD_SMS_PER_HOUR: String(CAP), HERALD_SMS_PER_RECIPIENT_PER_HOUR: '1000' };
      const stage = await Stage.start(kind, {
        env: { ...caps, HERALD_SMS_COUNTRIES: 'US' },
        twilio: { statusDelayMs: HOUR },
      });
      const all = [stage.server];
      try {
        while (all.length < processes) all.push(await stage.replica());
        const rule = {
          name: 'pump',
          when: 'has(job.tags.pump)',
          actions: [{ channel: 'sms', to: [...PEOPLE, ABROAD], template: 'transcript-ready' }],
        };
        expect((await stage.server.api('POST', '/v1/rules', rule)).status).toBe(201);
        // The others read the rules anew within a second.
        await new Promise((resolve) => setTimeout(resolve, processes > 1 ? 2_000 : 0));
        const started = performance.now();
        expect(await calls(all)).toEqual(Array(CALLS).fill(200));
        const planned = `channel = 'sms'`;
        for (let tries = 0; tries < 600 && (await stage.count('deliveries', planned)) < 1_100; tries++) {
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
        process.stdout.write(
          `1,100 notifications on ${kind}, ${String(processes)} processes: ${(performance.now() - started).toFixed(0)} ms\n`,
        );
        expect(await stage.count('deliveries', planned)).toBe(1_100);
        for (
          let tries = 0;
          tries < 600 && (await stage.count('deliveries', `state in ('queued', 'sending')`)) > 0;
          tries++
        ) {
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
        // Every text message has an end that can be told, and none but those abroad died.
        expect(
          await stage.sql(
            `select state, reason from deliveries where channel = 'sms' and recipient <> '${ABROAD}' and state not in ('sent', 'held')`,
          ),
        ).toEqual([]);
        expect(stage.twilio.messages).toHaveLength(CAP);
        expect(await stage.count('deliveries', `state = 'sent'`)).toBe(CAP);

        const held = await stage.all<Shown>('/v1/deliveries?state=held');
        expect(held).toHaveLength(1_000 - CAP);
        expect(held[0]?.reason).toMatch(/^cap: 60 .*HERALD_SMS_PER_HOUR.*retry/);
        const refused = await stage.all<Shown>('/v1/deliveries?state=dead');
        expect(refused).toHaveLength(CALLS);
        expect(new Set(refused.map(({ to }) => to))).toEqual(new Set([ABROAD]));
        expect(refused[0]?.reason).toMatch(/HERALD_SMS_COUNTRIES/);

        // A person decides for one of them, and for one more by its id.
        const [person, other] = [PEOPLE[0] ?? '', held.find(({ to }) => to === PEOPLE[1])];
        const filter = { state: 'held', recipient: person };
        const released = await stage.server.api<{ count: number }>('POST', '/v1/deliveries/retry', filter);
        expect(released.body.count).toBe(held.filter(({ to }) => to === person).length);
        expect((await stage.server.api('POST', `/v1/deliveries/${other?.id ?? ''}/retry`)).status).toBe(200);
        for (let tries = 0; tries < 600 && stage.twilio.messages.length < CAP + released.body.count + 1; tries++) {
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
        expect(stage.twilio.messages).toHaveLength(CAP + released.body.count + 1);
        expect(stage.twilio.messages.filter(({ message }) => message.to === person)).toHaveLength(CALLS);
        expect(stage.twilio.messages.filter(({ message }) => message.to === ABROAD)).toEqual([]);
      } finally {
        await Promise.all(all.slice(1).map((server) => server.stop()));
        await stage.stop();
      }
    },
    3 * PATIENCE_MS,
  );
});
