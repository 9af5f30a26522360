import { afterEach, describe, expect, it } from '@jest/globals';
import { OneThread, ThreadStoppedError, ThreadUnavailableError } from '../../src/one-thread.service.js';

type Task = 'echo' | 'forever' | 'hoard' | 'end' | 'throw';

const CODE = `
import { parentPort } from 'node:worker_threads';
parentPort.on('message', ({ id, task }) => {
  if (task === 'forever') for (;;);
  if (task === 'hoard') for (const all = []; ; ) all.push(new Array(1e5).fill({}));
  if (task === 'end') process.exit(0);
  if (task === 'throw') parentPort.postMessage({ id, ok: false, reason: 'broke (TypeError)' });
  else parentPort.postMessage({ id, ok: true, value: task });
});
parentPort.postMessage('ready');
`;

const file = (code: string): URL => new URL(`data:text/javascript,${encodeURIComponent(code)}`);

describe('one thread', () => {
  let thread: OneThread<Task, string>;
  const start = (over: { timeLimitMs?: number; idleMs?: number; code?: string } = {}): void => {
    const { code = CODE, ...limits } = over;
    thread = new OneThread({ file: file(code), timeLimitMs: 60_000, heapLimitMb: 64, ...limits });
  };
  const run = (task: Task): Promise<string> => thread.run(() => ({ task }));

  afterEach(() => thread.close());

  it('answers in order', async () => {
    start();
    await expect(Promise.all([run('echo'), run('echo')])).resolves.toEqual(['echo', 'echo']);
  });

  it('stops what takes too long, and goes on with the next', async () => {
    start({ timeLimitMs: 1_000 });
    const [stuck, next] = await Promise.allSettled([run('forever'), run('echo')]);
    expect(stuck).toMatchObject({ reason: new ThreadStoppedError('took longer than 1 s and was stopped') });
    expect(next).toMatchObject({ value: 'echo' });
  });

  it('stops what needs too much memory, and goes on with the next', async () => {
    start();
    const [hoard, next] = await Promise.allSettled([run('hoard'), run('echo')]);
    expect(hoard).toMatchObject({ reason: new ThreadStoppedError('needed more than 64 MB and was stopped') });
    expect(next).toMatchObject({ value: 'echo' });
  });

  it('goes on when the thread ends or the work throws', async () => {
    start();
    await expect(run('end')).rejects.toThrow(ThreadStoppedError);
    await expect(run('throw')).rejects.toThrow('broke (TypeError)');
    await expect(run('echo')).resolves.toBe('echo');
  });

  it('says that there is no thread when it cannot start', async () => {
    start({ code: 'throw new Error("no")' });
    await expect(run('echo')).rejects.toThrow(ThreadUnavailableError);
  });

  it('remembers for as long as the thread lives what it was told', async () => {
    start({ idleMs: 20 });
    const seen: unknown[] = [];
    const ask = (): Promise<string> =>
      thread.run((memory) => {
        seen.push(memory.get('told'));
        memory.set('told', 'before');
        return { task: 'echo' };
      });
    await Promise.all([ask(), ask()]);
    await new Promise((resolve) => setTimeout(resolve, 200));
    await ask();
    expect(seen).toEqual([undefined, 'before', undefined]);
  });

  it('refuses what waits when it is closed', async () => {
    start();
    const waiting = [run('forever'), run('echo')];
    await Promise.all([
      ...waiting.map((one) => expect(one).rejects.toThrow(ThreadUnavailableError)),
      new Promise((resolve) => setTimeout(resolve, 100)).then(() => thread.close()),
    ]);
    await expect(run('echo')).rejects.toThrow('The thread was closed');
  });
});
