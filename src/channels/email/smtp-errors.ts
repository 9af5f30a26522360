import { SendAmbiguousError, SendDeferredError, SendRejectedError } from '../../errors.js';
import { HOUR, MINUTE } from '../../duration.js';
import { redact } from '../redact.js';

/** What Nodemailer's error says, by shape. */
export interface SmtpFault {
  code: string;
  originalCode: string;
  /** `CONN`, `AUTH PLAIN`, `MAIL FROM`, `RCPT TO`, `DATA` … */
  command: string;
  /** Reply code, 0 when no reply came. */
  reply: number;
  /** Class and the rest of the enhanced status code: `5.1.1` gives `1.1`. */
  detail: string;
  /** The server's words. */
  response: string;
  timeoutType: string;
  /** False when it is known that not a byte of the message went out. */
  begun: boolean;
}

export type SmtpClass =
  | 'CONFIG'
  | 'TRANSIENT'
  | 'RECIPIENT'
  | 'CONTENT'
  | 'POLICY'
  | 'REFUSED'
  | 'THROTTLED'
  | 'NOT_SENT'
  | 'AMBIGUOUS'
  | 'BUG';

export interface SmtpRow {
  class: SmtpClass;
  meaning: string;
  when: (fault: SmtpFault) => boolean;
  retryAfterMs?: number;
  /** At most this many tries in all. */
  maxAttempts?: number;
}

