import { describe, expect, it } from '@jest/globals';
import { classifySmtpError, SMTP_ROWS } from '../../src/channels/email/smtp-errors.js';
import { HOUR, MINUTE } from '../../src/duration.js';
import { SendAmbiguousError, SendDeferredError, SendRejectedError } from '../../src/errors.js';

interface Shape {
  code?: string;
  command?: string;
  responseCode?: number;
  response?: string;
  originalCode?: string;
  timeoutType?: string;
}

const reply = (code: string, command: string, response: string): Shape => ({
  code,
  command,
  responseCode: Number(response.slice(0, 3)),
  response,
});

const KINDS: Record<string, typeof SendRejectedError | typeof SendDeferredError | typeof SendAmbiguousError> = {
  RECIPIENT: SendRejectedError,
  CONTENT: SendRejectedError,
  POLICY: SendRejectedError,
  REFUSED: SendRejectedError,
  BUG: SendRejectedError,
  AMBIGUOUS: SendAmbiguousError,
};

/** Each row: what Nodemailer reports, the class, and the code that an attempt shows. */
const CASES: [string, Shape, string, string][] = [
  ['greeting 421', reply('EPROTOCOL', 'CONN', '421 4.3.2 shutting down'), 'THROTTLED', '421 4.3.2'],
  ['greeting 554', reply('EPROTOCOL', 'CONN', '554 no service for you'), 'CONFIG', '554'],
  ['EHLO 550', reply('EPROTOCOL', 'EHLO', '550 bad name'), 'CONFIG', '550'],
  ['AUTH 535', reply('EAUTH', 'AUTH PLAIN', '535 5.7.8 bad password'), 'CONFIG', '535 5.7.8'],
  ['AUTH 454', reply('EAUTH', 'AUTH PLAIN', '454 4.7.0 try later'), 'THROTTLED', '454 4.7.0'],
  ['AUTH 421', reply('EAUTH', 'AUTH PLAIN', '421 too many'), 'THROTTLED', '421'],
  ['530 without a login', reply('EENVELOPE', 'MAIL FROM', '530 5.7.0 authenticate first'), 'CONFIG', '530 5.7.0'],
  ['534', reply('EAUTH', 'AUTH PLAIN', '534 5.7.9 too weak'), 'CONFIG', '534 5.7.9'],
  ['538', reply('EAUTH', 'AUTH PLAIN', '538 5.7.11 encrypt'), 'CONFIG', '538 5.7.11'],
  ['x.7.11 with another reply', reply('EENVELOPE', 'MAIL FROM', '523 5.7.11 encrypt'), 'CONFIG', '523 5.7.11'],
  ['no credentials', { code: 'ENOAUTH', command: 'API' }, 'CONFIG', 'ENOAUTH'],
  ['OAuth2', { code: 'EOAUTH2' }, 'CONFIG', 'EOAUTH2'],
  ['ECONFIG', { code: 'ECONFIG' }, 'CONFIG', 'ECONFIG'],
  ['EPROXY', { code: 'EPROXY' }, 'CONFIG', 'EPROXY'],
  ['ETLS', { code: 'ETLS', command: 'CONN' }, 'CONFIG', 'ETLS'],
  ['EREQUIRETLS', { code: 'EREQUIRETLS' }, 'CONFIG', 'EREQUIRETLS'],
  [
    'port out of range',
    { code: 'ECONNECTION', originalCode: 'ERR_SOCKET_BAD_PORT', command: 'CONN' },
    'CONFIG',
    'ERR_SOCKET_BAD_PORT',
  ],
  ['MAIL FROM 550', reply('EENVELOPE', 'MAIL FROM', '550 5.1.8 sender domain'), 'CONFIG', '550 5.1.8'],
  ['MAIL FROM 553 5.1.7', reply('EENVELOPE', 'MAIL FROM', '553 5.1.7 bad sender'), 'CONFIG', '553 5.1.7'],
  ['MAIL FROM 550 5.7.1', reply('EENVELOPE', 'MAIL FROM', '550 5.7.1 not yours'), 'CONFIG', '550 5.7.1'],
  ['MAIL FROM 552 too big', reply('EENVELOPE', 'MAIL FROM', '552 5.3.4 too big'), 'CONTENT', '552 5.3.4'],
  ['MAIL FROM 451', reply('EENVELOPE', 'MAIL FROM', '451 4.3.0 later'), 'TRANSIENT', '451 4.3.0'],
  ['mailbox full 452', reply('EENVELOPE', 'RCPT TO', '452 4.2.2 full'), 'TRANSIENT', '452 4.2.2'],
  ['mailbox full as 552', reply('EENVELOPE', 'RCPT TO', '552 5.2.2 full'), 'TRANSIENT', '552 5.2.2'],
  ['RCPT 550', reply('EENVELOPE', 'RCPT TO', '550 5.1.1 no such user'), 'RECIPIENT', '550 5.1.1'],
  ['RCPT 550 without a detail', reply('EENVELOPE', 'RCPT TO', '550 no'), 'RECIPIENT', '550'],
  ['RCPT 556 null MX', reply('EENVELOPE', 'RCPT TO', '556 5.1.10 null MX'), 'RECIPIENT', '556 5.1.10'],
  ['RCPT 450 4.1.2', reply('EENVELOPE', 'RCPT TO', '450 4.1.2 no such host'), 'RECIPIENT', '450 4.1.2'],
  ['RCPT 550 5.2.1 disabled', reply('EENVELOPE', 'RCPT TO', '550 5.2.1 disabled'), 'RECIPIENT', '550 5.2.1'],
  ['RCPT 554 5.7.1 relaying denied', reply('EENVELOPE', 'RCPT TO', '554 5.7.1 relay denied'), 'POLICY', '554 5.7.1'],
  ['RCPT 450 greylisted', reply('EENVELOPE', 'RCPT TO', '450 4.7.1 come back'), 'TRANSIENT', '450 4.7.1'],
  ['RCPT 451 "greylisted"', reply('EENVELOPE', 'RCPT TO', '451 You are greylisted'), 'TRANSIENT', '451'],
  ['RCPT 450', reply('EENVELOPE', 'RCPT TO', '450 busy'), 'TRANSIENT', '450'],
  ['DATA 552', reply('EMESSAGE', 'DATA', '552 5.3.4 too big'), 'CONTENT', '552 5.3.4'],
  ['DATA 554 5.2.3', reply('EMESSAGE', 'DATA', '554 5.2.3 too long'), 'CONTENT', '554 5.2.3'],
  ['DATA 550 5.7.1 spam', reply('EMESSAGE', 'DATA', '550 5.7.1 spam'), 'POLICY', '550 5.7.1'],
  ['DATA 550 5.7.26 DMARC', reply('EMESSAGE', 'DATA', '550 5.7.26 DMARC'), 'POLICY', '550 5.7.26'],
  ['DATA 554', reply('EMESSAGE', 'DATA', '554 no'), 'REFUSED', '554'],
  ['DATA 452', reply('EMESSAGE', 'DATA', '452 4.3.1 disk full'), 'TRANSIENT', '452 4.3.1'],
  ['DATA 421', reply('EMESSAGE', 'DATA', '421 going down'), 'THROTTLED', '421'],
  ['SES 454', reply('EMESSAGE', 'DATA', '454 Throttling failure: rate exceeded'), 'THROTTLED', '454'],
  ['450 4.7.28 rate', reply('EMESSAGE', 'DATA', '450 4.7.28 unusual rate'), 'THROTTLED', '450 4.7.28'],
  ['450 4.3.2', reply('EMESSAGE', 'DATA', '450 4.3.2 not now'), 'THROTTLED', '450 4.3.2'],
  ['503', reply('EENVELOPE', 'MAIL FROM', '503 bad sequence'), 'TRANSIENT', '503'],
  ['EDNS', { code: 'EDNS', originalCode: 'ENOTFOUND', command: 'CONN' }, 'NOT_SENT', 'ENOTFOUND'],
  ['refused', { code: 'ESOCKET', originalCode: 'ECONNREFUSED', command: 'CONN' }, 'NOT_SENT', 'ECONNREFUSED'],
  ['connect time-out', { code: 'ETIMEDOUT', timeoutType: 'CONNECT_TIMEOUT' }, 'NOT_SENT', 'CONNECT_TIMEOUT'],
  ['greeting time-out', { code: 'ETIMEDOUT', timeoutType: 'GREETING_TIMEOUT' }, 'NOT_SENT', 'GREETING_TIMEOUT'],
  ['TLS time-out', { code: 'ETIMEDOUT', timeoutType: 'UPGRADE_TIMEOUT' }, 'NOT_SENT', 'UPGRADE_TIMEOUT'],
  ['nonsense for a greeting', { code: 'EPROTOCOL', command: 'CONN' }, 'NOT_SENT', 'EPROTOCOL'],
  ['cut', { code: 'ECONNECTION', command: 'CONN' }, 'AMBIGUOUS', 'ECONNECTION'],
  ['socket time-out', { code: 'ETIMEDOUT', timeoutType: 'SOCKET_TIMEOUT' }, 'AMBIGUOUS', 'SOCKET_TIMEOUT'],
  ['abort', { code: 'EABORT' }, 'AMBIGUOUS', 'EABORT'],
  ['reset', { code: 'ESOCKET', originalCode: 'ECONNRESET', command: 'CONN' }, 'AMBIGUOUS', 'ECONNRESET'],
  ['an error of another kind', {}, 'AMBIGUOUS', 'UNKNOWN'],
  ['EFILEACCESS', { code: 'EFILEACCESS' }, 'BUG', 'EFILEACCESS'],
  ['EURLACCESS', { code: 'EURLACCESS' }, 'BUG', 'EURLACCESS'],
  ['EMAXRECIPIENTS', { code: 'EMAXRECIPIENTS' }, 'BUG', 'EMAXRECIPIENTS'],
  ['EMESSAGE without a reply', { code: 'EMESSAGE', command: 'API' }, 'BUG', 'EMESSAGE'],
  ['EENVELOPE without a reply', { code: 'EENVELOPE', command: 'API' }, 'BUG', 'EENVELOPE'],
];

