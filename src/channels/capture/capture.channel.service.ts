import type { Channel, ChannelDefinition, ChannelKind, Receipt, Recipient, SendContext } from '../channel.js';
import { parseEmailAddress } from '../email/email-address.js';
import { composeEmail } from '../email/email-message.js';
import { SendDeferredError } from '../../errors.js';
import type { Attachment, Message, RenderedParts } from '../message.js';
import { parsePhoneNumber } from '../sms/phone-number.js';
import { composeSms } from '../sms/sms-message.js';

/** Stands in for a channel that is not configured. The delivery holds the rendered message; nothing leaves the machine. */
export class CaptureChannel implements Channel {
  readonly name: string;
  readonly kind: ChannelKind;
  readonly captures = true;
  readonly ambiguous = 'resend';
  readonly definition: ChannelDefinition;

  constructor(name: string, kind: ChannelKind) {
    this.name = name;
    this.kind = kind;
    this.definition = { label: `Captured ${kind === 'email' ? 'e-mail' : 'SMS'}`, settings: [] };
  }

  parseRecipient(address: string): Recipient {
    return this.kind === 'email' ? parseEmailAddress(address) : parsePhoneNumber(address);
  }

  compose(rendered: RenderedParts, recipient: Recipient, attachments: Attachment[]): Message {
    return this.kind === 'email' ? composeEmail(rendered, recipient, attachments) : composeSms(rendered, recipient);
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- the contract is that faults reject
  async send(message: Message, context: SendContext): Promise<Receipt> {
    if (message.kind !== this.kind)
      throw new TypeError(`The channel ${this.name} captures ${this.kind}, not ${message.kind}`);
    if (context.signal.aborted) {
      throw new SendDeferredError('The send was stopped before it began.', {
        vendorCode: 'EABORT',
        vendorClass: 'NOT_SENT',
      });
    }
    return { providerMessageId: `captured-${context.deliveryId}`, note: 'captured' };
  }
}
