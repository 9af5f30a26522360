import { SendAmbiguousError, SendDeferredError, SendRejectedError } from '../../errors.js';
import { HOUR, MINUTE, SECOND } from '../../duration.js';
import { redact } from '../redact.js';
import { type TwilioCode, twilioCode } from './twilio-codes.js';

/** What an error of the SDK or of the HTTP client says, by shape. */
interface TwilioFault {
  /** HTTP status, undefined when no answer came. */
  status: number | undefined;
  /** Twilio's code. */
  code: number | undefined;
  /** Code of the network fault (`ECONNREFUSED`) or name of the error (`SyntaxError`). */
  network: string;
  syscall: string;
  message: string;
}

type Verdict = Omit<TwilioCode, 'code'>;

/** Faults that happen before a byte of the request is written. A reset or time-out cannot be told apart through the SDK. */
const NOT_SENT = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EHOSTDOWN',
  'EADDRNOTAVAIL',
  'EPROTO',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
]);
const NOT_SENT_PREFIX = /^(ERR_TLS_|ERR_SSL_|CERT_)/;

const asObject = (value: unknown): Record<string, unknown> =>
  (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
const asText = (value: unknown): string => (typeof value === 'string' ? value : '');

function toFault(error: unknown): TwilioFault {
  const fields = asObject(error);
  const cause = asObject(fields.cause);
  const answered = typeof fields.status === 'number' && fields.isAxiosError !== true;
  return {
    status: answered ? (fields.status as number) : undefined,
    code: answered && typeof fields.code === 'number' && fields.code > 0 ? fields.code : undefined,
    network: asText(fields.code) || asText(cause.code) || asText(fields.name) || 'UNKNOWN',
    syscall: asText(fields.syscall) || asText(cause.syscall),
    message: asText(fields.message),
  };
}

function ofNetwork({ network, syscall }: TwilioFault): Verdict {
  if (NOT_SENT.has(network) || NOT_SENT_PREFIX.test(network) || syscall === 'connect' || syscall === 'getaddrinfo') {
    return { class: 'NOT_SENT', meaning: 'Twilio could not be reached' };
  }
  if (network === 'SyntaxError') return { class: 'AMBIGUOUS', meaning: 'Twilio sent an answer that cannot be read' };
  return { class: 'AMBIGUOUS', meaning: 'Twilio did not answer the request' };
}

function ofStatus(status: number): Verdict {
  if (status === 401 || status === 403) return { class: 'CONFIG', meaning: 'Twilio refused the credentials' };
  // Without a known code nothing proves that Twilio, and not a proxy, made the answer.
  if (status === 429) return { class: 'AMBIGUOUS', meaning: 'The request was limited, not provably by Twilio' };
  if (status >= 400 && status < 500) return { class: 'BUG', meaning: 'Twilio refused the request' };
  return { class: 'AMBIGUOUS', meaning: 'Twilio failed while it handled the request' };
}

/** Milliseconds until the next midnight in Los Angeles, at least a minute. */
function untilPacificMidnight(now: number): number {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: 'America/Los_Angeles',
    hourCycle: 'h23',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  const part = (type: string): number => Number(format.formatToParts(now).find((p) => p.type === type)?.value ?? 0);
  const seconds = part('hour') * 3_600 + part('minute') * 60 + part('second');
  return Math.max(MINUTE, (86_400 - seconds) * SECOND);
}

/**
 * `Retry-After` in milliseconds: seconds or an HTTP date; undefined when absent, unreadable or past.
 * @param now epoch milliseconds
 */
export function retryAfterOf(headers: Record<string, unknown> | undefined, now: number): number | undefined {
  const name = Object.keys(headers ?? {}).find((key) => key.toLowerCase() === 'retry-after');
  const value = name === undefined ? undefined : headers?.[name];
  const text = typeof value === 'number' ? String(value) : asText(value).trim();
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * SECOND;
  const at = text === '' ? NaN : Date.parse(text);
  return at > now ? at - now : undefined;
}

function waitOf(verdict: Verdict, headers: Record<string, unknown> | undefined, now: number): number | undefined {
  const own = verdict.untilPacificMidnight === true ? untilPacificMidnight(now) : verdict.retryAfterMs;
  const asked = retryAfterOf(headers, now);
  if (own === undefined || asked === undefined) return own ?? asked;
  return verdict.class === 'WAIT' ? Math.max(own, asked) : asked;
}

function toError(verdict: Verdict, vendorCode: string, message: string, retryAfterMs: number | undefined) {
  const options = { vendorCode, vendorClass: verdict.class };
  switch (verdict.class) {
    case 'AMBIGUOUS':
      return new SendAmbiguousError(message, options);
    case 'THROTTLED':
    case 'TRANSIENT':
    case 'WAIT':
    case 'CONFIG':
    case 'NOT_SENT':
      return new SendDeferredError(message, {
        ...options,
        counts: verdict.class === 'TRANSIENT' || verdict.class === 'NOT_SENT',
        ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
        ...(verdict.maxAttempts === undefined ? {} : { maxAttempts: verdict.maxAttempts }),
      });
    default:
      return new SendRejectedError(message, options);
  }
}

/**
 * What a failed call to Twilio means: Twilio's code first, then the HTTP status, then the network fault.
 * @param error of the SDK or its HTTP client, read by shape
 * @param headers of the answer, for `Retry-After`
 * @param now epoch milliseconds
 * @returns an error to throw. It does not carry the original as its cause: that one holds the credentials.
 */
export function classifyTwilioError(
  error: unknown,
  headers: Record<string, unknown> | undefined,
  now: number,
): SendRejectedError | SendDeferredError | SendAmbiguousError {
  const fault = toFault(error);
  const known = fault.code === undefined ? undefined : twilioCode(fault.code);
  const verdict = known ?? (fault.status === undefined ? ofNetwork(fault) : ofStatus(fault.status));
  const vendorCode = String(fault.code ?? fault.status ?? fault.network);
  const http = fault.status === undefined || fault.code === undefined ? '' : `, HTTP ${String(fault.status)}`;
  const said = known === undefined && fault.code !== undefined ? `: ${redact(fault.message)}` : '.';
  return toError(
    verdict,
    vendorCode,
    `${verdict.meaning} (${vendorCode}${http})${said}`,
    waitOf(verdict, headers, now),
  );
}

/** A message that was taken and failed is sent anew so often at the most, where its code says nothing else. */
const REPORTED_TRIES = 5;

/** US and Canadian toll-free senders, where 30004 means that the network took a STOP. */
const TOLL_FREE = /^\+1(800|822|833|844|855|866|877|88[0-9])\d{7}$/;

/**
 * What the `ErrorCode` of a status callback means; unknown codes are BLOCKED, so nothing is sent again without reason.
 * @param from the sender, E.164
 */
export function explainReportedCode(code: number, from: string | undefined): TwilioCode {
  if (code === 30004 && from !== undefined && TOLL_FREE.test(from)) {
    return { code, class: 'OPTED_OUT', meaning: 'The recipient has unsubscribed (STOP)' };
  }
  return twilioCode(code) ?? { code, class: 'BLOCKED', meaning: 'The message was not delivered' };
}

/**
 * What a report means that a message failed; the delivery's retry policy does the rest.
 * @param status `undelivered`, `failed` or `canceled`
 * @param now epoch milliseconds
 * @returns undefined for a code that is only a warning
 */
export function classifyReport(
  status: string,
  code: string | undefined,
  now: number,
): SendRejectedError | SendDeferredError | undefined {
  const row = explainReportedCode(Number(code ?? 0), undefined);
  if (row.class === 'WARNING') return undefined;
  const message = `the vendor reported ${status} (${code ?? 'no code'}): ${row.meaning}`;
  const options = { vendorCode: code ?? status, vendorClass: row.class };
  const waits = ['THROTTLED', 'TRANSIENT', 'WAIT', 'CONFIG'].includes(row.class) && status !== 'canceled';
  if (!waits) return new SendRejectedError(message, options);
  const wait = row.class === 'CONFIG' ? HOUR : waitOf(row, undefined, now);
  return new SendDeferredError(message, {
    ...options,
    // Each try was a message that the vendor took: all of them count.
    counts: true,
    ...(wait === undefined ? {} : { retryAfterMs: wait }),
    maxAttempts: row.maxAttempts ?? REPORTED_TRIES,
  });
}