describe('classifySmtpError', () => {
  it.each(CASES)('reads %s (P1, P2)', (_name, shape, vendorClass, vendorCode) => {
    const error = classifySmtpError(shape);
    expect({ vendorClass: error.vendorClass, vendorCode: error.vendorCode }).toEqual({ vendorClass, vendorCode });
    expect(error).toBeInstanceOf(KINDS[vendorClass] ?? SendDeferredError);
  });

  it('has a case for every row of the table', () => {
    const used = CASES.map(([, shape]) => classifySmtpError(shape).message);
    const unused = SMTP_ROWS.filter((row) => !used.some((message) => message.startsWith(row.meaning)));
    expect(unused).toEqual([]);
  });

  it('knows a cut, a time-out and an abort before the first byte as not sent', () => {
    for (const shape of [
      { code: 'ECONNECTION' },
      { code: 'ETIMEDOUT', timeoutType: 'SOCKET_TIMEOUT' },
      { code: 'EABORT' },
    ]) {
      const error = classifySmtpError(shape, { begun: false });
      expect(error).toBeInstanceOf(SendDeferredError);
      expect(error.vendorClass).toBe('NOT_SENT');
    }
  });

  it('holds faults of the account and of the rate against no delivery, the others against it', () => {
    const counts = (shape: Shape) => (classifySmtpError(shape) as SendDeferredError).counts;
    expect(counts(reply('EAUTH', 'AUTH PLAIN', '535 no'))).toBe(false);
    expect(counts(reply('EMESSAGE', 'DATA', '421 slow down'))).toBe(false);
    expect(counts(reply('EENVELOPE', 'RCPT TO', '450 busy'))).toBe(true);
    expect(counts({ code: 'EDNS' })).toBe(true);
  });

  it('tries a full mailbox three times over a day, and a greylisted one after five minutes', () => {
    expect(classifySmtpError(reply('EENVELOPE', 'RCPT TO', '552 5.2.2 full'))).toMatchObject({
      retryAfterMs: 8 * HOUR,
      maxAttempts: 3,
    });
    expect(classifySmtpError(reply('EENVELOPE', 'RCPT TO', '451 4.7.1 greylisted'))).toMatchObject({
      retryAfterMs: 5 * MINUTE,
      maxAttempts: undefined,
    });
  });

  it("shows the server's words on one line, without address, number or cause", () => {
    const shape = {
      ...reply(
        'EENVELOPE',
        'RCPT TO',
        '550-5.1.1 <canary.user@x.example>:\r\n550 5.1.1 canary.user unknown, call +1 415 555 2671',
      ),
      recipient: 'canary.user@x.example',
    };
    const error = classifySmtpError(shape, { address: 'canary.user@x.example' });
    expect(error.message).toMatch(/550 5\.1\.1/);
    expect(error.message).toMatch(/unknown/);
    expect(error.message).not.toMatch(/canary|x\.example|415|\n/);
    expect(error.cause).toBeUndefined();
  });
});
