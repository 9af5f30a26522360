import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { DeliveryReport } from '../channel.js';

/** Form fields as they came; a repeated name gives a list. */
export type ReportParams = Record<string, string | string[]>;

/** Twilio's statuses of an outbound message. The first three are initial: they prove no more than that the message exists. */
const STATUSES: Readonly<Record<string, DeliveryReport['status']>> = {
  accepted: 'sending',
  scheduled: 'sending',
  queued: 'sending',
  sending: 'sending',
  sent: 'sent',
  delivered: 'delivered',
  partially_delivered: 'delivered',
  read: 'delivered',
  undelivered: 'undelivered',
  failed: 'failed',
  canceled: 'canceled',
};

const RANKS: Readonly<Record<DeliveryReport['status'], number>> = {
  sending: 1,
  sent: 2,
  delivered: 3,
  undelivered: 3,
  failed: 3,
  canceled: 3,
};

/** True when `next` is news after `current`: reports come twice and in any order, and the first final one stays. */
export function advances(current: DeliveryReport['status'] | undefined, next: DeliveryReport['status']): boolean {
  return current === undefined || RANKS[next] > RANKS[current];
}

/** Reads a status callback; undefined when it is not one of an outbound message. Never throws. */
export function parseTwilioReport(params: ReportParams): DeliveryReport | undefined {
  const one = (name: string): string => {
    const value = params[name];
    return typeof value === 'string' ? value : '';
  };
  const providerMessageId = one('MessageSid') || one('SmsSid');
  const word = one('MessageStatus') || one('SmsStatus');
  const status = Object.hasOwn(STATUSES, word) ? STATUSES[word] : undefined;
  if (status === undefined || !/^(SM|MM)[0-9a-fA-F]{32}$/.test(providerMessageId)) return undefined;
  const code = one('ErrorCode');
  return /^[1-9]\d{0,5}$/.test(code) ? { providerMessageId, status, code } : { providerMessageId, status };
}

function signed(params: ReportParams): string {
  return Object.keys(params)
    .sort()
    .map((name) => {
      const value = params[name] ?? [];
      const values = typeof value === 'string' ? [value] : [...new Set(value)].sort();
      return values.map((each) => name + each).join('');
    })
    .join('');
}

/** The URL as given, and with and without the default port: Twilio signs either form. */
function spellings(url: string): string[] {
  const parts = /^(https?:\/\/)([^/?#]*)(.*)$/is.exec(url);
  if (parts === null) return [];
  const [, scheme = '', authority = '', rest = ''] = parts;
  const port = scheme.toLowerCase() === 'https://' ? ':443' : ':80';
  const hasPort = /:\d+$/.test(authority);
  if (!hasPort) return [url, `${scheme}${authority}${port}${rest}`];
  return authority.endsWith(port) ? [url, `${scheme}${authority.slice(0, -port.length)}${rest}`] : [url];
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/**
 * Checks `X-Twilio-Signature` of a form request. Never throws.
 * @param tokens auth tokens that count, several during a rotation
 * @param url the configured public URL with path and query, never one inferred from the request
 * @param params every parameter as it came, untrimmed
 */
export function verifyTwilioSignature(
  tokens: readonly string[],
  url: string,
  params: ReportParams,
  signature: string | undefined,
): boolean {
  if (signature === undefined || signature === '') return false;
  const given = digest(signature);
  const fields = signed(params);
  let valid = false;
  for (const token of tokens.filter((each) => each !== '')) {
    for (const spelling of spellings(url)) {
      const expected = createHmac('sha1', token)
        .update(spelling + fields, 'utf8')
        .digest('base64');
      valid = timingSafeEqual(digest(expected), given) || valid;
    }
  }
  return valid;
}
