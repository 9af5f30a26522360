import { getCountries, parsePhoneNumberFromString } from 'libphonenumber-js/max';

/** Country of a telephone number as an ISO code (`DE`); undefined when none is known for it. */
export function countryOf(number: string): string | undefined {
  return parsePhoneNumberFromString(number, { extract: false })?.country;
}

/** ISO codes of a list such as `US, CA`; undefined when one of them is no country. */
export function parseCountries(text: string): string[] | undefined {
  const known = new Set<string>(getCountries());
  const codes = text.split(',').map((code) => code.trim().toUpperCase());
  return codes.every((code) => known.has(code)) ? [...new Set(codes)] : undefined;
}
