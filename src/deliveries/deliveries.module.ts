import { Inject, Module, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import type { Channel } from '../channels/channel.js';
import { ChannelsRegistry } from '../channels/channels.registry.service.js';
import { Clock } from '../clock.js';
import type { Settings } from '../config/env.js';
import { SETTINGS } from '../config/settings.js';
import { SECOND } from '../duration.js';
import { JobsModule } from '../jobs/jobs.module.js';
import { Log } from '../log.service.js';
import { RedactionModule } from '../redaction/redaction.module.js';
import { RecipientsModule } from '../recipients/recipients.module.js';
import { TemplatesModule } from '../templates/templates.module.js';
import { TranscriptsModule } from '../transcripts/transcripts.module.js';
import { BundleService } from './bundle.service.js';
import { BundlesStore } from './bundles.store.js';
import { CapsStore } from './caps.store.js';
import { ChannelGate } from './channel-gate.service.js';
import { ChannelStatesStore } from './channel-states.store.js';
import { Deaths } from './deaths.service.js';
import { DeliverService } from './deliver.service.js';
import { DeliveriesController } from './deliveries.controller.js';
import { DeliveriesQueryStore } from './deliveries.query.store.js';
import { DeliveriesStore } from './deliveries.store.js';
import { DISPATCHER, type DeliveryDispatcher } from './delivery-dispatcher.js';
import { DigestReader } from './digest-reader.service.js';
import { DueTimes } from './due-times.service.js';
import { EmbeddedDispatcher } from './embedded.dispatcher.js';
import { InboundController } from './inbound.controller.js';
import { InboundStore } from './inbound.store.js';
import { Invitations } from './invitations.service.js';
import { LookUps } from './look-up.service.js';
import { MessageComposer } from './message-composer.service.js';
import { Pace } from './pace.js';
import { ReportsController } from './reports.controller.js';
import { ReportsStore } from './reports.store.js';
import { RestoredStore } from './restored.store.js';
import { SendingController } from './sending.controller.js';
import { TwilioSignatureGuard } from './twilio-signature.guard.js';
import { UnknownStore } from './unknown.store.js';

/** On SQLite nobody else can make a delivery, and this process wakes itself; on PostgreSQL other replicas may. */
const POLL = { sqlite: 30 * SECOND, postgres: SECOND };
/** What is in hand at shutdown has this long to end. */
const GRACE = 8 * SECOND;

/** What is captured costs nobody anything, and is not slowed. */
function paceFor(channel: Channel | undefined, { limits }: Settings): Pace | undefined {
  if (!channel || channel.captures) return undefined;
  const { perSecond } = limits[channel.kind];
  return perSecond === undefined ? undefined : new Pace(perSecond);
}

@Module({
  imports: [JobsModule, RecipientsModule, RedactionModule, TemplatesModule, TranscriptsModule],
  controllers: [DeliveriesController, ReportsController, InboundController, SendingController],
  providers: [
    ChannelStatesStore,
    ChannelGate,
    BundlesStore,
    BundleService,
    CapsStore,
    DigestReader,
    DeliveriesStore,
    DeliveriesQueryStore,
    ReportsStore,
    RestoredStore,
    InboundStore,
    Invitations,
    TwilioSignatureGuard,
    MessageComposer,
    Deaths,
    LookUps,
    UnknownStore,
    DeliverService,
    DueTimes,
    {
      provide: DISPATCHER,
      inject: [SETTINGS, DeliveriesStore, DeliverService, ChannelGate, ChannelsRegistry, Clock, Log],
      useFactory: (
        settings: Settings,
        store: DeliveriesStore,
        service: DeliverService,
        gate: ChannelGate,
        channels: ChannelsRegistry,
        clock: Clock,
        log: Log,
      ) => {
        const { kind } = settings.database;
        const paceOf = (name: string): Pace | undefined => paceFor(channels.get(name), settings);
        const options = { alone: kind === 'sqlite', pollMs: POLL[kind], paceOf };
        return new EmbeddedDispatcher(store, service, gate, clock, log, options);
      },
    },
  ],
  exports: [
    CapsStore,
    ChannelGate,
    DeliveriesStore,
    Deaths,
    DeliverService,
    DISPATCHER,
    MessageComposer,
    RestoredStore,
  ],
})
export class DeliveriesModule implements OnApplicationBootstrap, BeforeApplicationShutdown {
  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    @Inject(DISPATCHER) private readonly dispatcher: DeliveryDispatcher,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    if (this.settings.role !== 'api') await this.dispatcher.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.dispatcher.stop(GRACE);
  }
}
