import pLimit, { type LimitFunction } from 'p-limit';
import { type Clock, SystemClock } from '../../clock.js';
import { HOUR, SECOND } from '../../duration.js';
import {
  PluginError,
  RecipientInvalidError,
  SendAmbiguousError,
  SendDeferredError,
  SendRejectedError,
} from '../../errors.js';
import type {
  Channel,
  ChannelDefinition,
  DeliveryReport,
  FoundMessage,
  LookupContext,
  Receipt,
  Recipient,
  SendContext,
} from '../channel.js';
import type { Attachment, Message, RenderedParts, SmsMessage } from '../message.js';
import { parsePhoneNumber, requireCountry } from './phone-number.js';
import { composeSms } from './sms-message.js';
import { type TwilioAccount, type TwilioCall, TwilioClient } from './twilio-client.service.js';
import { classifyTwilioError } from './twilio-errors.js';
import { findSent } from './twilio-lookup.js';
import { parseTwilioReport, type ReportParams, verifyTwilioSignature } from './twilio-report.js';

export interface TwilioOptions extends TwilioAccount {
  /** Sender: E.164, short code or alphanumeric. One of `from` and `messagingServiceSid` is needed. */
  from?: string;
  messagingServiceSid?: string;
  /** ISO codes of the countries that messages may go to; all when absent. */
  countries?: string[];
  /** Name of the channel, `sms` when absent. */
  name?: string;
  /** Further auth tokens that signatures may be made with, during a rotation. */
  otherAuthTokens?: string[];
  /** Calls to Twilio at once, 10 when absent. */
  maxConcurrent?: number;
  /** Total time for one call in milliseconds, 25 s when absent. */
  deadlineMs?: number;
  /** A message still queued at Twilio after this many seconds is dropped, 4 h when absent. */
  validityPeriodSeconds?: number;
}

/**
 * SMS through Twilio, which has no idempotency key: an ambiguous send is looked up and, if that cannot tell, held.
 * @throws PluginError from the constructor when the account or the sender is missing
 */
export class TwilioChannel implements Channel {
  readonly name: string;
  readonly kind = 'sms';
  readonly sender: string;
  readonly captures = false;
  readonly ambiguous = 'hold';
  readonly definition: ChannelDefinition = {
    label: 'SMS (Twilio)',
    settings: [
      { name: 'TWILIO_ACCOUNT_SID', label: 'Account SID', required: true, sensitive: false },
      { name: 'TWILIO_AUTH_TOKEN', label: 'Auth token', required: true, sensitive: true },
      { name: 'TWILIO_FROM', label: 'Sender number', required: false, sensitive: false },
      { name: 'TWILIO_MESSAGING_SERVICE_SID', label: 'Messaging Service', required: false, sensitive: false },
      { name: 'TWILIO_BASE_URL', label: "Another address of Twilio's API", required: false, sensitive: false },
    ],
  };
  private readonly options: TwilioOptions;
  private readonly client: TwilioClient;
  private readonly clock: Clock;
  private readonly slot: LimitFunction;

  constructor(options: TwilioOptions, clock: Clock = new SystemClock()) {
    checkOptions(options);
    this.name = options.name ?? 'sms';
    this.sender = options.messagingServiceSid ?? options.from ?? '';
    this.options = options;
    this.client = new TwilioClient(options);
    this.clock = clock;
    this.slot = pLimit(options.maxConcurrent ?? 10);
  }

  parseRecipient(address: string): Recipient {
    return parsePhoneNumber(address);
  }

  /** @throws RecipientInvalidError for a number of a country that is not on the list, or a premium-rate number */
  permit({ address }: Recipient): void {
    const { countries } = this.options;
    if (countries !== undefined) requireCountry(address, countries);
  }

  compose(rendered: RenderedParts, recipient: Recipient, _attachments?: Attachment[]): SmsMessage {
    return composeSms(rendered, recipient);
  }

  async send(message: Message, context: SendContext): Promise<Receipt> {
    if (message.kind !== 'sms') throw new TypeError(`The channel ${this.name} sends SMS, not ${message.kind}`);
    const to = checkedNumber(message.to, (recipient) => {
      this.permit(recipient);
    });
    return this.slot(() => this.create(to, message.text, context));
  }

  /** @throws SendDeferredError when Twilio cannot be asked now */
  async lookup(message: Message, context: LookupContext): Promise<FoundMessage | 'absent' | 'unsure'> {
    if (message.kind !== 'sms') return 'unsure';
    const listed = await this.slot(() =>
      this.call(undefined, (call) => this.client.listMessages(message.to, call)),
    ).catch(notAsked);
    return findSent(listed, {
      to: message.to,
      text: message.text,
      sender: this.sender,
      startedAt: context.startedAt,
      now: this.clock.now(),
      taken: context.taken ?? [],
    });
  }

