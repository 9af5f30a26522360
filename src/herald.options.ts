import type { BlobStore } from './blobs/blob-store.js';
import type { Channel } from './channels/channel.js';
import type { Clock } from './clock.js';
import type { Settings } from './config/env.js';
import type { Database } from './database/database.service.js';
import type { Log } from './log.service.js';
import type { Presets } from './providers/deepgram/presets.js';
import type { TranscriptionProvider } from './providers/provider.js';

/** Everything that a Herald is put together from; `openResources` makes it from settings. */
export interface HeraldResources {
  settings: Settings;
  /** Under which callback passwords and links are signed. */
  secret: string;
  database: Database;
  blobs: BlobStore;
  provider: TranscriptionProvider;
  presets: Presets;
  channels: Channel[];
  clock: Clock;
  log: Log;
}
