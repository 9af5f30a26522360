import { OptionInvalidError } from '../errors.js';
import { optionsFromQuery } from '../providers/deepgram/deepgram-options.js';

/** What the query of a raw upload asks for. */
export interface RawRequest {
  options: ReturnType<typeof optionsFromQuery>;
  preset?: string;
  tags: Record<string, string>;
}

/**
 * Splits the query of `POST /v1/jobs` with a raw body: `preset=`, `tag.NAME=value`, and everything else as an option of Deepgram's,
 * named and repeated as on `/v1/listen`.
 */
export function parseRawQuery(query: Record<string, string | string[]>): RawRequest {
  const options: Record<string, string | string[]> = {};
  const tags: Record<string, string> = {};
  let preset: string | undefined;
  for (const [name, value] of Object.entries(query)) {
    if (name.startsWith('tag.')) tags[name.slice(4)] = single(name, value);
    else if (name === 'preset') preset = single(name, value);
    else options[name] = value;
  }
  return { options: optionsFromQuery(options), tags, ...(preset === undefined ? {} : { preset }) };
}

function single(name: string, value: string | string[]): string {
  if (typeof value === 'string') return value;
  throw new OptionInvalidError(`${name} was given ${String(value.length)} times`, {
    errors: [{ pointer: name, message: 'give it once' }],
  });
}
