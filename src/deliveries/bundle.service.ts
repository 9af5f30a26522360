import { Inject, Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { Clock } from '../clock.js';
import type { Settings } from '../config/env.js';
import { SETTINGS } from '../config/settings.js';
import { SECOND } from '../duration.js';
import { errorFields, Log } from '../log.service.js';
import { hoursOf } from '../recipients/directory.js';
import { awakeAt, WAITS } from '../recipients/hours.js';
import { RecipientsStore } from '../recipients/recipients.store.js';
import { kindsOf } from '../templates/template.js';
import { TemplatesStore } from '../templates/templates.store.js';
import { Wakeup } from '../wakeup.service.js';
import { BundlesStore, type Waiter } from './bundles.store.js';
import { DIGEST } from './delivery.js';
import { DISPATCHER, type DeliveryDispatcher } from './delivery-dispatcher.js';

/** Something that was planned meanwhile, here or in another process, is seen after this. */
const POLL = 5 * SECOND;
const PEOPLE = 100;

/** Lets go what waited for the hours of its recipient: one message of all that is due for a person. */
@Injectable()
export class BundleService implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly wakeup = new Wakeup(
    () => this.releaseDue(),
    (error) => {
      this.log.error('bundles.broke', errorFields(error));
    },
  );

  constructor(
    @Inject(SETTINGS) private readonly settings: Pick<Settings, 'role'>,
    @Inject(DISPATCHER) private readonly dispatcher: DeliveryDispatcher,
    private readonly bundles: BundlesStore,
    private readonly recipients: RecipientsStore,
    private readonly templates: TemplatesStore,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  onApplicationBootstrap(): void {
    if (this.settings.role !== 'api') this.wakeup.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.wakeup.stop();
    await this.wakeup.idle();
  }

  /** @returns milliseconds until it wants to look again */
  private async releaseDue(): Promise<number> {
    for (;;) {
      const due = await this.bundles.due(PEOPLE);
      let broken = 0;
      for (const waiter of due) broken += await this.tryRelease(waiter);
      // The others have gone on; these are looked at again.
      if (broken > 0) return POLL;
      if (due.length < PEOPLE) break;
    }
    const next = await this.bundles.next();
    return next === undefined ? POLL : Math.min(POLL, Math.max(0, next - this.clock.now()));
  }

  /** @returns 1 when it broke */
  private async tryRelease(waiter: Waiter): Promise<0 | 1> {
    try {
      await this.release(waiter);
      return 0;
    } catch (error) {
      this.log.error('bundle.broke', { channel: waiter.channel, ...errorFields(error) });
      return 1;
    }
  }

  private async release(waiter: Waiter): Promise<void> {
    const directory = await this.recipients.directory();
    const contact = directory.contactAt(waiter.kind, waiter.recipient);
    const hours = contact && hoursOf(contact, directory.timeZone);
    const { at, why } = hours ? awakeAt(this.clock.now(), hours, waiter.urgent === 1) : { at: 0 };
    if (why !== undefined) {
      await this.bundles.postpone(waiter, at, WAITS[why]);
      return;
    }
    const template = await this.templates.current(DIGEST);
    // Own template files may have none: then each message goes for itself.
    const together = template !== undefined && kindsOf(template.parts).includes(waiter.kind);
    const released = await this.bundles.release(waiter, together);
    if (released.sent === 0) return;
    this.dispatcher.wake();
    this.log.info('bundle.released', { channel: waiter.channel, ...released });
  }
}
