import type { Readable } from 'node:stream';
import nodemailer, { type SendMailOptions } from 'nodemailer';
import { RecipientInvalidError, SendDeferredError, SendRejectedError } from '../../errors.js';
import { SECOND } from '../../duration.js';
import type { Channel, ChannelDefinition, Receipt, Recipient, SendContext } from '../channel.js';
import type { Attachment, EmailMessage, Message, RenderedParts } from '../message.js';
import { redact } from '../redact.js';
import { type Mailbox, parseEmailAddress, parseMailbox } from './email-address.js';
import { composeEmail } from './email-message.js';
import { Gather } from './gather.service.js';
import { classifySmtpError } from './smtp-errors.js';

export interface SmtpOptions {
  /** `smtp://user:password@host:587`, `smtps://…`; Nodemailer's options as query parameters (`?requireTLS=true`). */
  url: string;
  /** `name@example.com` or `Name <name@example.com>`. */
  from: string;
  /** Name of the channel, `email` when absent. */
  name?: string;
  /** Connections to the server at once, 5 when absent. */
  maxConnections?: number;
  /** Total time for one send in milliseconds, 30 s when absent: a server that trickles bytes never meets an idle time-out. */
  deadlineMs?: number;
}

const TIMEOUTS = {
  connectionTimeout: 10 * SECOND,
  greetingTimeout: 10 * SECOND,
  socketTimeout: 30 * SECOND,
  dnsTimeout: 5 * SECOND,
};

function createTransport(options: SmtpOptions) {
  return nodemailer.createTransport({
    url: options.url,
    pool: true,
    maxConnections: options.maxConnections ?? 5,
    // The delivery row owns the retries.
    maxRequeues: 0,
    disableFileAccess: true,
    disableUrlAccess: true,
    ...TIMEOUTS,
  });
}

/**
 * E-mail over pooled SMTP. One recipient a message, the same Message-ID on every attempt of a delivery.
 * @throws RecipientInvalidError from the constructor when `from` is not an address
 */
export class SmtpChannel implements Channel {
  readonly name: string;
  readonly kind = 'email';
  readonly captures = false;
  /** A double carries the same Message-ID, which many mail stores drop. */
  readonly ambiguous = 'resend';
  readonly definition: ChannelDefinition = {
    label: 'E-mail (SMTP)',
    settings: [
      { name: 'SMTP_URL', label: 'Mail server with user and password', required: true, sensitive: true },
      { name: 'MAIL_FROM', label: 'Sender', required: true, sensitive: false },
    ],
  };
  private readonly from: Mailbox;
  private readonly deadlineMs: number;
  private readonly transport: ReturnType<typeof createTransport>;
  /** The MIME stream of each send in hand, to know afterwards whether any of it was read. */
  private readonly streams = new WeakMap<AbortSignal, Readable>();

  constructor(options: SmtpOptions) {
    this.name = options.name ?? 'email';
    this.from = parseMailbox(options.from);
    this.deadlineMs = options.deadlineMs ?? 30 * SECOND;
    this.transport = createTransport(options);
    this.transport.use('stream', (mail, done) => {
      const signal = mail.data.signal;
      mail.message.processFunc((stream) => {
        const gathered = new Gather();
        stream.once('error', (error) => gathered.destroy(error));
        stream.pipe(gathered);
        if (signal instanceof AbortSignal) this.streams.set(signal, gathered);
        return gathered;
      });
      done();
    });
  }

  parseRecipient(address: string): Recipient {
    return parseEmailAddress(address);
  }

  compose(rendered: RenderedParts, recipient: Recipient, attachments: Attachment[]): EmailMessage {
    return composeEmail(rendered, recipient, attachments);
  }

  async send(message: Message, context: SendContext): Promise<Receipt> {
    if (message.kind !== 'email') throw new TypeError(`The channel ${this.name} sends e-mail, not ${message.kind}`);
    if (context.signal.aborted) throw notStarted();
    // Messages are stored between compose and send: what is sent is checked, not what was once checked.
    const address = checkedAddress(message.to);
    const signal = AbortSignal.any([context.signal, AbortSignal.timeout(this.deadlineMs)]);
    const info = await this.transport
      .sendMail(this.toMail(message, address, context, signal))
      .catch((error: unknown) => {
        throw classifySmtpError(error, { begun: this.streams.get(signal)?.readableDidRead ?? false, address });
      });
    if (info.rejected.length > 0 || info.accepted.length === 0) {
      throw new SendRejectedError('The mail server did not accept the recipient.', {
        vendorCode: 'REJECTED',
        vendorClass: 'RECIPIENT',
      });
    }
    return {
      providerMessageId: info.serverMessageId ?? info.messageId,
      note: redact(info.response, [address]),
    };
  }

  /** Connects and logs in without sending. */
  async verify(): Promise<void> {
    try {
      await this.transport.verify();
    } catch (error) {
      throw classifySmtpError(error, { begun: false });
    }
  }

  /** Closes idle connections at once; a send in hand is finished first, within its own deadline. */
  close(): Promise<void> {
    this.transport.close();
    return Promise.resolve();
  }

  /** Named fields only: an option that Nodemailer would read from the message (`raw`, `path`) cannot come from stored data. */
  private toMail(message: EmailMessage, address: string, context: SendContext, signal: AbortSignal): SendMailOptions {
    return {
      from: { name: this.from.name ?? '', address: this.from.address },
      to: [{ name: '', address }],
      envelope: { from: this.from.address, to: [address] },
      subject: message.subject,
      text: message.text,
      html: message.html,
      messageId: `<${context.deliveryId}@${this.from.domain}>`,
      date: new Date(),
      headers: { 'X-Herald-Delivery': context.deliveryId, 'Auto-Submitted': 'auto-generated' },
      attachments: message.attachments.map(({ filename, contentType, content }) => ({
        filename,
        contentType,
        content,
      })),
      signal,
    };
  }
}

function checkedAddress(to: string): string {
  try {
    return parseEmailAddress(to).address;
  } catch (error) {
    if (!(error instanceof RecipientInvalidError)) throw error;
    throw new SendRejectedError(error.message, { vendorCode: error.code, vendorClass: 'RECIPIENT' });
  }
}

function notStarted(): SendDeferredError {
  return new SendDeferredError('The send was stopped before it began.', {
    vendorCode: 'EABORT',
    vendorClass: 'NOT_SENT',
  });
}
