/** What another program may import: start a Herald, and the contracts of what can be replaced in one. */
export { parseEnv, type Settings } from './config/env.js';
export { startHerald, type RunningHerald } from './start.service.js';
export type {
  Channel,
  ChannelDefinition,
  DeliveryReport,
  Receipt,
  Recipient,
  SendContext,
} from './channels/channel.js';
export type { TranscriptionProvider } from './providers/provider.js';
export type { BlobStore } from './blobs/blob-store.js';
export type { ByteReader } from './byte-reader.js';
export * from './errors.js';
