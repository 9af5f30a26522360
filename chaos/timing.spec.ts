import { Agent, request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { hookPassword } from '../src/callbacks/hook-credential.js';
import { ADMIN_KEY, basic, HOOK_PASSWORD, SECRET, TestServer } from '../test/support/server.js';
import { mannWhitney } from './support/mann-whitney.js';
import { figure, scaled, SHORT } from './support/scale.js';

const ID = '0198a8a0-0000-7000-8000-000000000000';
const REPEATS = scaled(3, 1);
const EACH = scaled(20_000, 500);

const firstByteWrong = (text: string): string => `${text.startsWith('x') ? 'y' : 'x'}${text.slice(1)}`;
const lastByteWrong = (text: string): string => `${text.slice(0, -1)}${text.endsWith('x') ? 'y' : 'x'}`;

describe('the time of a refusal', () => {
  let server: TestServer;
  /** A refused address is told to wait after some tries, so the guesser comes from many of loopback's. */
  let addresses = 0;

  beforeAll(async () => {
    server = await TestServer.start({ HERALD_LOG_LEVEL: 'error' });
  });
  afterAll(async () => {
    await server.stop();
  });

  it('tells two samples of one distribution from two of two', () => {
    const ramp = Array.from({ length: 200 }, (_, index) => (index * 7919) % 1009);
    expect(mannWhitney(ramp, ramp)).toBeCloseTo(1, 3);
    expect(
      mannWhitney(
        ramp,
        ramp.map((value) => value + 400),
      ),
    ).toBeLessThan(1e-6);
    // By scipy 1: mannwhitneyu(range(1, 31), range(6, 36), use_continuity=False, method='asymptotic').
    const first = Array.from({ length: 30 }, (_, index) => index + 1);
    const second = first.map((value) => value + 5);
    expect(mannWhitney(first, second)).toBeCloseTo(0.041995, 5);
  });

  /** Interleaved, so that whatever else the machine does meets both alike. @returns microseconds */
  async function sample(
    route: string,
    perAddress: number,
    headers: readonly [string, string],
  ): Promise<[number[], number[]]> {
    const times: [number[], number[]] = [[], []];
    let agent: Agent | undefined;
    let localAddress = '';
    for (let index = 0; index < 2 * EACH; index++) {
      if (index % perAddress === 0) {
        agent?.destroy();
        agent = new Agent({ keepAlive: true, maxSockets: 1 });
        addresses++;
        localAddress = `127.1.${String(addresses >> 8)}.${String(addresses & 255)}`;
        await refuse(route, basic('to warm the connection'), agent, localAddress);
      }
      // Now one, now the other first.
      const which = ((index >> 1) + index) & 1 ? 1 : 0;
      const started = process.hrtime.bigint();
      await refuse(route, headers[which], agent, localAddress);
      times[which].push(Number(process.hrtime.bigint() - started) / 1_000);
    }
    agent?.destroy();
    return times;
  }

  function refuse(route: string, authorization: string, agent: Agent | undefined, localAddress: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const method = route.startsWith('/hook') ? 'POST' : 'GET';
      request(`${server.url}${route}`, { agent, localAddress, method, headers: { authorization } }, (response) => {
        if (response.statusCode !== 401) reject(new Error(`${route} answered ${String(response.statusCode)}`));
        response.resume().once('end', resolve);
      })
        .once('error', reject)
        .end();
    });
  }

  it.each<[string, string, number, [string, string]]>([
    [
      'the password of a job',
      `/hook/${ID}`,
      100,
      [basic(firstByteWrong(hookPassword(ID, SECRET))), basic(lastByteWrong(hookPassword(ID, SECRET)))],
    ],
    [
      'the password of /hook',
      '/hook',
      100,
      [basic(firstByteWrong(HOOK_PASSWORD)), basic(lastByteWrong(HOOK_PASSWORD))],
    ],
    [
      'the user of /hook',
      '/hook',
      100,
      [basic(HOOK_PASSWORD, 'someone'), basic(firstByteWrong(HOOK_PASSWORD), 'herald')],
    ],
    ['an API key', '/v1/jobs', 18, [`Bearer ${firstByteWrong(ADMIN_KEY)}`, `Bearer ${lastByteWrong(ADMIN_KEY)}`]],
  ])('does not show how much of %s was right (X6)', async (what, route, perAddress, headers) => {
    const ps: number[] = [];
    for (let repeat = 0; repeat < REPEATS; repeat++)
      ps.push(mannWhitney(...(await sample(route, perAddress, headers))));
    figure(`timing of ${what}, 2 x ${String(EACH)}, p`, ps.map((p) => p.toFixed(3)).join(' '));
    expect(ps).toHaveLength(REPEATS);
    // A real difference shows in every repeat; chance alone goes under 0.01 in one of a hundred.
    if (!SHORT) expect(ps.filter((p) => p > 0.01).length).toBeGreaterThanOrEqual(2);
  });
});
