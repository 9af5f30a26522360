import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { databases, type DatabaseKind } from '../test/support/stage.js';
import { NOTHING_BROKEN, reckon, type Reckoning } from './support/reckoning.js';
import { figure, scaled } from './support/scale.js';
import { Sender } from './support/sender.js';
import { Victim } from './support/victim.js';

/** Kills of one database, shared by two servers side by side: most of the time of a kill is the next start. */
const KILLS: Record<DatabaseKind, number> = { SQLite: scaled(200, 50), PostgreSQL: scaled(50, 5) };
const LANES: Record<DatabaseKind, number> = { SQLite: 2, PostgreSQL: 1 };
const CONNECTIONS = 24;
const PAUSE_MS = 20;
/** Milliseconds of life after each start. */
const LIFE = { least: 50, most: 900 };

interface Lane {
  reckoning: Reckoning;
  kills: number;
  retries: number;
  statuses: Map<number, number>;
  starts: number[];
}

/** Kills a loaded server `kills` times, lets it recover, and compares the logs. */
async function lane(kind: DatabaseKind, number: number, kills: number): Promise<Lane> {
  const victim = await Victim.start(kind);
  const sender = new Sender(victim.url, number * 1_000_000);
  try {
    const load = sender.load(CONNECTIONS, PAUSE_MS);
    const starts: number[] = [];
    for (let kill = 0; kill < kills; kill++) {
      await sleep(LIFE.least + Math.random() * (LIFE.most - LIFE.least));
      await victim.kill();
      // On PostgreSQL another replica takes the leases of a dead one over when they have run out; here there is none.
      if (kind === 'PostgreSQL')
        await victim.stage.sql(`update deliveries set lease_until = 0 where state = 'sending'`);
      starts.push(await victim.restart());
    }
    sender.stop();
    await load;
    await victim.drained();
    await victim.lookUpNow();
    const reckoning = await reckon(victim.stage, sender, victim);
    return { reckoning, kills, retries: sender.retries, statuses: sender.statuses, starts };
  } finally {
    sender.stop();
    await victim.stop();
  }
}

function tell(kind: DatabaseKind, lanes: Lane[]): void {
  const sum = (of: (lane: Lane) => number): number => lanes.reduce((total, one) => total + of(one), 0);
  const tellOne = (name: string, value: string | number): void => {
    figure(`random kills on ${kind}: ${name}`, value);
  };
  tellOne(
    'kills',
    sum(({ kills }) => kills),
  );
  tellOne(
    'callbacks acknowledged',
    sum(({ reckoning }) => reckoning.acknowledged),
  );
  tellOne(
    'posted again by the client',
    sum(({ retries }) => retries),
  );
  tellOne(
    'acknowledged and lost',
    sum(({ reckoning }) => reckoning.lost.length),
  );
  tellOne(
    'settled twice, or not',
    sum(({ reckoning }) => reckoning.notSettledOnce.length),
  );
  tellOne(
    'planned twice, or not',
    sum(({ reckoning }) => reckoning.wronglyPlanned.length),
  );
  tellOne(
    'mails',
    sum(({ reckoning }) => reckoning.mails),
  );
  tellOne(
    'mails that came again, under the same Message-ID',
    sum(({ reckoning }) => reckoning.repeatedMails),
  );
  tellOne(
    'most mails again after one kill',
    Math.max(...lanes.map(({ reckoning }) => reckoning.mostRepeatsOfOneCrash)),
  );
  tellOne(
    'mails again without a kill to explain it',
    sum(({ reckoning }) => reckoning.unexplainedRepeats.length),
  );
  tellOne(
    'SMS',
    sum(({ reckoning }) => reckoning.sms),
  );
  tellOne(
    'SMS made twice',
    sum(({ reckoning }) => reckoning.repeatedSms.length),
  );
  const starts = lanes.flatMap((one) => one.starts).sort((a, b) => a - b);
  tellOne('start, median', `${starts[Math.floor(starts.length / 2)]?.toFixed(0) ?? ''} ms`);
}

describe.each(await databases())('a server on %s that is killed at random under load', (kind) => {
  it('loses nothing that it acknowledged, and sends nothing twice but a mail in flight (C1, C2, C3, C4, C6, C9)', async () => {
    const share = Math.ceil(KILLS[kind] / LANES[kind]);
    const lanes = await Promise.all(Array.from({ length: LANES[kind] }, (_, number) => lane(kind, number, share)));
    tell(kind, lanes);
    for (const { reckoning, kills, statuses } of lanes) {
      expect([...statuses.keys()].filter((status) => status !== 200 && status !== 503)).toEqual([]);
      expect(reckoning.acknowledged).toBeGreaterThan(kills);
      expect(reckoning).toMatchObject(NOTHING_BROKEN);
      expect(reckoning.repeatedMails).toBeLessThanOrEqual(kills);
    }
  });
});
