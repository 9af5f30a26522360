import { describe, expect, it } from '@jest/globals';
import { LeaseWatch } from '../../src/deliveries/lease-watch.js';

const LEASE = 30_000;
const DAY = 86_400_000;

describe('the watch on leases', () => {
  it('takes what nobody has renewed for a lease, and not a moment sooner', () => {
    const watch = new LeaseWatch(LEASE);
    const dead = { owner: 'dead', until: 5 };
    expect(watch.lapsed([dead], 0)).toEqual([]);
    expect(watch.lapsed([dead], LEASE - 1)).toEqual([]);
    expect(watch.lapsed([dead], LEASE)).toEqual([dead]);
  });

  it.each([2 * 3_600_000, -DAY, 5 * 365 * DAY])(
    'a wall clock that jumps by %d ms takes no claim from a process that renews it (C17)',
    (jump) => {
      const watch = new LeaseWatch(LEASE);
      let wall = 1_800_000_000_000;
      for (let now = 0; now < 10 * LEASE; now += 5_000) {
        if (now === 60_000) wall += jump;
        const renewed = Math.floor(now / 10_000) * 10_000;
        expect(watch.lapsed([{ owner: 'alive', until: wall + renewed + LEASE }], now)).toEqual([]);
      }
    },
  );

  it('a wall clock that was set back keeps no dead claim from being taken (C17)', () => {
    const watch = new LeaseWatch(LEASE);
    const future = { owner: 'dead', until: 1_800_000_000_000 + DAY };
    watch.lapsed([future], 0);
    expect(watch.lapsed([future], LEASE)).toEqual([future]);
  });

  it('takes at once what was given up', () => {
    expect(new LeaseWatch(LEASE).lapsed([{ owner: 'left', until: 0 }], 0)).toHaveLength(1);
  });

  it('forgets owners that have ended', () => {
    const watch = new LeaseWatch(LEASE);
    const lease = { owner: 'back', until: 5 };
    watch.lapsed([lease], 0);
    watch.lapsed([], 10_000);
    expect(watch.lapsed([lease], LEASE)).toEqual([]);
  });
});
