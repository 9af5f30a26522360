import { Injectable } from '@nestjs/common';
import type { ChannelState } from './channel-state.js';

/** What the admin API has to know of the gate, which lies above this layer. */
@Injectable()
export class ChannelStates {
  private read: () => ChannelState[] = () => [];

  /** The gate registers itself here. */
  readFrom(read: () => ChannelState[]): void {
    this.read = read;
  }

  of(channel: string): ChannelState {
    return this.read().find((state) => state.channel === channel) ?? { channel, open: true };
  }
}
