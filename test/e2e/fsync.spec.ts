import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestServer } from '../support/server.js';
import { attach, canTrace, detach } from '../support/strace.js';

const CALLBACKS = 50;
const CALLS = 'fsync,fdatasync,write,writev,pwrite64,sendto,sendmsg';

/**
 * What matters of a trace, in order: `synced` when a sync of the write-ahead log has returned, `answered` when a 200 begins to be written.
 * A call that another thread interrupts is two lines, `<unfinished ...>` and `resumed`.
 */
function eventsOf(trace: string): ('synced' | 'answered')[] {
  const events: ('synced' | 'answered')[] = [];
  const syncing = new Set<string>();
  for (const line of trace.split('\n')) {
    const thread = /^\d+/.exec(line)?.[0] ?? '';
    if (/ (fsync|fdatasync)\(\d+<[^>]*herald\.sqlite-wal>/.test(line)) {
      if (line.includes('<unfinished')) syncing.add(thread);
      else if (line.endsWith('= 0')) events.push('synced');
    } else if (/<\.\.\. (fsync|fdatasync) resumed>.*= 0$/.test(line) && syncing.delete(thread)) {
      events.push('synced');
    } else if (/ (write|writev|sendto|sendmsg)\(\d+<(socket|TCP)[^"]*"HTTP\/1\.1 200/.test(line)) {
      events.push('answered');
    }
  }
  return events;
}

/** Places of the answers before which nothing was synced since the answer before. */
function unsynced(events: readonly ('synced' | 'answered')[]): number[] {
  return events.flatMap((event, i) => (event === 'answered' && events[i - 1] !== 'synced' ? [i] : []));
}

describe('what a trace tells', () => {
  it('counts a sync when it has returned, and not when it begins', () => {
    const wal = '21</data/herald.sqlite-wal>';
    const answer = '7  write(24<TCP:[1->2]>, "HTTP/1.1 200 OK\\r\\n"..., 200) = 200';
    expect(eventsOf(`7  fdatasync(${wal}) = 0\n${answer}\n`)).toEqual(['synced', 'answered']);
    expect(
      eventsOf(`9  fdatasync(${wal} <unfinished ...>\n${answer}\n9  <... fdatasync resumed>)        = 0\n`),
    ).toEqual(['answered', 'synced']);
    expect(
      eventsOf('7  fdatasync(20</data/herald.sqlite>) = 0\n7  write(1<pipe:[1]>, "HTTP/1.1 200", 12) = 12'),
    ).toEqual([]);
  });

  it('finds the answer that came before its sync', () => {
    expect(unsynced(['synced', 'answered', 'synced', 'synced', 'answered'])).toEqual([]);
    expect(unsynced(['synced', 'answered', 'answered', 'synced'])).toEqual([2]);
    expect(unsynced(['answered', 'synced'])).toEqual([0]);
  });
});

describe('the answer to a callback', () => {
  const traced = canTrace();
  let running: TestServer | undefined;
  let directory: string;

  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'herald-trace-'));
    running = await TestServer.start({ HERALD_LOG_LEVEL: 'error' });
  }, 30_000);

  afterAll(async () => {
    await running?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  (traced ? it : it.skip)(
    'is sent only after the callback was synced to the disk',
    async () => {
      const server = running;
      if (!server) throw new Error('the server did not start');
      const file = path.join(directory, 'trace');
      const strace = await attach(server.pid, ['-y', '-e', `trace=${CALLS}`, '-o', file]);
      if (typeof strace === 'string') {
        if (process.env.CI) throw new Error(`strace could not attach: ${strace}`);
        console.warn(`Skipped: strace may not attach to a process here: ${strace}`);
        return;
      }
      try {
        for (let i = 0; i < CALLBACKS; i++) {
          const { status } = await server.hook(
            randomUUID(),
            JSON.stringify({ metadata: { request_id: randomUUID() } }),
          );
          expect(status).toBe(200);
        }
      } finally {
        await detach(strace);
      }
      const events = eventsOf(await readFile(file, 'utf8'));
      expect(events.filter((event) => event === 'answered')).toHaveLength(CALLBACKS);
      expect(unsynced(events)).toEqual([]);
    },
    60_000,
  );
});
