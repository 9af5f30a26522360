import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { TestServer } from '../test/support/server.js';
import { attach, canTrace, detach } from '../test/support/strace.js';
import { figure, scaled } from './support/scale.js';
import { ackOrders, type Acknowledged } from './support/trace.js';

const ACKS = scaled(1_000, 100);
const CALLS = 'read,write,writev,sendto,sendmsg,pwrite64,fsync,fdatasync';
/** A page of the database, with what strace needs for bytes that are no characters. */
const STRING = '4200';

const WAL = '21</data/herald.sqlite-wal>';
const SOCKET = '24<socket:[4]>';
const read = (job: string) => `7  read(${SOCKET}, "POST /hook/${job} HTTP/1.1\\r\\n"..., 65536) = 300`;
const row = (job: string) => `7  pwrite64(${WAL}, "\\r\\0${job}"..., 4096, 32) = 4096`;
const sync = `7  fdatasync(${WAL})       = 0`;
const answer = (id: string) => `7  write(${SOCKET}, "HTTP/1.1 200 OK\\r\\n{\\"callback\\":\\"${id}\\"}", 90) = 90`;

describe('what a trace tells of an acknowledgement', () => {
  const order = (...lines: string[]) => ackOrders(lines.join('\n'), [{ jobId: 'job-1', callbackId: 'callback-1' }])[0];

  it('wants the request, its row, a sync after that row and the answer, in this order', () => {
    expect(order(read('job-1'), row('job-1'), sync, answer('callback-1'))).toBe('synced');
    expect(order(read('job-1'), sync, row('job-1'), answer('callback-1'), sync)).toBe('answered before the sync');
    expect(order(read('job-1'), row('job-1'), answer('callback-1'), sync)).toBe('answered before the sync');
    expect(order(read('job-1'), sync, row('job-1'), answer('callback-1'))).toBe('not synced');
    expect(order(read('job-1'), sync, answer('callback-1'))).toBe('not written');
  });

  it('takes no sync that failed, that is of another file, or that another callback began', () => {
    const failed = `7  fdatasync(${WAL}) = -1 EIO (Input/output error)`;
    const other = '7  fsync(20</data/herald.sqlite>) = 0';
    const [begun, resumed] = [`9  fdatasync(${WAL} <unfinished ...>`, '9  <... fdatasync resumed>) = 0'];
    expect(order(read('job-1'), row('job-1'), failed, answer('callback-1'))).toBe('answered before the sync');
    expect(order(read('job-1'), row('job-1'), other, answer('callback-1'))).toBe('not synced');
    expect(order(read('job-1'), begun, row('job-1'), resumed, answer('callback-1'))).toBe('not synced');
    expect(order(read('job-1'), row('job-1'), begun, answer('callback-1'), resumed)).toBe('answered before the sync');
    expect(order(read('job-1'), row('job-1'), begun, resumed, answer('callback-1'))).toBe('synced');
  });
});

/** Posts `count` small callbacks over `connections` at a time. */
async function post(server: TestServer, count: number, connections: number): Promise<Acknowledged[]> {
  const acknowledged: Acknowledged[] = [];
  let left = count;
  const one = async (): Promise<void> => {
    while (left-- > 0) {
      const jobId = randomUUID();
      const { status, text } = await server.hook(jobId, JSON.stringify({ metadata: { request_id: randomUUID() } }));
      expect(status).toBe(200);
      acknowledged.push({ jobId, callbackId: (JSON.parse(text) as { callback: string }).callback });
    }
  };
  await Promise.all(Array.from({ length: connections }, one));
  return acknowledged;
}

const traced = canTrace();

(traced ? describe : describe.skip)('the acknowledgement of a callback', () => {
  it('is written only after a sync of the very write that holds the callback (3.1, C22)', async () => {
    const directory = await mkdtemp(path.join(tmpdir(), 'herald-trace-'));
    const server = await TestServer.start({ HERALD_LOG_LEVEL: 'error' });
    try {
      const file = path.join(directory, 'trace');
      const strace = await attach(server.pid, ['-y', '-s', STRING, '-e', `trace=${CALLS}`, '-o', file]);
      if (typeof strace === 'string') throw new Error(`strace could not attach: ${strace}`);
      const alone = await post(server, ACKS / 2, 1);
      const together = await post(server, ACKS / 2, 16);
      await detach(strace);
      const acknowledged = [...alone, ...together];
      const orders = ackOrders(await readFile(file, 'utf8'), acknowledged);
      const unsynced = orders.filter((order) => order !== 'synced');
      figure('acknowledgements traced', acknowledged.length);
      figure('acknowledgements without a sync of their own row before', unsynced.length);
      expect(acknowledged).toHaveLength(ACKS);
      expect(unsynced).toEqual([]);
    } finally {
      await server.stop();
      await rm(directory, { recursive: true, force: true });
    }
  });
});
