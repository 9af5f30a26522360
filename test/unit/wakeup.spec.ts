import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Wakeup } from '../../src/wakeup.service.js';

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

/** Work whose runs end when the test says so. */
function manual() {
  const ends: ((pauseMs: number) => void)[] = [];
  const work = jest.fn(() => new Promise<number>((resolve) => ends.push(resolve)));
  const end = async (pauseMs: number): Promise<void> => {
    ends.shift()?.(pauseMs);
    await jest.advanceTimersByTimeAsync(0);
  };
  return { work, end };
}

const unexpected = (error: unknown): never => {
  throw error;
};

describe('Wakeup', () => {
  it('runs at the start, and again when the time that the work named has come', async () => {
    const work = jest.fn(() => Promise.resolve(500));
    const wakeup = new Wakeup(work, unexpected);
    wakeup.start();
    await jest.advanceTimersByTimeAsync(499);
    expect(work).toHaveBeenCalledTimes(1);
    await jest.advanceTimersByTimeAsync(1);
    expect(work).toHaveBeenCalledTimes(2);
    wakeup.stop();
  });

  it('does nothing before the start', async () => {
    const work = jest.fn(() => Promise.resolve(1));
    new Wakeup(work, unexpected).now();
    await jest.advanceTimersByTimeAsync(1_000);
    expect(work).not.toHaveBeenCalled();
  });

  it('runs at once when it is woken, and the earlier pause is over with that', async () => {
    const work = jest.fn(() => Promise.resolve(500));
    const wakeup = new Wakeup(work, unexpected);
    wakeup.start();
    await jest.advanceTimersByTimeAsync(400);
    wakeup.now();
    await jest.advanceTimersByTimeAsync(499);
    expect(work).toHaveBeenCalledTimes(2);
    wakeup.stop();
  });

  it('never runs twice at once, and makes one more run of any number of wake-ups during a run', async () => {
    const { work, end } = manual();
    const wakeup = new Wakeup(work, unexpected);
    wakeup.start();
    wakeup.now();
    wakeup.now();
    await jest.advanceTimersByTimeAsync(0);
    const during = work.mock.calls.length;
    await end(10_000);
    expect([during, work.mock.calls.length]).toEqual([1, 2]);
    await end(10_000);
    await jest.advanceTimersByTimeAsync(9_000);
    expect(work).toHaveBeenCalledTimes(2);
    wakeup.stop();
  });

  it('begins nothing after stop, and is idle when the run in progress has ended', async () => {
    const { work, end } = manual();
    const wakeup = new Wakeup(work, unexpected);
    wakeup.start();
    wakeup.now();
    wakeup.stop();
    let idle = false;
    const waiting = wakeup.idle().then(() => (idle = true));
    await jest.advanceTimersByTimeAsync(0);
    expect(idle).toBe(false);
    await end(1);
    await waiting;
    wakeup.now();
    await jest.advanceTimersByTimeAsync(10_000);
    expect(work).toHaveBeenCalledTimes(1);
  });

  it('can be started again after a stop', async () => {
    const work = jest.fn(() => Promise.resolve(500));
    const wakeup = new Wakeup(work, unexpected);
    wakeup.start();
    await jest.advanceTimersByTimeAsync(0);
    wakeup.stop();
    await jest.advanceTimersByTimeAsync(5_000);
    expect(work).toHaveBeenCalledTimes(1);
    wakeup.start();
    await jest.advanceTimersByTimeAsync(500);
    expect(work).toHaveBeenCalledTimes(3);
    wakeup.stop();
  });

  it('tells of a run that threw, and repeats it after a second', async () => {
    const fault = new Error('the database is locked');
    const work = jest.fn<() => Promise<number>>().mockRejectedValueOnce(fault).mockResolvedValue(60_000);
    const broke = jest.fn();
    const wakeup = new Wakeup(work, broke);
    wakeup.start();
    await jest.advanceTimersByTimeAsync(999);
    expect(broke.mock.calls).toEqual([[fault]]);
    expect(work).toHaveBeenCalledTimes(1);
    await jest.advanceTimersByTimeAsync(1);
    expect(work).toHaveBeenCalledTimes(2);
    wakeup.stop();
  });
});
