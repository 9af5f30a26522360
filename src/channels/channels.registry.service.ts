import type { Settings } from '../config/env.js';
import { PluginError } from '../errors.js';
import { CaptureChannel } from './capture/capture.channel.service.js';
import { CHANNEL_KINDS, type Channel, type ChannelKind, type Recipient } from './channel.js';
import { SmtpChannel } from './email/email.channel.service.js';
import { TwilioChannel } from './sms/sms.channel.service.js';

/** Absent means captured. */
type ChannelSettings = Pick<Settings, 'smtp' | 'twilio'>;

/** The channels `email` and `sms`; one that is not configured is captured. */
export function makeChannels(settings: ChannelSettings): Channel[] {
  return [
    settings.smtp === undefined ? new CaptureChannel('email', 'email') : new SmtpChannel(settings.smtp),
    settings.twilio === undefined ? new CaptureChannel('sms', 'sms') : new TwilioChannel(settings.twilio),
  ];
}

/**
 * The channels of this process, by the name that rules use.
 * @throws PluginError from the constructor when two channels have one name, or one has no name or an unknown kind
 */
export class ChannelsRegistry {
  private readonly channels = new Map<string, Channel>();

  constructor(channels: Channel[]) {
    for (const channel of channels) this.add(channel);
  }

  get(name: string): Channel | undefined {
    return this.channels.get(name);
  }

  all(): Channel[] {
    return [...this.channels.values()];
  }

  /**
   * Checks an address as the first channel of its kind does.
   * @throws RecipientInvalidError; PluginError when no channel has the kind
   */
  parseRecipient(kind: ChannelKind, address: string): Recipient {
    const channel = this.all().find((candidate) => candidate.kind === kind);
    if (channel === undefined) throw new PluginError(`No channel sends ${kind}.`);
    return channel.parseRecipient(address);
  }

  /** Closes all channels; one that fails to close does not keep the others open. */
  async close(): Promise<void> {
    await Promise.allSettled(this.all().map(async (channel) => channel.close?.()));
  }

  private add(channel: Channel): void {
    const label = channel.constructor.name;
    if (channel.name === '') throw new PluginError(`${label} has no name.`);
    if (!CHANNEL_KINDS.includes(channel.kind)) {
      throw new PluginError(`The channel "${channel.name}" has the kind "${channel.kind}"; it must be email or sms.`);
    }
    const other = this.channels.get(channel.name);
    if (other !== undefined) {
      const pair = `${other.constructor.name} and ${label}`;
      throw new PluginError(`Two channels are called "${channel.name}": ${pair}. Give one of them another name.`);
    }
    this.channels.set(channel.name, channel);
  }
}
