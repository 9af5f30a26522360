import assert from 'node:assert/strict';
import type { DeliveryDispatcher } from '../../src/deliveries/delivery-dispatcher.js';

/** The rows and the hands of one case, in memory: what a dispatcher claims from and delivers to. */
export class Desk {
  /** Every delivery that began, in order. */
  readonly begun: string[] = [];
  /** Most hands that one delivery was ever in at a time. */
  mostHands = 0;
  /** Called before every delivery; what it throws breaks that one, what it awaits keeps it in hand. */
  work: (id: string, signal: AbortSignal) => Promise<void> = () => Promise.resolve();

  private readonly rows = new Map<string, { dueAt: number; owner?: string }>();
  private readonly hands = new Map<string, number>();

  add(...ids: string[]): void {
    for (const id of ids) this.rows.set(id, { dueAt: Date.now() });
  }

  get inHand(): number {
    return [...this.hands.values()].reduce((sum, count) => sum + count, 0);
  }

  due(): string[] {
    return [...this.rows].filter(([, row]) => row.owner === undefined && row.dueAt <= Date.now()).map(([id]) => id);
  }

  nextDue(): number | undefined {
    const waiting = [...this.rows.values()].filter(({ owner }) => owner === undefined).map(({ dueAt }) => dueAt);
    return waiting.length > 0 ? Math.min(...waiting) : undefined;
  }

  claim(owner: string, limit: number): string[] {
    const ids = this.due().slice(0, limit);
    for (const id of ids) this.rows.set(id, { dueAt: 0, owner });
    return ids;
  }

  async deliver(id: string, signal: AbortSignal): Promise<void> {
    this.begun.push(id);
    const hands = (this.hands.get(id) ?? 0) + 1;
    this.hands.set(id, hands);
    this.mostHands = Math.max(this.mostHands, hands);
    try {
      await this.work(id, signal);
      // A failed one keeps its lease, as a row does.
      this.rows.delete(id);
    } finally {
      this.hands.set(id, (this.hands.get(id) ?? 1) - 1);
    }
  }
}

export interface DispatcherHarness {
  desk: Desk;
  /** A dispatcher over the desk, not started. The harness stops what the case leaves running. */
  make: (pollMs: number) => DeliveryDispatcher;
}

export interface DispatcherCase {
  name: string;
  run: (harness: DispatcherHarness) => Promise<void>;
}

const PATIENCE_MS = 5_000;
const NEVER_POLLS = 3_600_000;
const POLLS_OFTEN = 10;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function until(met: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while (!met()) {
    assert.ok(Date.now() < deadline, what);
    await pause(5);
  }
}

const ids = (count: number): string[] => Array.from({ length: count }, (_, i) => `delivery-${String(i)}`);

/** A door that deliveries wait at until it is opened. */
function door(): { opened: Promise<void>; open: () => void } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open };
}

/** What Herald relies on in every dispatcher. Each case takes a fresh harness; a failure is an AssertionError. */
export const dispatcherCases: readonly DispatcherCase[] = [
  {
    name: 'delivers what was due before it started',
    async run({ desk, make }) {
      desk.add('early');
      await make(NEVER_POLLS).start();
      await until(() => desk.begun.includes('early'), 'what was due at the start was not delivered');
    },
  },
  {
    name: 'delivers what becomes due without a wake-up',
    async run({ desk, make }) {
      await make(POLLS_OFTEN).start();
      await pause(30);
      desk.add('unannounced');
      await until(() => desk.begun.includes('unannounced'), 'it was not delivered without a wake-up');
    },
  },
  {
    name: 'delivers at once after a wake-up',
    async run({ desk, make }) {
      const dispatcher = make(NEVER_POLLS);
      await dispatcher.start();
      await pause(30);
      desk.add('announced');
      dispatcher.wake();
      await until(() => desk.begun.includes('announced'), 'the wake-up was not heard');
    },
  },
  {
    name: 'never has one delivery in two hands, however many dispatchers and wake-ups there are',
    async run({ desk, make }) {
      const wanted = ids(60);
      desk.work = () => pause(10);
      const dispatchers = [make(POLLS_OFTEN), make(POLLS_OFTEN)];
      await Promise.all(dispatchers.map((dispatcher) => dispatcher.start()));
      for (const id of wanted) {
        desk.add(id);
        for (const dispatcher of dispatchers) dispatcher.wake();
        await pause(1);
      }
      await until(() => new Set(desk.begun).size === wanted.length && desk.inHand === 0, 'not all were delivered');
      assert.equal(desk.mostHands, 1, 'one delivery was in several hands');
      assert.equal(desk.begun.length, wanted.length, 'one delivery was made several times');
    },
  },
  {
    name: 'goes on with the others when one breaks',
    async run({ desk, make }) {
      const wanted = ids(40);
      desk.work = (id) => (id === 'delivery-3' ? Promise.reject(new Error('broken')) : Promise.resolve());
      desk.add(...wanted);
      await make(POLLS_OFTEN).start();
      await until(() => new Set(desk.begun).size === wanted.length, 'one that broke stopped the others');
    },
  },
  {
    name: 'resolves stop only when nothing is in hand',
    async run({ desk, make }) {
      const { opened, open } = door();
      desk.work = () => opened;
      desk.add('slow');
      const dispatcher = make(POLLS_OFTEN);
      await dispatcher.start();
      await until(() => desk.inHand === 1, 'it did not begin');
      let inHandAtTheEnd: number | undefined;
      const stopped = dispatcher.stop(PATIENCE_MS).then(() => (inHandAtTheEnd = desk.inHand));
      await pause(50);
      assert.equal(inHandAtTheEnd, undefined, 'stop resolved with a delivery in hand');
      open();
      await stopped;
      assert.equal(inHandAtTheEnd, 0);
    },
  },
  {
    name: 'aborts what is not done when the grace is over',
    async run({ desk, make }) {
      let aborted = false;
      desk.work = (_id, signal) =>
        new Promise((resolve) => {
          // Ends by itself as well: a dispatcher that does not abort must not hang the case.
          const end = setTimeout(resolve, 2_000);
          signal.addEventListener('abort', () => {
            aborted = true;
            clearTimeout(end);
            resolve();
          });
        });
      desk.add('endless');
      const dispatcher = make(POLLS_OFTEN);
      await dispatcher.start();
      await until(() => desk.inHand === 1, 'it did not begin');
      await dispatcher.stop(10);
      assert.ok(aborted, 'it was not aborted');
      assert.equal(desk.inHand, 0);
    },
  },
  {
    name: 'begins nothing after stop, not even when woken',
    async run({ desk, make }) {
      const dispatcher = make(POLLS_OFTEN);
      await dispatcher.start();
      await dispatcher.stop(PATIENCE_MS);
      desk.add('late');
      dispatcher.wake();
      await pause(100);
      assert.deepEqual(desk.begun, []);
    },
  },
  {
    name: 'takes a wake-up before the start and a second stop without an error',
    async run({ desk, make }) {
      const dispatcher = make(POLLS_OFTEN);
      dispatcher.wake();
      await dispatcher.start();
      desk.add('one');
      await until(() => desk.begun.includes('one'), 'it did not begin');
      await dispatcher.stop(PATIENCE_MS);
      await dispatcher.stop(PATIENCE_MS);
      assert.equal(desk.inHand, 0);
    },
  },
];
