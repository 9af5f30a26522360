import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import BetterSqlite3 from 'better-sqlite3';
import { describe, expect, it } from '@jest/globals';
import { figure, scaled, SHORT } from './support/scale.js';
import { Sender } from './support/sender.js';
import { Victim } from './support/victim.js';

const BACKLOG = scaled(100_000, 2_000);
/** Of a row: what a rule with many matches leaves. */
const ROW_BYTES = 3_000;
const CONCURRENCY = 16;
const SAMPLE_MS = 1_000;
/** The short form also runs where other work has the processor: its figures are told, and not held against it. */
const LIMITS = SHORT
  ? { readyMs: 60_000, firstSendMs: 60_000, perSecond: 0, growthMiB: 200 }
  : { readyMs: 5_000, firstSendMs: 5_000, perSecond: 300, growthMiB: 64 };

describe('a server on SQLite that was killed with a backlog', () => {
  it('is ready and sends within seconds, and drains it once, in steady memory (C20)', async () => {
    const victim = await Victim.start('SQLite');
    const sender = new Sender(victim.url, 0, 'diarized.json');
    try {
      await sender.send({ email: true });
      await victim.drained();
      const before = victim.smtp.mails.length;
      addBacklog(victim.stage.server.dataDir, BACKLOG);
      await victim.kill();
      figure('backlog: rows', BACKLOG);
      figure('backlog: log of the database at the kill', `${size(victim, '-wal')} MiB`);

      const began = Date.now();
      const readyMs = await victim.restart();
      const { samples, drainedMs, cpuMs, mainMs } = await drain(victim);

      const mails = victim.smtp.mails.slice(before);
      const sinceStart = mails.filter(({ at }) => at >= began).map(({ at }) => at);
      const first = Math.min(...sinceStart.slice(0, CONCURRENCY));
      const perSecond = (1000 * sinceStart.length) / ((sinceStart.at(-1) ?? 0) - first);
      const half = Math.ceil(samples.length / 2);
      const growth = Math.max(...samples.slice(half)) - Math.max(...samples.slice(0, half));
      figure('backlog: ready after', `${readyMs.toFixed(0)} ms`);
      figure('backlog: first mail after', `${first - began} ms`);
      figure('backlog: mails a second', perSecond.toFixed(0));
      figure('backlog: drained after', `${(drainedMs / 1000).toFixed(1)} s`);
      const each = (ms: number): string => `${(ms / sinceStart.length).toFixed(2)} ms`;
      figure('backlog: processor time of a delivery', `${each(cpuMs)}, of the main thread ${each(mainMs)}`);
      figure('backlog: most resident memory', `${Math.max(...samples).toFixed(0)} MiB`);
      figure('backlog: most of the second half over most of the first', `${growth.toFixed(0)} MiB`);

      const copies = new Map<string, number>();
      for (const { to } of mails) copies.set(to, (copies.get(to) ?? 0) + 1);
      figure('backlog: mails that came again', mails.length - copies.size);
      expect(copies.size).toBe(BACKLOG);
      expect(mails.length - copies.size).toBeLessThanOrEqual(CONCURRENCY);
      expect(await victim.stage.count('deliveries', `state = 'sent'`)).toBe(BACKLOG + before);
      expect(readyMs).toBeLessThanOrEqual(LIMITS.readyMs);
      expect(first - began).toBeLessThanOrEqual(LIMITS.firstSendMs);
      expect(perSecond).toBeGreaterThanOrEqual(LIMITS.perSecond);
      expect(growth).toBeLessThanOrEqual(LIMITS.growthMiB);
    } finally {
      sender.stop();
      await victim.stop();
    }
  });
});

/** Copies the one delivery that there is, as due ones to recipients of their own, and leaves them in the write-ahead log. */
function addBacklog(dataDir: string, count: number): void {
  const database = new BetterSqlite3(path.join(dataDir, 'herald.sqlite'), { timeout: 10_000 });
  try {
    database.pragma('wal_autocheckpoint = 0');
    const columns = (database.pragma('table_info(deliveries)') as { name: string }[]).map(({ name }) => name);
    const padding = JSON.stringify({ padding: 'x'.repeat(ROW_BYTES) });
    const values: Record<string, string> = {
      id: `'backlog-' || i`,
      recipient: `'b' || i || '@clinic.example'`,
      dedupe_key: `'backlog-' || i`,
      recipient_data: `'${padding}'`,
      ...{ state: `'queued'`, due_at: '0', attempts_counted: '0', attempts_made: '0' },
      ...{ lease_owner: 'null', lease_until: 'null', message: 'null', sent_at: 'null', provider_message_id: 'null' },
    };
    database.exec(
      `with recursive n (i) as (select 1 union all select i + 1 from n where i < ${count})
       insert into deliveries (${columns.join(', ')})
       select ${columns.map((name) => values[name] ?? name).join(', ')} from n, (select * from deliveries limit 1)`,
    );
  } finally {
    database.close();
  }
}

interface Drained {
  /** Resident memory in MiB as it went. */
  samples: number[];
  drainedMs: number;
  /** Processor time of the server meanwhile. */
  cpuMs: number;
  mainMs: number;
}

/** Waits until all is sent. */
async function drain({ stage }: Victim): Promise<Drained> {
  const { pid } = stage.server;
  const before = { at: performance.now(), cpuMs: processorMs(`/proc/${pid}`), mainMs: mainThreadMs(pid) };
  const samples: number[] = [];
  let open: number;
  do {
    await sleep(SAMPLE_MS);
    samples.push(await stage.server.rss());
    open = await stage.count('deliveries', `state in ('queued', 'sending')`);
  } while (open > 0);
  return {
    samples,
    drainedMs: performance.now() - before.at,
    cpuMs: processorMs(`/proc/${pid}`) - before.cpuMs,
    mainMs: mainThreadMs(pid) - before.mainMs,
  };
}

function mainThreadMs(pid: number): number {
  return processorMs(`/proc/${pid}/task/${pid}`);
}

/** Of a process with its threads, or of a thread; Linux tells in hundredths of a second. */
function processorMs(directory: string): number {
  const fields = readFileSync(`${directory}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return 10 * (Number(fields[11]) + Number(fields[12]));
}

function size(victim: Victim, suffix: string): number {
  return Math.round(statSync(path.join(victim.stage.server.dataDir, `herald.sqlite${suffix}`)).size / 2 ** 20);
}
