import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { attach, canTrace, detach } from '../test/support/strace.js';
import { NOTHING_BROKEN, reckon } from './support/reckoning.js';
import { figure, scaled, SHORT } from './support/scale.js';
import { Sender } from './support/sender.js';
import { Victim } from './support/victim.js';

/**
 * System calls at whose n-th occurrence the process is killed, before the call is made. At a write to the log: in the middle of a
 * commit. At a sync: the commit is written, not acknowledged, not recorded. At a write to a socket: committed, and not answered, or
 * a word of a conversation with a vendor not said.
 */
const CALLS = { 'a write to the log': 'pwrite64', 'a sync': 'fsync,fdatasync', 'a write to a socket': 'write,writev' };
/** The short form takes so many of each. */
const SAMPLES = 3;
/** No callback with its mail and its SMS needs more. */
const MOST = 400;
const PATIENCE_MS = 60_000;

type Fate = 'not stored' | 'stored, not acknowledged' | 'acknowledged' | 'survived';

/** Posts one callback to a server that dies at the n-th of the calls. @returns how far the callback had come */
async function killAtCall(victim: Victim, sender: Sender, calls: string, n: number): Promise<Fate> {
  const inject = `inject=${calls}:signal=SIGKILL:when=${n}`;
  const strace = await attach(victim.stage.server.pid, ['-o', '/dev/null', '-e', `trace=${calls}`, '-e', inject]);
  if (typeof strace === 'string') throw new Error(`strace could not attach: ${strace}`);
  const before = await victim.stage.count('callbacks');
  const { callback, bytes } = sender.make({ email: true, sms: true });
  const acknowledged = await sender.deliver(callback, bytes, true);
  const survived = acknowledged && (await idle(victim));
  if (survived) await detach(strace);
  else strace.kill('SIGKILL');
  if (survived) return 'survived';
  victim.struck();
  await victim.kill();
  await victim.restart();
  // Not sooner: whoever opens the file first recovers it, and that is to be the server.
  const stored = acknowledged || (await victim.stage.count('callbacks')) > before;
  if (!acknowledged) await sender.deliver(callback, bytes);
  await victim.drained();
  return acknowledged ? 'acknowledged' : stored ? 'stored, not acknowledged' : 'not stored';
}

/** Waits until all work is done. @returns false when the process died before */
async function idle(victim: Victim): Promise<boolean> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    if (!victim.alive) return false;
    if (Date.now() > deadline) throw new Error('the work never came to an end');
    const waiting = await victim.stage.count('callbacks', `state = 'pending'`);
    const open = await victim.stage.count('deliveries', `state in ('queued', 'sending')`);
    if (waiting + open === 0) return victim.alive;
    await sleep(20);
  }
}

/** Which occurrences: all in turn, or in the short form the first ones and then steps that grow. */
function* occurrences(): Generator<number> {
  for (let n = 1; n <= MOST; n += SHORT && n >= 2 ? n : 1) yield n;
}

const traced = canTrace();

describe('a server on SQLite that is killed at a chosen moment of a commit', () => {
  (traced ? it : it.skip)('recovers from a kill at any write and any sync (C1, C2, C7)', async () => {
    const victim = await Victim.start('SQLite');
    const sender = new Sender(victim.url, 0, 'mono-punctuated.json');
    try {
      for (const [name, calls] of Object.entries(CALLS)) {
        const fates = await walk(victim, sender, calls);
        figure(`kills at ${name}`, fates.join(', '));
        expect(fates).not.toEqual([]);
      }
      await victim.lookUpNow();
      expect(await reckon(victim.stage, sender, victim)).toMatchObject(NOTHING_BROKEN);
    } finally {
      sender.stop();
      await victim.stop();
    }
  });

  it('settles and sends what it acknowledged, if it dies on the first byte of the answer (C3)', async () => {
    const KILLS = scaled(50, 3);
    const victim = await Victim.start('SQLite');
    const sender = new Sender(victim.url);
    try {
      for (let kill = 0; kill < KILLS; kill++) {
        let struck = false;
        sender.onAnswer = () => {
          if (!struck) victim.strike();
          struck = true;
        };
        await sender.send({ email: true });
        await victim.restart();
      }
      await victim.drained();
      const reckoning = await reckon(victim.stage, sender, victim);
      figure('kills on the first byte of an acknowledgement', KILLS);
      figure('acknowledged and lost after those', reckoning.lost.length);
      expect(reckoning).toMatchObject({ ...NOTHING_BROKEN, acknowledged: KILLS });
    } finally {
      sender.stop();
      await victim.stop();
    }
  });
});

/** Kills at one occurrence after the other, until one callback comes through alive. @returns how many met which fate */
async function walk(victim: Victim, sender: Sender, calls: string): Promise<string[]> {
  const fates = new Map<Fate, number>();
  let taken = 0;
  for (const n of occurrences()) {
    const fate = await killAtCall(victim, sender, calls, n);
    if (fate === 'survived') break;
    fates.set(fate, (fates.get(fate) ?? 0) + 1);
    if (++taken === scaled(MOST, SAMPLES)) break;
  }
  return [...fates].map(([fate, times]) => `${times} ${fate}`);
}

describe('a server on SQLite that is killed while a callback meets many rules', () => {
  const RULES = scaled(10_000, 1_000);
  const KILLS = scaled(20, 2);

  it('makes exactly one delivery for each rule and recipient (C4)', async () => {
    const victim = await Victim.start('SQLite', { SMTP_URL: '', MAIL_FROM: '' });
    const sender = new Sender(victim.url, 0, 'mono-punctuated.json');
    try {
      await victim.kill();
      await addRules(victim, RULES);
      await victim.restart();
      for (let kill = 0; kill < KILLS; kill++) {
        await sender.send({});
        await sleep(Math.random() * 2_000);
        await victim.kill();
        await victim.restart();
      }
      await victim.untilNone('callbacks', `state = 'pending'`);
      const [row] = await victim.stage.sql<{ jobs: number; planned: number; distinct_ones: number }>(
        `select count(distinct job_id) as jobs, count(*) as planned,
           count(distinct job_id || rule_id || recipient) as distinct_ones from deliveries`,
      );
      figure(`deliveries of ${KILLS} callbacks to ${RULES} rules, killed within two seconds`, row?.planned ?? 0);
      expect(row).toEqual({ jobs: KILLS, planned: KILLS * RULES, distinct_ones: KILLS * RULES });
      expect(sender.acknowledged).toHaveLength(KILLS);
    } finally {
      sender.stop();
      await victim.stop();
    }
  });
});

/** Rules that every transcript meets, each with a recipient of its own; written while the server is down. */
async function addRules(victim: Victim, count: number): Promise<void> {
  const action = `{"channel":"email","to":["r' || i || '@clinic.example"],"template":"transcript-ready"}`;
  const definition = `{"name":"rule-' || i || '","enabled":true,"on":"transcript.completed","when":"true","actions":[${action}],"stop":false,"order":100}`;
  await victim.stage.sql(
    `with recursive n (i) as (select 1 union all select i + 1 from n where i < ${count})
     insert into rules (id, name, version, definition, created_at, updated_at)
     select 'rule-' || i, 'rule-' || i, 1, '${definition}', 0, 0 from n`,
  );
}