  parseReport(params: ReportParams): DeliveryReport | undefined {
    return parseTwilioReport(params);
  }

  verifySignature(url: string, params: ReportParams, signature: string | undefined): boolean {
    const tokens = [this.options.authToken, ...(this.options.otherAuthTokens ?? [])];
    return verifyTwilioSignature(tokens, url, params, signature);
  }

  /** Reads the account at Twilio without sending. */
  async verify(): Promise<void> {
    const status = await this.call(undefined, (call) => this.client.fetchAccountStatus(call));
    if (status === 'active') return;
    throw new SendDeferredError('The Twilio account is not active.', {
      vendorCode: '20005',
      vendorClass: 'CONFIG',
      counts: false,
    });
  }

  close(): Promise<void> {
    return this.client.close();
  }

  private async create(to: string, body: string, context: SendContext): Promise<Receipt> {
    // Asked here and not before the wait for a slot: nothing was sent yet, and the send may be tried again safely.
    if (context.signal.aborted) throw notStarted();
    const created = await this.call(context.signal, (call) =>
      this.client.createMessage(
        {
          to,
          body,
          smartEncoded: true,
          validityPeriod: this.options.validityPeriodSeconds ?? (4 * HOUR) / SECOND,
          ...this.from(),
          ...statusCallback(context),
        },
        call,
      ),
    );
    if (typeof created.sid !== 'string' || !/^(SM|MM)[0-9a-fA-F]{32}$/.test(created.sid)) {
      throw new SendAmbiguousError('Twilio answered without the id of a message.', {
        vendorCode: 'NO_SID',
        vendorClass: 'AMBIGUOUS',
      });
    }
    return {
      providerMessageId: created.sid,
      ...(typeof created.status === 'string' ? { note: created.status.slice(0, 32) } : {}),
    };
  }

  private async call<T>(signal: AbortSignal | undefined, run: (call: TwilioCall) => Promise<T>): Promise<T> {
    const deadline = AbortSignal.timeout(this.options.deadlineMs ?? 25 * SECOND);
    const call: TwilioCall = { signal: signal === undefined ? deadline : AbortSignal.any([signal, deadline]) };
    try {
      return await run(call);
    } catch (error) {
      throw classifyTwilioError(error, call.headers, this.clock.now());
    }
  }

  private from(): { messagingServiceSid: string } | { from: string } {
    const { messagingServiceSid, from } = this.options;
    return messagingServiceSid === undefined ? { from: from ?? '' } : { messagingServiceSid };
  }
}

function checkOptions({ accountSid, authToken, from, messagingServiceSid }: TwilioOptions): void {
  if (!accountSid.startsWith('AC')) throw new PluginError('TWILIO_ACCOUNT_SID must begin with AC.');
  if (authToken === '') throw new PluginError('TWILIO_AUTH_TOKEN must not be empty.');
  if (from === undefined && messagingServiceSid === undefined) {
    throw new PluginError('SMS needs TWILIO_FROM or TWILIO_MESSAGING_SERVICE_SID.');
  }
}

/** Twilio refuses a callback URL whose host has an underscore; the message is worth more than its report. */
function statusCallback(context: SendContext): { statusCallback?: string } {
  if (context.reportUrl === undefined || !URL.canParse(context.reportUrl)) return {};
  const url = new URL(context.reportUrl);
  if (url.hostname.includes('_')) return {};
  url.searchParams.set('a', String(context.attempt));
  return { statusCallback: url.href };
}

function checkedNumber(to: string, permit: (recipient: Recipient) => void): string {
  try {
    const recipient = parsePhoneNumber(to);
    permit(recipient);
    return recipient.address;
  } catch (error) {
    if (!(error instanceof RecipientInvalidError)) throw error;
    throw new SendRejectedError(error.message, { vendorCode: error.code, vendorClass: 'RECIPIENT' });
  }
}

/** A list call sends nothing, so whatever went wrong with it is only a reason to ask again. */
function notAsked(error: unknown): never {
  const known = error instanceof SendAmbiguousError || error instanceof SendRejectedError ? error : undefined;
  if (known === undefined) throw error;
  throw new SendDeferredError(known.message, { vendorCode: known.vendorCode, vendorClass: known.vendorClass });
}

function notStarted(): SendDeferredError {
  return new SendDeferredError('The send was stopped before it began.', {
    vendorCode: 'EABORT',
    vendorClass: 'NOT_SENT',
  });
}
