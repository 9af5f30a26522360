import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { DAY, HOUR, MINUTE } from '../../src/duration.js';
import { databases, TestApp, type AnyBody } from '../support/app.js';
import { randomSeries, type RandomSeries } from '../support/random-rules.js';
import { bodyOf, comparable, dropRules, forgetCalls, hook, plannedMessages, settled } from '../support/simulated.js';

/** So far apart that nothing of one series is remembered in the next, and on the same day of the week. */
const APART = 42 * DAY;

describe.each(await databases())('simulating rules that remember, on %s', (kind) => {
  let herald: TestApp;
  /** Noon of a day to come, UTC. */
  let start = Math.ceil(Date.now() / DAY) * DAY + 12 * HOUR;

  beforeAll(async () => {
    herald = await TestApp.start(kind);
    await dropRules(herald);
    const hours = {
      night: { quiet: { from: '21:00', until: '07:00' } },
      digest: { digest: { at: '17:30' } },
      away: { quiet: { from: '13:00', until: '12:30' } },
    };
    for (const [name, more] of Object.entries({ ann: {}, ...hours })) {
      const contact = { name, email: `${name}@clinic.example`, phone: '+12125550145', timeZone: 'UTC', ...more };
      expect((await herald.api('POST', '/v1/contacts', contact)).status).toBe(201);
    }
    await herald.api('POST', '/v1/groups', { name: 'team', members: ['ann', 'away'] });
    await herald.api('POST', '/v1/groups', { name: 'all', members: ['ann', 'night', 'digest', 'away'] });
    await herald.api('POST', '/v1/sending/pause', { reason: 'the test looks at what is planned' });
  });
  afterAll(() => herald.close());

  /** Lets the calls come, each at its minute. @returns their jobs, in order, and what was planned as each was settled */
  async function receive(calls: RandomSeries['calls']): Promise<{ jobs: string[]; planned: AnyBody[] }> {
    const jobs: string[] = [];
    const planned: AnyBody[] = [];
    for (const call of calls) {
      // Never back: calls of one minute come one after the other.
      herald.clock.aheadMs = Math.max(herald.clock.aheadMs, start + call.minutes * MINUTE - Date.now());
      await hook(herald, bodyOf(call));
      await settled(herald);
      const made = await herald.database.read<{ id: string }>('select id from jobs');
      const job = made.map(({ id }) => id).find((id) => !jobs.includes(id));
      expect(job).toBeDefined();
      jobs.push(job!);
      // Later it may have gone on: its hour comes, or it becomes part of another message.
      planned.push(...(await plannedMessages(herald)).filter(({ jobId, step }) => jobId === job && !step));
    }
    return { jobs, planned };
  }

  const lines = (messages: AnyBody[], jobs: string[]): string[] =>
    messages
      .map((message) => {
        const due = Math.floor((new Date(message.dueAt as string | number).getTime() - start) / MINUTE);
        return `${comparable({ ...message, jobId: jobs.indexOf(message.jobId as string) })} due ${String(due)}`;
      })
      .sort();

  async function skippedReally(): Promise<string[]> {
    const rows = await herald.database.read<{ name: string; skipped: string }>(
      'select rule_name as name, skipped from evaluations where matched',
    );
    return counted(
      rows.flatMap(({ name, skipped }) =>
        (JSON.parse(skipped) as AnyBody[]).map((one) => [name, one.action, one.to, reasonOf(one.reason)]),
      ),
    );
  }

  it('says of random rules over random calls what is planned when those calls come', async () => {
    const seen = { messages: 0, waiting: 0, merged: 0, throttled: 0 };
    await fc.assert(
      fc.asyncProperty(randomSeries, async ({ rules, calls }) => {
        start += APART;
        const before = await receive(calls);
        expect(before.planned).toEqual([]);
        const { status, body } = await herald.api('POST', '/v1/rules/simulate', { rules, limit: 1_000 });
        expect([status, body.truncated]).toEqual([200, false]);
        const simulated = lines(body.messages as AnyBody[], before.jobs);
        const skipped = (body.skipped as AnyBody[]).map(
          (one) => `${JSON.stringify([one.ruleName, one.action, one.to, reasonOf(one.reason)])} ${String(one.count)}`,
        );
        await forgetCalls(herald);

        start += APART;
        for (const rule of rules) expect((await herald.api('POST', '/v1/rules', rule)).status).toBe(201);
        const { jobs, planned } = await receive(calls);
        expect(simulated).toEqual(lines(planned, jobs));
        expect(skipped.sort()).toEqual(await skippedReally());
        await dropRules(herald);
        await forgetCalls(herald);
        seen.messages += planned.length;
        seen.waiting += planned.filter(({ state }) => state === 'waiting').length;
        seen.merged += planned.filter(({ alsoFor }) => alsoFor.length > 0).length;
        seen.throttled += skipped.filter((line) => line.includes('throttle')).length;
      }),
      { numRuns: RUNS, endOnFailure: true, examples: [[EVERYTHING]] },
    );
    process.stdout.write(`simulated series on ${kind}: ${JSON.stringify(seen)}\n`);
    // Not true of nothing.
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(0);
  }, 300_000);
});

/** `RUNS=200 npx jest simulate-series` looks longer. */
const RUNS = Number(process.env.RUNS ?? 6);

const tellAll = { channel: 'email', to: ['group:all'], template: 'transcript-ready' };
const always = { enabled: true, on: 'transcript.completed', when: 'true', stop: false, order: 1 } as const;
/** Messages that wait, that are merged, and that a throttle keeps back. */
const EVERYTHING: RandomSeries = {
  rules: [
    { ...always, name: 'first', actions: [tellAll] },
    { ...always, name: 'second', actions: [tellAll], order: 2 },
    { ...always, name: 'seldom', actions: [tellAll], throttle: { times: 1, within: '75m', per: 'rule' } },
  ],
  calls: [0, 60, 600].map((minutes) => ({ turns: [['thanks']], tags: {}, minutes })),
};

/** Without how long a throttle stays shut, which is another time for each call. */
function reasonOf(reason: string): string {
  return reason.replace(/; open again in .*$/, '');
}

function counted(entries: unknown[]): string[] {
  const counts = new Map<string, number>();
  for (const entry of entries.map((one) => JSON.stringify(one))) counts.set(entry, (counts.get(entry) ?? 0) + 1);
  return [...counts].map(([entry, count]) => `${entry} ${String(count)}`).sort();
}
