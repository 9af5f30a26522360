import { RecipientInvalidError } from '../../errors.js';
import { parsePhoneNumber } from './phone-number.js';
import type { ReportParams } from './twilio-report.js';

/** What a person asks for with an inbound message. */
export type InboundWish = 'stop' | 'start' | 'help';

export interface InboundMessage {
  /** Twilio's id of it. */
  sid: string;
  wish: InboundWish;
  /** Who wrote it: E.164. */
  from: string;
  /** The number that was written to, and the Messaging Service that it belongs to: what is asked of one holds for both. */
  senders: string[];
}

const WISHES: Readonly<Record<InboundWish, readonly string[]>> = {
  stop: ['STOP', 'STOPALL', 'UNSUBSCRIBE', 'CANCEL', 'END', 'QUIT', 'OPTOUT', 'REVOKE'],
  start: ['START', 'YES', 'UNSTOP'],
  help: ['HELP', 'INFO'],
};

/**
 * Reads an inbound message. What Twilio has understood (`OptOutType`, with Advanced Opt-Out) goes before our own reading, for which
 * only a message that is the one word counts, as for Twilio.
 * @returns undefined for one that asks for nothing, or is not from a telephone number. Never throws.
 */
export function parseTwilioInbound(params: ReportParams): InboundMessage | undefined {
  const one = (name: string): string => {
    const value = params[name];
    return typeof value === 'string' ? value.trim() : '';
  };
  const sid = one('MessageSid') || one('SmsSid');
  const wish = wishOf(one('OptOutType')) ?? wishOf(one('Body'));
  const from = phoneNumber(one('From'));
  const senders = [one('To'), one('MessagingServiceSid')].filter((sender) => sender !== '');
  if (wish === undefined || from === undefined || senders.length === 0) return undefined;
  return /^(SM|MM)[0-9a-fA-F]{32}$/.test(sid) ? { sid, wish, from, senders } : undefined;
}

function wishOf(text: string): InboundWish | undefined {
  const word = text.toUpperCase();
  return (['stop', 'start', 'help'] as const).find((wish) => WISHES[wish].includes(word));
}

function phoneNumber(text: string): string | undefined {
  try {
    return parsePhoneNumber(text).address;
  } catch (error) {
    if (error instanceof RecipientInvalidError) return undefined;
    throw error;
  }
}
