import { describe, expect, it } from '@jest/globals';
import { DAY, HOUR, MINUTE } from '../../src/duration.js';
import { alertMessage, planAlerts, toTold, type AlertItem, type Told } from '../../src/operator/alert.js';
import { deadProblem, diskProblem, duration, type DatedProblem, type ProblemKind } from '../../src/operator/problem.js';

const T0 = 1_800_000_000_000;
const TELLER = { herald: 'https://calls.example.com', host: 'web-1' };

const dead = (count: number): DatedProblem => ({ ...deadProblem({ count, since: T0 }), since: T0 });
const disk = (free: number): DatedProblem => {
  const problem = diskProblem({ free, total: 100 * 1024 ** 3 }, 1024 ** 3);
  if (!problem) throw new Error('enough');
  return { ...problem, since: T0 };
};

/** What an operator hears, round by round, when every message gets through. */
class Listener {
  now = T0;
  private told: Told[] = [];

  round(problems: DatedProblem[], unchecked: ProblemKind[] = []): string[] {
    const plan = planAlerts(problems, this.told, { now: this.now, unchecked: new Set(unchecked) });
    const next = new Map(this.told.map((one) => [one.key, one]));
    for (const one of [...plan.keep, ...plan.items.map((item) => toTold(item, this.now))]) next.set(one.key, one);
    for (const key of plan.forget) next.delete(key);
    // Through the table and back, as after a restart.
    this.told = JSON.parse(JSON.stringify([...next.values()])) as Told[];
    return plan.items.map(({ event, key }) => `${event} ${key}`);
  }

  after(ms: number, problems: DatedProblem[], unchecked: ProblemKind[] = []): string[] {
    this.now += ms;
    return this.round(problems, unchecked);
  }
}

describe('what the operator is told', () => {
  it('tells each problem once, all that appear together at once, and once when it is over', () => {
    const operator = new Listener();
    expect(operator.round([dead(1), disk(0.5 * 1024 ** 3)])).toEqual(['new deliveries.dead', 'new disk']);
    expect(operator.after(15_000, [dead(1), disk(0.5 * 1024 ** 3)])).toEqual([]);
    expect(operator.after(15_000, [dead(1)])).toEqual(['over disk']);
    expect(operator.after(15_000, [])).toEqual(['over deliveries.dead']);
    expect(operator.after(15_000, [])).toEqual([]);
    expect(operator.after(DAY, [])).toEqual([]);
  });

  it('tells of a growing number only after an hour, and of a shrinking one not at all', () => {
    const operator = new Listener();
    operator.round([dead(5)]);
    expect(operator.after(30 * MINUTE, [dead(400)])).toEqual([]);
    expect(operator.after(30 * MINUTE, [dead(400)])).toEqual(['grown deliveries.dead']);
    expect(operator.after(2 * HOUR, [dead(3)])).toEqual([]);
    expect(operator.after(MINUTE, [dead(4)])).toEqual(['grown deliveries.dead']);
  });

  it('reminds of what stays wrong once a day', () => {
    const operator = new Listener();
    operator.round([dead(1)]);
    const heard = Array.from({ length: 96 }, () => operator.after(HOUR / 2, [dead(1)])).flat();
    expect(heard).toEqual(['reminder deliveries.dead', 'reminder deliveries.dead']);
  });

  it('tells at once when a warning becomes critical', () => {
    const operator = new Listener();
    operator.round([disk(0.9 * 1024 ** 3)]);
    expect(operator.after(MINUTE, [disk(1024)])).toEqual(['worse disk']);
    expect(operator.after(MINUTE, [disk(0.9 * 1024 ** 3)])).toEqual([]);
  });

  it('does not tell as new what ends and comes back within ten minutes, unless it stays', () => {
    const operator = new Listener();
    operator.round([dead(1)]);
    expect(operator.after(MINUTE, [])).toEqual(['over deliveries.dead']);
    const flapping = Array.from({ length: 9 }, (_, n) => operator.after(MINUTE, n % 2 ? [] : [dead(1)])).flat();
    expect(flapping).toEqual([]);
    expect(operator.after(MINUTE, [dead(1)])).toEqual(['new deliveries.dead']);
  });

  it('leaves what was told alone while nothing can be found out about it', () => {
    const operator = new Listener();
    operator.round([dead(1)]);
    expect(operator.after(MINUTE, [], ['deliveries.dead'])).toEqual([]);
    expect(operator.after(MINUTE, [dead(1)])).toEqual([]);
  });

  it('is not silenced by a clock that was set back', () => {
    const operator = new Listener();
    operator.round([dead(1)]);
    expect(operator.after(-3 * DAY, [dead(1)])).toEqual(['reminder deliveries.dead']);
    expect(operator.after(MINUTE, [dead(1)])).toEqual([]);
  });
});

describe('the message of an alert', () => {
  const items: AlertItem[] = [
    { ...dead(3), event: 'new' },
    { ...disk(1024), event: 'worse' },
    { ...deadProblem({ count: 1, since: T0 - HOUR }), key: 'x', kind: 'jobs.overdue', since: T0 - HOUR, event: 'over' },
  ];

  it('begins with what is critical, and says what is wrong, since when and what to do', () => {
    const { subject, text, body } = alertMessage(items, TELLER, T0);
    expect(subject).toBe('[Herald] 2 problems: disk and 2 more');
    expect(text).toContain('Herald at https://calls.example.com (web-1)');
    expect(text.indexOf('CRITICAL Worse now: The disk')).toBeGreaterThan(0);
    expect(text.indexOf('CRITICAL')).toBeLessThan(text.indexOf('WARNING 3 deliveries'));
    expect(text).toContain('→ GET /v1/deliveries?state=dead');
    expect(text).toContain(
      'Over: 1 delivery has died in the last 24 hours: those messages were not sent. (lasted 1 hour)',
    );
    expect(body).toMatchObject({ text, host: 'web-1', problems: [{ event: 'worse' }, { event: 'new', count: 3 }, {}] });
  });

  it('is plain when all is over', () => {
    expect(alertMessage([{ ...dead(3), event: 'over' }], TELLER, T0).subject).toBe('[Herald] Over: deliveries.dead');
  });
});

describe('the disk', () => {
  const GIB = 1024 ** 3;

  it.each([
    [{ free: 50 * GIB, total: 100 * GIB }, undefined],
    [{ free: 9 * GIB, total: 100 * GIB }, 'warning'],
    [{ free: 25 * GIB, total: 4_000 * GIB }, undefined],
    [{ free: 19 * GIB, total: 4_000 * GIB }, 'warning'],
    [{ free: 0.9 * GIB, total: 5 * GIB }, 'warning'],
    [{ free: 199 * 1024 ** 2, total: 5 * GIB }, 'critical'],
  ])('%o is %s at a minimum of 1 GiB', (bytes, severity) => {
    expect(diskProblem(bytes, GIB)?.severity).toBe(severity);
  });

  it('is left alone when the minimum is 0', () => {
    expect(diskProblem({ free: 0, total: GIB }, 0)).toBeUndefined();
  });
});

it.each([
  [500, '0 seconds'],
  [61_000, '1 minute'],
  [3 * HOUR, '3 hours'],
  [49 * HOUR, '2 days'],
])('writes %i ms as %s', (ms, text) => {
  expect(duration(ms)).toBe(text);
});
