import type { Attachment, Message, RenderedParts } from './message.js';

export const CHANNEL_KINDS = ['email', 'sms'] as const;
export type ChannelKind = (typeof CHANNEL_KINDS)[number];

/** A validated address for one kind of channel. */
export interface Recipient {
  /** Normalised: lower-cased ASCII domain for e-mail, E.164 for SMS. */
  address: string;
  name?: string;
  locale?: string;
  timeZone?: string;
  /** Not refused, but worth showing ("this is a landline"). */
  warnings?: string[];
}

export interface ChannelSetting {
  name: string;
  label: string;
  required: boolean;
  /** Never shown, logged or returned. */
  sensitive: boolean;
}

export interface ChannelDefinition {
  label: string;
  settings: ChannelSetting[];
}

export interface SendContext {
  /** Same on every attempt; e-mail makes its Message-ID from it. */
  deliveryId: string;
  /** From 1. */
  attempt: number;
  /** Same on every attempt, for vendors that take one. */
  idempotencyKey: string;
  /** Aborts at the deadline of the send and at shutdown. */
  signal: AbortSignal;
  /** Where the vendor may report what became of the message; absent when Herald has no public URL. */
  reportUrl?: string;
}

/** The vendor accepted the message. */
export interface Receipt {
  /** The vendor's id of the message; absent when it gives none. */
  providerMessageId?: string;
  /** Vendor's answer for people, one line, without addresses. */
  note?: string;
}

/** The send that is looked up. */
export interface LookupContext {
  deliveryId: string;
  /** Epoch milliseconds. */
  startedAt: number;
  /** The vendor's ids of messages to this recipient that belong to other sends. */
  taken?: readonly string[];
}

/** The vendor's later word. */
export interface DeliveryReport {
  providerMessageId: string;
  status: 'sending' | 'sent' | 'delivered' | 'undelivered' | 'failed' | 'canceled';
  code?: string;
}

/** A message whose receipt was lost, with what the vendor knows of it by now. */
export interface FoundMessage extends Receipt {
  report?: DeliveryReport;
}

/**
 * Sends one kind of message. Contract, checked by `channelContract` in `testing.ts`:
 *
 * - `parseRecipient` accepts exactly one recipient or throws RecipientInvalidError.
 * - `compose` is pure and makes a message for exactly that recipient.
 * - `send` resolves only when the vendor has accepted. It rejects with SendRejectedError (for good), SendDeferredError (not sent),
 *   or SendAmbiguousError (may have been sent). It honours `signal`, and never retries by itself.
 */
export interface Channel {
  /** What rules name; unique among the channels. */
  readonly name: string;
  readonly kind: ChannelKind;
  readonly definition: ChannelDefinition;
  /** Who the message comes from, as recipients opt out of it: a number, a short code or a Messaging Service. Absent for e-mail. */
  readonly sender?: string;
  /** True when nothing leaves the machine. */
  readonly captures: boolean;
  parseRecipient(address: string): Recipient;
  /**
   * Whether the settings allow to send to a recipient; absent: to all.
   * @throws RecipientInvalidError that names the setting
   */
  permit?(recipient: Recipient): void;
  compose(rendered: RenderedParts, recipient: Recipient, attachments: Attachment[]): Message;
  send(message: Message, context: SendContext): Promise<Receipt>;
  /**
   * Looks up whether an ambiguous send reached the vendor. Rejects when the vendor could not be asked.
   * @returns the message; `'absent'` when the vendor surely has none; `'unsure'` when it cannot tell
   */
  lookup?(message: Message, context: LookupContext): Promise<FoundMessage | 'absent' | 'unsure'>;
  /** Reads the vendor's report of what became of a message; undefined when it is none. Never throws. */
  parseReport?(params: Record<string, string | string[]>): DeliveryReport | undefined;
  /**
   * True when the vendor signed a request with these form fields for this URL. Never throws.
   * @param url the public URL with path and query, made from the configuration, not from the request
   * @param params every field as it came, untrimmed
   */
  verifySignature?(url: string, params: Record<string, string | string[]>, signature: string | undefined): boolean;
  /** What an ambiguous send becomes when `lookup` is missing or cannot tell: sent again, or held as `unknown`. */
  readonly ambiguous: 'resend' | 'hold';
  /** Checks the credentials without sending; rejects with a message for people, without secrets. */
  verify?(): Promise<void>;
  close?(): Promise<void>;
}
