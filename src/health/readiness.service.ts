import { Injectable, type BeforeApplicationShutdown } from '@nestjs/common';
import { ChannelsRegistry } from '../channels/channels.registry.service.js';
import type { DatabaseFault } from '../operator/problem.js';
import { StorageProbe } from './storage-probe.service.js';

export interface ReadinessReport {
  status: 'ready' | 'not ready';
  /** Why not; empty when ready. Never a host, a path or a message of a driver. */
  reasons: string[];
  /** `capture`: messages are rendered, stored and shown, and nothing leaves the machine. */
  channels: { name: string; kind: string; mode: 'send' | 'capture' }[];
}

const DATABASE: Record<DatabaseFault, string> = {
  silent: 'The database does not answer',
  unwritable: 'The database cannot be written',
  moved: 'The database file was deleted or replaced',
};

/** Says whether this process can take work. */
@Injectable()
export class Readiness implements BeforeApplicationShutdown {
  private stopping = false;

  constructor(
    private readonly storage: StorageProbe,
    private readonly channels: ChannelsRegistry,
  ) {}

  async report(): Promise<ReadinessReport> {
    const [fault, full] = await Promise.all([this.storage.databaseFault(), this.storage.isDiskFull()]);
    const reasons = [
      ...(this.stopping ? ['The process is shutting down'] : []),
      ...(fault ? [DATABASE[fault]] : []),
      ...(full ? ['The disk of the data directory is full'] : []),
    ];
    return { status: reasons.length === 0 ? 'ready' : 'not ready', reasons, channels: this.channelModes() };
  }

  beforeApplicationShutdown(): void {
    this.stopping = true;
  }

  private channelModes(): ReadinessReport['channels'] {
    return this.channels.all().map((channel) => ({
      name: channel.name,
      kind: channel.kind,
      mode: channel.captures ? 'capture' : 'send',
    }));
  }
}
