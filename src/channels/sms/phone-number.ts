import { parsePhoneNumberWithError, ParseError, type PhoneNumber } from 'libphonenumber-js/max';
import { RecipientInvalidError } from '../../errors.js';
import type { Recipient } from '../channel.js';

/** Digits and what people write between them. A letter is none of these: `ext. 5` and `+1 800 FLOWERS` are refused. */
const WRITTEN = /^[+\d\s().\u2010-\u2015/-]+$/;

const MENDS: Record<string, string> = {
  INVALID_COUNTRY: 'does not begin with a country code that exists; write it like +44 7911 123456',
  NOT_A_NUMBER: 'is not a telephone number; write it like +44 7911 123456',
  TOO_SHORT: 'is too short',
  TOO_LONG: 'is too long',
  INVALID_LENGTH: 'has a length that no number of its country has',
};

const TYPE_WARNINGS: Partial<Record<string, string>> = {
  FIXED_LINE: 'This looks like a landline, which may not take text messages.',
  TOLL_FREE: 'This looks like a toll-free number, which may not take text messages.',
};

function refuse(what: string): never {
  const message = `The telephone number ${what}.`;
  throw new RecipientInvalidError(message, { errors: [{ pointer: '', message }] });
}

function checkWritten(text: string): void {
  if (/[\r\n\p{Cc}\p{Cf}\u2028\u2029]/u.test(text)) refuse('contains a line break, control or invisible character');
  if (/[,;]/.test(text))
    refuse('contains a comma or semicolon; give one number for each recipient, without an extension');
  if (/\d\s*(?:ext|extension|x|#)\.?\s*\d/i.test(text)) refuse('has an extension, which a text message cannot reach');
  if (!text.startsWith('+')) refuse('has no country code; write it like +44 7911 123456');
  if (!WRITTEN.test(text)) refuse('contains something other than digits, blanks, dots, dashes and brackets');
}

function parse(text: string): PhoneNumber {
  try {
    return parsePhoneNumberWithError(text, { extract: false });
  } catch (error) {
    if (error instanceof ParseError) return refuse(MENDS[error.message] ?? 'is not a telephone number');
    throw error;
  }
}

function warningsFor(number: PhoneNumber): string[] {
  if (!number.isValid()) return ['No operator is known to use this range of numbers.'];
  const warning = TYPE_WARNINGS[number.getType() ?? ''];
  return warning === undefined ? [] : [warning];
}

/**
 * Exactly one telephone number with its country code, as E.164. A number that is possible but looks unused, a landline or toll-free
 * number comes back with a warning, not an error: the ranges change more often than the table here.
 * @throws RecipientInvalidError saying what is wrong, never repeating the number
 */
export function parsePhoneNumber(text: string): Recipient {
  const written = text.replace(/^ +| +$/g, '').replace(/^\uff0b/, '+');
  checkWritten(written);
  const number = parse(written);
  if (number.ext !== undefined) refuse('has an extension, which a text message cannot reach');
  if (!number.isPossible()) refuse(MENDS.INVALID_LENGTH ?? '');
  const warnings = warningsFor(number);
  return warnings.length === 0 ? { address: number.number } : { address: number.number, warnings };
}

/**
 * Keeps messages to the countries on a list, and away from numbers that cost the sender.
 * @param address E.164; @param countries ISO codes
 * @throws RecipientInvalidError that names the option, never the number
 */
export function requireCountry(address: string, countries: readonly string[]): void {
  const number = parse(address);
  const { country } = number;
  if (country === undefined) refuse('belongs to no country that is known, and HERALD_SMS_COUNTRIES does not allow all');
  if (!countries.includes(country)) {
    refuse(`is of another country (${country}) than HERALD_SMS_COUNTRIES allows (${countries.join(', ')})`);
  }
  if (number.getType() === 'PREMIUM_RATE')
    refuse('is a premium-rate number, which HERALD_SMS_COUNTRIES=all alone allows');
}
