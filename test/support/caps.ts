import { ChannelsRegistry, makeChannels } from '../../src/channels/channels.registry.service.js';
import type { Settings } from '../../src/config/env.js';
import { CapsStore } from '../../src/deliveries/caps.store.js';
import type { TestDatabase } from './database.js';

/** Caps on a database, for channels that send unless told otherwise. */
export function capped(
  { database, clock }: TestDatabase,
  limits: Partial<Settings['limits']>,
  options: { captured?: boolean } = {},
): CapsStore {
  const channels = new ChannelsRegistry(options.captured === true ? makeChannels({}) : []);
  return new CapsStore(database, clock, channels, { limits: { email: {}, sms: {}, ...limits } });
}

export const uncapped = (own: TestDatabase): CapsStore => capped(own, {});
