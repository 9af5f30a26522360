import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { HOUR, MINUTE } from '../../src/duration.js';
import type { Throttle } from '../../src/rules/rule.js';
import { admit, throttledBy, type ThrottledBy, type ThrottleMemory } from '../../src/rules/throttle.js';

interface One {
  ruleId: string;
  action: number;
  state: string;
  to: string;
  throttle?: ThrottledBy;
}

const ONCE_AN_HOUR: Throttle = { times: 1, within: '1h', per: 'rule' };

/** A rule over a line of calls; remembers what the store would. */
class Line {
  private readonly memory = new Map<string, ThrottleMemory>();

  constructor(private readonly throttle: Throttle = ONCE_AN_HOUR) {}

  /** @returns to whom the call was told, and the reasons why to the others not */
  call(
    jobId: string,
    at: number,
    over: { to?: string[]; tags?: Record<string, string>; state?: string; ruleId?: string } = {},
  ): { told: string[]; reasons: string[] } {
    const { to = ['a@b.co'], tags = {}, state = 'queued', ruleId = 'rule' } = over;
    const planned = to.map((address): One => {
      const throttle = throttledBy({ id: ruleId, throttle: this.throttle }, tags, {
        kind: 'email',
        to: address,
        named: 'group:desk',
      });
      return { ruleId, action: 0, state, to: address, ...(throttle && { throttle }) };
    });
    const { admitted, skipped, raised } = admit(planned, this.memory, jobId, at);
    for (const [key, memory] of raised) this.memory.set(key, memory);
    return { told: admitted.map((one) => one.to), reasons: skipped.map(({ reason }) => reason) };
  }

  get remembered(): string {
    return JSON.stringify([...this.memory]);
  }
}

describe('a throttle', () => {
  it('tells of one call, then of none until the time is over, and says how long that is', () => {
    const line = new Line();
    expect(line.call('1', 0).told).toHaveLength(1);
    expect(line.call('2', 20 * MINUTE)).toEqual({
      told: [],
      reasons: ['throttle: one call within 1h for this rule; open again in 40m'],
    });
    expect(line.call('3', HOUR - 1).told).toEqual([]);
    expect(line.call('4', HOUR).told).toHaveLength(1);
    expect(line.call('5', HOUR + 1).told).toEqual([]);
  });

  it('counts calls, not messages: everybody whom the rule tells of one call hears of it', () => {
    const line = new Line();
    expect(line.call('1', 0, { to: ['a@b.co', 'c@d.co'] }).told).toEqual(['a@b.co', 'c@d.co']);
    expect(line.call('2', 1, { to: ['a@b.co', 'c@d.co'] }).reasons).toHaveLength(2);
  });

  it('counts a call once, however often it is settled', () => {
    const line = new Line({ ...ONCE_AN_HOUR, times: 2 });
    for (const at of [0, 1, 2]) expect(line.call('1', at).told).toHaveLength(1);
    expect(line.call('2', 3).told).toHaveLength(1);
    expect(line.call('3', 4).told).toEqual([]);
    expect(line.call('1', 5).told).toHaveLength(1);
  });

  it('counts for each recipient, whatever the case of the address', () => {
    const line = new Line({ ...ONCE_AN_HOUR, per: 'recipient' });
    line.call('1', 0, { to: ['a@b.co'] });
    expect(line.call('2', 1, { to: ['A@b.co', 'c@d.co'] })).toEqual({
      told: ['c@d.co'],
      reasons: [expect.stringContaining('for this recipient')],
    });
  });

  it('counts for each value of a tag; jobs without it count together', () => {
    const line = new Line({ ...ONCE_AN_HOUR, per: 'tag:client' });
    line.call('1', 0, { tags: { client: 'acme' } });
    expect(line.call('2', 1, { tags: { client: 'birch' } }).told).toHaveLength(1);
    expect(line.call('3', 2, { tags: { client: 'acme' } }).reasons).toEqual([
      expect.stringContaining('for this value of the tag "client"'),
    ]);
    expect(line.call('4', 3).told).toHaveLength(1);
    expect(line.call('5', 4).told).toEqual([]);
  });

  it('is a rule’s own', () => {
    const line = new Line();
    line.call('1', 0);
    expect(line.call('2', 1, { ruleId: 'other' }).told).toHaveLength(1);
  });

  it('does not count what nobody gets', () => {
    const line = new Line();
    for (const state of ['dead', 'suppressed']) expect(line.call(state, 0, { state }).told).toHaveLength(1);
    expect(line.call('2', 1).told).toHaveLength(1);
  });

  it('keeps no address and no value of a tag', () => {
    const people = new Line({ ...ONCE_AN_HOUR, per: 'recipient' });
    people.call('1', 0, { to: ['dana@example.com'] });
    const clients = new Line({ ...ONCE_AN_HOUR, per: 'tag:client' });
    clients.call('1', 0, { tags: { client: 'acme' } });
    expect(people.remembered + clients.remembered).not.toMatch(/dana|acme/);
  });

  it('never lets more calls through in any window than it allows, and never fewer than it must', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }),
        fc.array(fc.integer({ min: 0, max: 40 * MINUTE }), { maxLength: 40 }),
        (times, gaps) => {
          const line = new Line({ times, within: '1h', per: 'rule' });
          const told: number[] = [];
          let at = 0;
          for (const [i, gap] of gaps.entries()) {
            at += gap;
            const recent = told.filter((time) => time > at - HOUR).length;
            const passed = line.call(String(i), at).told.length === 1;
            expect(passed).toBe(recent < times);
            if (passed) told.push(at);
          }
        },
      ),
    );
  });
});
