import { domainToASCII } from 'node:url';
import validator from 'validator';
import { RecipientInvalidError } from '../../errors.js';
import type { Recipient } from '../channel.js';

const MAX_LOCAL = 64;
const MAX_DOMAIN = 253;
const MAX_ADDRESS = 254;

/** What an address must not hold, most telling first; `what` completes "The e-mail address ...". */
const REFUSED: readonly { pattern: RegExp; what: string }[] = [
  { pattern: /[\r\n]/, what: 'contains a line break' },
  { pattern: /[\u2028\u2029]/, what: 'contains a Unicode line separator' },
  { pattern: /\p{Cc}/u, what: 'contains a control character' },
  {
    pattern: /[\p{Cf}\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0]/u,
    what: 'contains a zero-width or invisible character',
  },
  { pattern: /\p{Cs}/u, what: 'contains a broken character (half a surrogate pair)' },
  { pattern: /[,;]/, what: 'contains a comma or semicolon; give one address for each recipient' },
  { pattern: /"/, what: 'contains a quote; quoted names before the @ are not supported' },
  { pattern: /[<>]/, what: 'contains an angle bracket; give the bare address, without a display name' },
  { pattern: /[()]/, what: 'contains a comment in parentheses' },
  { pattern: /:/, what: 'contains a colon; groups, routes and mailto: are not supported' },
  { pattern: /\s/, what: 'contains white space' },
  { pattern: /[[\]]/, what: 'has an IP address in brackets instead of a domain name' },
  { pattern: /[\uff00-\uffef]/, what: 'contains full-width or half-width look-alike characters' },
];

function refuse(what: string): never {
  const message = `The e-mail address ${what}.`;
  throw new RecipientInvalidError(message, { errors: [{ pointer: '', message }] });
}

function splitAddress(text: string): { local: string; domain: string } {
  const at = text.lastIndexOf('@');
  if (at < 0) refuse('has no @ and no domain; write it like name@example.com');
  const local = text.slice(0, at);
  const domain = text.slice(at + 1);
  if (local === '') refuse('has nothing before the @');
  if (domain === '') refuse('has no domain after the @');
  if (local.includes('@')) refuse('contains more than one @');
  return { local, domain };
}

function asciiDomain(domain: string): string {
  if (domain.normalize('NFKC') !== domain.normalize('NFC')) refuse('contains look-alike characters in its domain');
  const ascii = domainToASCII(domain).toLowerCase();
  if (ascii === '') refuse('has a domain that is not a valid name');
  return ascii;
}

function checkLengths(local: string, domain: string): void {
  if (local.length > MAX_LOCAL) refuse(`has more than ${String(MAX_LOCAL)} characters before the @`);
  if (domain.length > MAX_DOMAIN) refuse(`has a domain of more than ${String(MAX_DOMAIN)} characters`);
  if (local.length + 1 + domain.length > MAX_ADDRESS) refuse(`is longer than ${String(MAX_ADDRESS)} characters`);
}

function normalise(text: string, requireTld: boolean): string {
  for (const { pattern, what } of REFUSED) if (pattern.test(text)) refuse(what);
  const { local, domain } = splitAddress(text);
  if (/[^\x20-\x7e]/.test(local)) refuse('has letters outside ASCII before the @, which many mail servers refuse');
  const ascii = asciiDomain(domain);
  checkLengths(local, ascii);
  const address = `${local}@${ascii}`;
  if (requireTld && !ascii.includes('.')) refuse('has a domain without a dot; write it like name@example.com');
  if (!validator.isEmail(address, { allow_utf8_local_part: false, require_tld: requireTld })) {
    refuse('is not a valid address; write it like name@example.com');
  }
  return address;
}

/**
 * Exactly one e-mail address, safe to put in an envelope and a header. Blanks around it are dropped; the domain comes back
 * lower-cased and in ASCII (punycode), the part before the @ as it was given.
 * @throws RecipientInvalidError saying what is wrong, never repeating the address
 */
export function parseEmailAddress(text: string): Recipient {
  return { address: normalise(text.replace(/^ +| +$/g, ''), true) };
}

/** Sender of our own mail. */
export interface Mailbox {
  address: string;
  name?: string;
  /** The part after the @. */
  domain: string;
}

/**
 * `a@b.co`, `<a@b.co>` or `Name <a@b.co>`, as MAIL_FROM holds it. Unlike a recipient it may have a domain without a dot (`herald@localhost`).
 * @throws RecipientInvalidError
 */
export function parseMailbox(text: string): Mailbox {
  const parts = /^\s*(?:"?([^"<>]*?)"?\s*)<([^<>]*)>\s*$/.exec(text);
  const name = parts?.[1]?.trim() ?? '';
  if (/\p{Cc}/u.test(name)) refuse('has a control character in its display name');
  const address = normalise(parts?.[2] ?? text.trim(), false);
  const domain = address.slice(address.lastIndexOf('@') + 1);
  return name === '' ? { address, domain } : { address, name, domain };
}
