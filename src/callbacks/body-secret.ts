import { isObject, JsonLimitError, parseJson } from '../json.js';
import { sameText } from './hook-credential.js';

const KEY = '"callback_secret"';
/** Places in one body that are looked at, and bytes of a value. */
const MOST_PLACES = 32;
const MOST_BYTES = 4_096;

/**
 * Whether the body is its own credential: `metadata.extra.callback_secret` is the password. Nobody who does not know the password makes
 * Herald parse a body: until the right value stands beside the key somewhere, bytes are only searched.
 */
export function holdsCallbackSecret(body: Buffer, password: string): boolean {
  if (!standsInIt(body, password)) return false;
  try {
    const parsed = parseJson(body.toString('utf8'));
    const metadata = isObject(parsed) ? parsed.metadata : undefined;
    const extra = isObject(metadata) ? metadata.extra : undefined;
    const secret = isObject(extra) ? extra.callback_secret : undefined;
    return typeof secret === 'string' && sameText(secret, password);
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof JsonLimitError) return false;
    throw error;
  }
}

function standsInIt(body: Buffer, password: string): boolean {
  let found = body.indexOf(KEY);
  for (let place = 0; found >= 0 && place < MOST_PLACES; place++) {
    const start = found + KEY.length;
    const text = body.subarray(start, start + MOST_BYTES).toString('utf8');
    const literal = /^\s*:\s*("(?:[^"\\]|\\.)*")/.exec(text)?.[1];
    if (literal !== undefined && sameText(unquoted(literal), password)) return true;
    found = body.indexOf(KEY, start);
  }
  return false;
}

function unquoted(literal: string): string {
  try {
    return String(JSON.parse(literal));
  } catch {
    return '';
  }
}