const CONFIG_CODES = ['EAUTH', 'ENOAUTH', 'EOAUTH2', 'ECONFIG', 'EPROXY', 'ETLS', 'EREQUIRETLS'];
const BUG_CODES = ['EFILEACCESS', 'EURLACCESS', 'EMAXRECIPIENTS', 'ESTREAM', 'EFETCH'];
const REFUSED_CONNECTION = ['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'EADDRNOTAVAIL'];
const SETUP_TIMEOUTS = ['CONNECT_TIMEOUT', 'GREETING_TIMEOUT', 'UPGRADE_TIMEOUT'];

const is4xx = (fault: SmtpFault): boolean => fault.reply >= 400 && fault.reply < 500;
/** 503 says that the session was in the wrong state, not that the message was refused. */
const is5xx = (fault: SmtpFault): boolean => fault.reply >= 500 && fault.reply < 600 && fault.reply !== 503;
const isSetup = (fault: SmtpFault): boolean => /^(CONN|EHLO|HELO|LHLO|STARTTLS|API)$/.test(fault.command);

/** First match wins. The order matters: an AUTH 454 carries the code EAUTH, a full mailbox may answer 552. */
export const SMTP_ROWS: readonly SmtpRow[] = [
  {
    class: 'THROTTLED',
    meaning: 'The mail server cannot check the password right now',
    when: (f) => f.code === 'EAUTH' && is4xx(f),
    retryAfterMs: 2 * MINUTE,
  },
  {
    class: 'CONTENT',
    meaning: 'The message is larger than the mail server takes',
    when: (f) => f.command === 'MAIL FROM' && is5xx(f) && (f.reply === 552 || f.detail === '3.4'),
  },
  {
    class: 'CONFIG',
    meaning: 'The mail server refused the login, the connection settings are wrong, or it wants TLS or a password',
    when: (f) =>
      CONFIG_CODES.includes(f.code) ||
      f.originalCode === 'ERR_SOCKET_BAD_PORT' ||
      [530, 534, 535, 538].includes(f.reply) ||
      ['7.8', '7.9', '7.11'].includes(f.detail),
  },
  {
    class: 'CONFIG',
    meaning: 'The mail server does not serve this client',
    when: (f) => isSetup(f) && is5xx(f),
  },
  {
    class: 'CONFIG',
    meaning: 'The mail server refused the sender address (MAIL_FROM)',
    when: (f) => f.command === 'MAIL FROM' && is5xx(f),
  },
  {
    class: 'TRANSIENT',
    meaning: "The recipient's mailbox is full",
    when: (f) => f.detail === '2.2' && (f.command === 'RCPT TO' || f.command === 'DATA'),
    retryAfterMs: 8 * HOUR,
    maxAttempts: 3,
  },
  {
    class: 'POLICY',
    meaning: 'The mail server refused the recipient by its policy',
    when: (f) => f.command === 'RCPT TO' && is5xx(f) && f.detail.startsWith('7.'),
  },
  {
    class: 'RECIPIENT',
    meaning: 'The mail server does not know the recipient, or the mailbox is disabled',
    when: (f) =>
      f.command === 'RCPT TO' && (is5xx(f) || ['1.1', '1.2', '1.3', '1.6', '1.10', '2.1'].includes(f.detail)),
  },
  {
    class: 'CONTENT',
    meaning: 'The message is larger than the mail server takes',
    when: (f) => f.command === 'DATA' && is5xx(f) && (f.reply === 552 || ['3.4', '2.3'].includes(f.detail)),
  },
  {
    class: 'POLICY',
    meaning: 'The mail server refused the message by its policy (spam, DMARC)',
    when: (f) => f.command === 'DATA' && is5xx(f) && f.detail.startsWith('7.'),
  },
  { class: 'REFUSED', meaning: 'The mail server refused the message', when: is5xx },
  {
    class: 'TRANSIENT',
    meaning: 'The mail server asks to try again later (greylisting)',
    when: (f) => (f.reply === 450 || f.reply === 451) && (f.detail === '7.1' || /gr[ea]y-?\s?list/i.test(f.response)),
    retryAfterMs: 5 * MINUTE,
  },
  {
    class: 'THROTTLED',
    meaning: 'The mail server is busy or limits the rate',
    when: (f) => f.reply === 421 || f.reply === 454 || (is4xx(f) && ['7.28', '3.2'].includes(f.detail)),
    retryAfterMs: 2 * MINUTE,
  },
  {
    class: 'TRANSIENT',
    meaning: 'The mail server refused the message for now',
    when: (f) => is4xx(f) || f.reply === 503,
  },
  {
    class: 'NOT_SENT',
    meaning: 'The mail server could not be reached',
    when: (f) =>
      f.code === 'EDNS' ||
      (f.code === 'ESOCKET' && REFUSED_CONNECTION.includes(f.originalCode)) ||
      (f.code === 'ETIMEDOUT' && SETUP_TIMEOUTS.includes(f.timeoutType)),
  },
  {
    class: 'BUG',
    meaning: 'The message could not be handed to the mail server',
    when: (f) => BUG_CODES.includes(f.code) || (f.reply === 0 && (f.code === 'EMESSAGE' || f.code === 'EENVELOPE')),
  },
  {
    class: 'NOT_SENT',
    meaning: 'The connection to the mail server ended before the message was sent',
    when: (f) => !f.begun || f.code === 'EPROTOCOL',
  },
  {
    class: 'AMBIGUOUS',
    meaning: 'The connection to the mail server ended before it confirmed the message',
    when: () => true,
  },
];

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/** Reads the fields of Nodemailer's error by shape; anything else gives an empty fault. */
export function toSmtpFault(error: unknown, begun = true): SmtpFault {
  const fields = (typeof error === 'object' && error !== null ? error : {}) as Record<string, unknown>;
  const response = text(fields.response);
  return {
    code: text(fields.code),
    originalCode: text(fields.originalCode),
    command: text(fields.command),
    reply: typeof fields.responseCode === 'number' ? fields.responseCode : 0,
    detail: /\b[245]\.(\d{1,3}\.\d{1,3})\b/.exec(response)?.[1] ?? '',
    response,
    timeoutType: text(fields.timeoutType),
    begun,
  };
}

function vendorCodeOf(fault: SmtpFault): string {
  if (fault.reply === 0) return fault.originalCode || fault.timeoutType || fault.code || 'UNKNOWN';
  const enhanced = /\b[245]\.\d{1,3}\.\d{1,3}\b/.exec(fault.response)?.[0];
  return enhanced === undefined ? String(fault.reply) : `${String(fault.reply)} ${enhanced}`;
}

function describe(row: SmtpRow, fault: SmtpFault, address: string | undefined): string {
  const said = redact(fault.response, address === undefined ? [] : [address]);
  const command = fault.command === '' ? '' : `, ${fault.command}`;
  return `${row.meaning} (${vendorCodeOf(fault)}${command})${said === '' ? '.' : `: ${said}`}`;
}

/**
 * What a failed SMTP send means, by `SMTP_ROWS`.
 * @param error Nodemailer's error, read by shape
 * @param known `begun` false when not a byte of the message was sent; `address` of the recipient, so that it can be masked
 * @returns an error to throw. It does not carry the original as its cause: that one holds addresses.
 */
export function classifySmtpError(
  error: unknown,
  known: { begun?: boolean; address?: string } = {},
): SendRejectedError | SendDeferredError | SendAmbiguousError {
  const fault = toSmtpFault(error, known.begun);
  const row = SMTP_ROWS.find((candidate) => candidate.when(fault));
  if (row === undefined) throw new Error('SMTP_ROWS has no last row that always matches');
  const options = { vendorCode: vendorCodeOf(fault), vendorClass: row.class };
  const message = describe(row, fault, known.address);
  switch (row.class) {
    case 'RECIPIENT':
    case 'CONTENT':
    case 'POLICY':
    case 'REFUSED':
    case 'BUG':
      return new SendRejectedError(message, options);
    case 'AMBIGUOUS':
      return new SendAmbiguousError(message, options);
    default:
      return new SendDeferredError(message, {
        ...options,
        counts: row.class !== 'CONFIG' && row.class !== 'THROTTLED',
        ...(row.retryAfterMs === undefined ? {} : { retryAfterMs: row.retryAfterMs }),
        ...(row.maxAttempts === undefined ? {} : { maxAttempts: row.maxAttempts }),
      });
  }
}
