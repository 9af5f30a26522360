const MAX_LENGTH = 160;
const ADDRESS = /[^\s<>"',;()]+@[^\s<>"',;()]+/g;
/** A run of five digits or more, with the separators people write in telephone numbers. Reply codes (`550 5.1.1`) are shorter. */
const NUMBER = /\+?\d(?:[ ()-]?\d){4,}/g;
const SPECIAL = /[.*+?^${}()|[\]\\]/g;

/**
 * A vendor's words made fit for a log: one line, at most 160 characters, addresses and telephone numbers masked.
 * @param known further texts to mask wherever they stand (the recipient's address: servers repeat its parts without an `@`)
 */
export function redact(text: string, known: string[] = []): string {
  let line = text
    // eslint-disable-next-line no-control-regex -- control characters are what is taken out
    .replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\s]+/g, ' ')
    .replace(ADDRESS, '[address]');
  for (const secret of known.flatMap((address) => [address, ...address.split('@')])) {
    // Most lines do not hold it, and to look costs less than an expression. In capitals nothing is missed that the expression would find.
    if (secret.length >= 3 && line.toUpperCase().includes(secret.toUpperCase()))
      line = line.replaceAll(new RegExp(secret.replace(SPECIAL, '\\$&'), 'gi'), '[address]');
  }
  line = line.replace(NUMBER, '[number]').trim();
  return line.length > MAX_LENGTH ? `${line.slice(0, MAX_LENGTH - 3)}...` : line;
}
