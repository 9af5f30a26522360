import type { Place } from './digits.js';

const LOCAL = /[\p{L}\p{N}._%+'~-]{1,64}$/u;
const DOMAIN = /^(?:[\p{L}\p{N}-]{1,63}\.){0,8}[\p{L}\p{N}-]{1,63}/u;

const DOT = '(?:dot|point|punkt|punto|ponto)';
const JOINT = `(?:${DOT}|underscore|dash|hyphen|minus|plus)`;
const AT = '(?:at|ät|arroba|arobase|chiocciola|[([]at[)\\]])';
/** `anna dot miller at example dot com`, as it is said. */
const SAID = new RegExp(
  `[\\p{L}\\p{N}_.-]{1,40}(?:\\s{1,3}${JOINT}\\s{1,3}[\\p{L}\\p{N}_-]{1,40}){0,6}\\s{1,3}${AT}\\s{1,3}` +
    `[\\p{L}\\p{N}-]{1,63}(?:(?:\\s{1,3}${DOT}\\s{1,3}|\\s{0,3}[([]dot[)\\]]\\s{0,3}|\\.)[\\p{L}\\p{N}-]{2,63}){1,4}`,
  'giu',
);

/** E-mail addresses, written or said. @param text readable, see `readable.ts` */
export function findEmails(text: string): Place[] {
  return [...written(text), ...[...text.matchAll(SAID)].map((found) => placeOf(found))];
}

/** From each `@` to both sides, so that the time grows with the length of the text only. */
function written(text: string): Place[] {
  const found: Place[] = [];
  for (let at = text.indexOf('@'); at >= 0; at = text.indexOf('@', at + 1)) {
    const local = LOCAL.exec(text.slice(Math.max(0, at - 64), at))?.[0];
    const domain = DOMAIN.exec(text.slice(at + 1, at + 600))?.[0];
    if (local !== undefined && domain !== undefined) {
      found.push({ start: at - local.length, end: at + 1 + domain.length });
    }
  }
  return found;
}

function placeOf({ 0: text, index }: RegExpExecArray): Place {
  return { start: index, end: index + text.length };
}
