import { type DynamicModule, Global, Module, type OnApplicationShutdown } from '@nestjs/common';
import type { Channel } from './channel.js';
import { ChannelStates } from './channel-states.service.js';
import { ChannelsController } from './channels.controller.js';
import { ChannelsRegistry } from './channels.registry.service.js';
import { CONFIGURED_SETTINGS } from './tokens.js';

/** The channels of this process, for everybody who checks an address or sends. */
@Global()
@Module({})
export class ChannelsModule implements OnApplicationShutdown {
  constructor(private readonly channels: ChannelsRegistry) {}

  /** @param configured names of the settings that are set (`SMTP_URL`), for the admin API to show; never their values */
  static of(channels: Channel[], configured: ReadonlySet<string> = new Set()): DynamicModule {
    return {
      module: ChannelsModule,
      controllers: [ChannelsController],
      providers: [
        { provide: ChannelsRegistry, useValue: new ChannelsRegistry(channels) },
        { provide: CONFIGURED_SETTINGS, useValue: configured },
        ChannelStates,
      ],
      exports: [ChannelsRegistry, ChannelStates],
    };
  }

  /** After `beforeApplicationShutdown`, in which the dispatcher ends its sends. */
  onApplicationShutdown(): Promise<void> {
    return this.channels.close();
  }
}
