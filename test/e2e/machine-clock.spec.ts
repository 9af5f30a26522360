import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFixture } from '../fixtures/deepgram/index.js';
import { eventually } from '../support/faults.js';
import { databases, PATIENCE_MS, Stage } from '../support/stage.js';

const HOUR = 3_600;
const DAY = 24 * HOUR;
const BODY = readFixture('mono-punctuated.json');

/** The library that stands between a program and its clock. */
const found = spawnSync('faketime', ['-f', '+0', 'printenv', 'LD_PRELOAD']);
// The one for programs with threads lies beside it.
const library = found.status === 0 ? found.stdout.toString().trim().replace('time.so', 'timeMT.so') : '';
if (library === '' && process.env.CI === 'true') throw new Error('CI must not skip this: apt-get install faketime');
if (library === '') console.warn('Skipped: faketime sets the clock of one process (apt-get install -y faketime)');
const suite = library === '' ? describe.skip : describe;

suite.each(await databases())('a server on %s whose clock is set', (kind) => {
  let stage: Stage;
  let folder: string;
  const ids: string[] = [];

  /** Seconds from the true time, for the server alone. Its monotonic clock goes on. */
  const setClock = (seconds: number): Promise<void> =>
    writeFile(path.join(folder, 'clock'), `${seconds < 0 ? '-' : '+'}${Math.abs(seconds)}\n`);

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'herald-clock-'));
    await setClock(0);
    stage = await Stage.start(kind, {
      env: {
        LD_PRELOAD: library,
        FAKETIME_TIMESTAMP_FILE: path.join(folder, 'clock'),
        FAKETIME_NO_CACHE: '1',
        FAKETIME_DONT_FAKE_MONOTONIC: '1',
      },
      smtp: { delayMs: 700 },
    });
    stage.deepgram.holdCallbacks();
  }, PATIENCE_MS);

  afterAll(async () => {
    await stage.stop();
    await rm(folder, { recursive: true, force: true });
  }, PATIENCE_MS);

  const mailsTo = (address: string): number =>
    stage.smtp.mails.filter(({ envelope }) => envelope.to.includes(address)).length;

  it.each<[string, number]>([
    ['two hours ahead', 2 * HOUR],
    ['back', 0],
    ['a day back', -DAY],
    ['five years ahead', 5 * 365 * DAY],
    ['back from there', 0],
  ])(
    '%s: what waits goes out within its minute, what is in hand goes out once, and ids go on in order (C17)',
    async (name, seconds) => {
      const address = (who: string): string => `${who}-${name.replaceAll(' ', '-')}@clinic.example`;
      // One that was refused for the moment and is due again in five seconds, and one in the middle of its send.
      stage.smtp.failNext('rcpt');
      const waiting = await stage.submitted({ email: address('waiting') });
      await stage.server.hook(waiting, BODY);
      const { deliveries } = await stage.job(waiting, (job) => job.deliveries.length === 1);
      await stage.delivery(deliveries[0]?.id ?? '', ({ attempts }) => attempts[0]?.outcome === 'deferred');
      const inHand = await stage.submitted({ email: address('in-hand') });
      await stage.server.hook(inHand, BODY);
      await stage.job(inHand, (job) => job.deliveries[0]?.state === 'sending');
      await setClock(seconds);
      const after = await stage.submitted({ email: address('after') });
      await stage.server.hook(after, BODY);
      ids.push(waiting, inHand, after);
      const jumped = performance.now();
      for (const id of [waiting, inHand, after]) await stage.job(id, (job) => job.deliveries[0]?.state === 'sent');
      const took = (performance.now() - jumped) / 1_000;
      process.stdout.write(`clock ${name} on ${kind}: all sent after ${took.toFixed(1)} s\n`);
      expect(['waiting', 'in-hand', 'after'].map((who) => mailsTo(address(who)))).toEqual([1, 1, 1]);
      const { attempts } = await stage.delivery(deliveries[0]?.id ?? '');
      expect(attempts.length).toBeLessThanOrEqual(3);
      expect(ids).toEqual([...ids].sort());
      await eventually('ready', async () => (await fetch(`${stage.server.url}/readyz`)).ok);
    },
    2 * PATIENCE_MS,
  );
});
