import { describe, expect, it } from '@jest/globals';
import { Snapshot } from '../../src/database/snapshot.js';

function counting() {
  const state = { loads: 0, now: 1_000, fail: false };
  const snapshot = new Snapshot(
    async () => {
      const number = ++state.loads;
      await Promise.resolve();
      if (state.fail) throw new Error('no database');
      return number;
    },
    () => state.now,
  );
  return { state, snapshot };
}

describe('a snapshot of the database', () => {
  it('is read once for all who ask at the same time, and kept for five seconds', async () => {
    const { state, snapshot } = counting();
    expect(await Promise.all([snapshot.get(), snapshot.get()])).toEqual([1, 1]);
    state.now += 4_999;
    expect(await snapshot.get()).toBe(1);
    state.now += 1;
    expect(await snapshot.get()).toBe(2);
  });

  it('is read again at once after a write, also when a read was under way', async () => {
    const { snapshot } = counting();
    const early = snapshot.get();
    snapshot.invalidate();
    expect(await snapshot.get()).toBe(2);
    expect(await early).toBe(1);
    expect(await snapshot.get()).toBe(2);
  });

  it('is read again when the clock was set back', async () => {
    const { state, snapshot } = counting();
    await snapshot.get();
    state.now -= 60_000;
    expect(await snapshot.get()).toBe(2);
  });

  it('does not keep a failure', async () => {
    const { state, snapshot } = counting();
    state.fail = true;
    await expect(snapshot.get()).rejects.toThrow('no database');
    state.fail = false;
    expect(await snapshot.get()).toBe(2);
  });
});
