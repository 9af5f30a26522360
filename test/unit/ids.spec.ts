import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Clock } from '../../src/clock.js';
import { Ids } from '../../src/ids.service.js';
import { isUuid, uuidv7 } from '../../src/ids.js';

const times = fc.integer({ min: 0, max: 2 ** 48 - 1 });
const randoms = fc.uint8Array({ minLength: 10, maxLength: 10 });

describe('uuidv7', () => {
  it('matches the example of RFC 9562', () => {
    const random = Uint8Array.from([0x0c, 0xc3, 0x18, 0xc4, 0xdc, 0x0c, 0x0c, 0x07, 0x39, 0x8f]);
    expect(uuidv7(0x017f22e279b0, random)).toBe('017f22e2-79b0-7cc3-98c4-dc0c0c07398f');
  });

  it('is of version 7 and variant 10, and holds its time', () => {
    fc.assert(
      fc.property(times, randoms, (now, random) => {
        const id = uuidv7(now, random);
        expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
        expect(isUuid(id)).toBe(true);
        expect(parseInt(id.replace('-', '').slice(0, 12), 16)).toBe(now);
      }),
    );
  });

  it('sorts by time as text', () => {
    fc.assert(
      fc.property(times, times, randoms, randoms, (a, b, first, second) => {
        fc.pre(a < b);
        expect(uuidv7(a, first) < uuidv7(b, second)).toBe(true);
      }),
    );
  });

  it('differs when the random bytes differ', () => {
    expect(uuidv7(1, new Uint8Array(10))).not.toBe(uuidv7(1, new Uint8Array(10).fill(9)));
  });
});

describe('Ids', () => {
  class SetClock extends Clock {
    time = 1_700_000_000_000;

    override now(): number {
      return this.time;
    }
  }

  it('go on in order: 10,000 of one millisecond, and after the clock was set back (C17)', () => {
    const clock = new SetClock();
    const ids = new Ids(clock);
    const made = Array.from({ length: 10_000 }, () => ids.next());
    clock.time -= 86_400_000;
    made.push(...Array.from({ length: 10_000 }, () => ids.next()));
    clock.time += 2 * 86_400_000;
    made.push(ids.next());
    expect(made).toEqual([...made].sort());
    expect(new Set(made).size).toBe(made.length);
    expect(made.every(isUuid)).toBe(true);
    expect(parseInt(made.at(-1)?.replace('-', '').slice(0, 12) ?? '', 16)).toBe(clock.time);
  });
});

describe('isUuid', () => {
  it('takes lower-case text of any version, and nothing around it', () => {
    const id = '3aa10412-0c92-4b04-b01d-05f6c7e647a8';
    expect(isUuid(id)).toBe(true);
    for (const text of ['', id.toUpperCase(), ` ${id}`, `${id}\n`, id.replaceAll('-', ''), '../../etc/passwd'])
      expect(isUuid(text)).toBe(false);
  });
});
