import { AssertionError } from 'node:assert';
import { afterEach, describe, expect, it } from '@jest/globals';
import { SystemClock } from '../../src/clock.js';
import type { ChannelGate } from '../../src/deliveries/channel-gate.service.js';
import type { DeliverService } from '../../src/deliveries/deliver.service.js';
import type { DeliveriesStore } from '../../src/deliveries/deliveries.store.js';
import type { DeliveryDispatcher } from '../../src/deliveries/delivery-dispatcher.js';
import { EmbeddedDispatcher } from '../../src/deliveries/embedded.dispatcher.js';
import { Log } from '../../src/log.service.js';
import { Desk, dispatcherCases, type DispatcherHarness } from './dispatcher.contract.js';

const running: DeliveryDispatcher[] = [];
afterEach(async () => {
  for (const dispatcher of running.splice(0)) await dispatcher.stop(0);
});

function harness(make: (desk: Desk, pollMs: number) => DeliveryDispatcher): DispatcherHarness {
  const desk = new Desk();
  return {
    desk,
    make: (pollMs) => {
      const dispatcher = make(desk, pollMs);
      running.push(dispatcher);
      return dispatcher;
    },
  };
}

function embedded(desk: Desk, pollMs: number): DeliveryDispatcher {
  const store: Pick<
    DeliveriesStore,
    'claim' | 'claimUnknown' | 'waiting' | 'nextLookUp' | 'renew' | 'leases' | 'rescue'
  > = {
    claim: (owner, _channel, limit) => Promise.resolve(desk.claim(owner, limit)),
    claimUnknown: () => Promise.resolve([]),
    waiting: () => {
      const dueAt = desk.nextDue();
      return Promise.resolve(dueAt === undefined ? [] : [{ channel: 'email', dueAt }]);
    },
    nextLookUp: () => Promise.resolve(undefined),
    renew: () => Promise.resolve(),
    leases: () => Promise.resolve([]),
    rescue: () => Promise.resolve([]),
  };
  const service: Pick<DeliverService, 'deliver' | 'lookUp' | 'rescued'> = {
    deliver: async (id, _owner, signal) => {
      await desk.deliver(id, signal);
      return 'sent';
    },
    lookUp: () => Promise.resolve(),
    rescued: () => Promise.resolve(),
  };
  const gate: Pick<ChannelGate, 'admits' | 'onOpen'> = { admits: () => 'open', onOpen: () => undefined };
  return new EmbeddedDispatcher(
    store as DeliveriesStore,
    service as DeliverService,
    gate as ChannelGate,
    new SystemClock(),
    new Log('silent'),
    { alone: false, pollMs, paceOf: () => undefined },
  );
}

describe('EmbeddedDispatcher', () => {
  it.each(dispatcherCases)('$name', async ({ run }) => {
    await expect(run(harness(embedded))).resolves.toBeUndefined();
  });
});

/** The embedded dispatcher with one promise not kept. */
class Wrapped implements DeliveryDispatcher {
  protected readonly inner: DeliveryDispatcher;

  constructor(desk: Desk, pollMs: number) {
    this.inner = embedded(desk, pollMs);
  }

  start(): Promise<void> {
    return this.inner.start();
  }

  wake(): void {
    this.inner.wake();
  }

  stop(graceMs: number): Promise<void> {
    return this.inner.stop(graceMs);
  }
}

class Deaf extends Wrapped {
  override wake(): void {
    // Does not listen.
  }
}

class Hurried extends Wrapped {
  override stop(graceMs: number): Promise<void> {
    void this.inner.stop(graceMs);
    return Promise.resolve();
  }
}

class Restless extends Wrapped {
  private rested = false;

  override async stop(graceMs: number): Promise<void> {
    await this.inner.stop(graceMs);
    if (this.rested) return;
    this.rested = true;
    await this.inner.start();
  }
}

class OnlyWhenWoken extends Wrapped {
  constructor(desk: Desk) {
    super(desk, 3_600_000);
  }
}

/** Delivers what is due without a claim. */
class Grabbing implements DeliveryDispatcher {
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly desk: Desk,
    private readonly pollMs: number,
  ) {}

  start(): Promise<void> {
    this.timer = setInterval(() => {
      this.wake();
    }, this.pollMs);
    return Promise.resolve();
  }

  wake(): void {
    for (const id of this.desk.due()) void this.desk.deliver(id, new AbortController().signal);
  }

  stop(): Promise<void> {
    clearInterval(this.timer);
    return Promise.resolve();
  }
}

describe('the contract of dispatchers', () => {
  it.each([
    ['deaf', 'delivers at once after a wake-up', Deaf],
    ['hurried', 'resolves stop only when nothing is in hand', Hurried],
    ['restless', 'begins nothing after stop, not even when woken', Restless],
    ['sleepy', 'delivers what becomes due without a wake-up', OnlyWhenWoken],
    ['grabbing', 'never has one delivery in two hands, however many dispatchers and wake-ups there are', Grabbing],
  ] as const)('fails the %s dispatcher at "%s"', async (_description, name, Broken) => {
    const broken = dispatcherCases.find((each) => each.name === name);
    await expect(broken?.run(harness((desk, pollMs) => new Broken(desk, pollMs)))).rejects.toBeInstanceOf(
      AssertionError,
    );
  });
});
