import { Injectable, type BeforeApplicationShutdown } from '@nestjs/common';
import { ChannelsRegistry } from '../channels/channels.registry.service.js';
import { Database } from '../database/database.service.js';

export interface ReadinessReport {
  status: 'ready' | 'not ready';
  /** Why not; empty when ready. Never a host, a path or a message of a driver. */
  reasons: string[];
  /** `capture`: messages are rendered, stored and shown, and nothing leaves the machine. */
  channels: { name: string; kind: string; mode: 'send' | 'capture' }[];
}

/** A database that has not answered by then does not answer. */
const PATIENCE_MS = 2_000;

/** Says whether this process can take work. */
@Injectable()
export class Readiness implements BeforeApplicationShutdown {
  private stopping = false;

  constructor(
    private readonly database: Database,
    private readonly channels: ChannelsRegistry,
  ) {}

  async report(): Promise<ReadinessReport> {
    const reasons = [
      ...(this.stopping ? ['The process is shutting down'] : []),
      ...((await this.databaseAnswers()) ? [] : ['The database does not answer']),
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

  private async databaseAnswers(): Promise<boolean> {
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<boolean>((resolve) => {
      timer = setTimeout(() => {
        resolve(false);
      }, PATIENCE_MS);
    });
    const answer = this.database.ping().then(
      () => true,
      () => false,
    );
    return Promise.race([answer, patience]).finally(() => {
      clearTimeout(timer);
    });
  }
}
