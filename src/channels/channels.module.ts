import { Module, type OnApplicationShutdown } from '@nestjs/common';
import type { Settings } from '../config/env.js';
import { SETTINGS } from '../config/settings.js';
import { ChannelsRegistry, makeChannels } from './channels.registry.service.js';

/** The channels that the settings configure; the others are captured. Wants SETTINGS from a global module. */
@Module({
  providers: [
    {
      provide: ChannelsRegistry,
      inject: [SETTINGS],
      useFactory: (settings: Settings) => new ChannelsRegistry(makeChannels(settings)),
    },
  ],
  exports: [ChannelsRegistry],
})
export class ChannelsModule implements OnApplicationShutdown {
  constructor(private readonly channels: ChannelsRegistry) {}

  /** After `beforeApplicationShutdown`, in which the dispatcher ends its sends. */
  onApplicationShutdown(): Promise<void> {
    return this.channels.close();
  }
}
