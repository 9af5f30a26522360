/**
 * What happens to a request body, by route and content type, in one place:
 * - `stream`: the untouched stream is `request.body`; nothing has been read, and no limit but the route's own counts
 * - `json`, `form`: read whole (bounded) and parsed
 * - `unsupported`: 415
 */
export type BodyKind = 'stream' | 'json' | 'form' | 'unsupported';

export interface BodyHead {
  method: string;
  /** Pattern of the route (`/hook/:jobId`), never the URL: an encoded path must not choose another treatment. */
  route: string;
  /** Content-Type as it came. */
  contentType: string | undefined;
}

export function bodyKind({ method, route, contentType }: BodyHead): BodyKind {
  if (isUnder(route, '/hook')) return 'stream';
  const type = mediaType(contentType);
  if (method === 'POST' && route === '/v1/jobs' && AUDIO.test(type)) return 'stream';
  if (FORMS.some((prefix) => isUnder(route, prefix)) && type === 'application/x-www-form-urlencoded') return 'form';
  return JSON_TYPE.test(type) && isUtf8(contentType) ? 'json' : 'unsupported';
}

/** What a route takes, for people whose client sent something else. */
export function mediaTypesOf(route: string): string {
  if (route === '/v1/jobs') {
    return 'application/json, or audio as audio/*, video/*, application/octet-stream or multipart/form-data';
  }
  if (FORMS.some((prefix) => isUnder(route, prefix))) return 'application/x-www-form-urlencoded';
  return 'application/json in UTF-8';
}

/** What Twilio posts, and the button of the page that acknowledges. */
const FORMS = ['/reports', '/inbound', '/a'];
const AUDIO = /^(audio\/.+|video\/.+|application\/octet-stream|multipart\/form-data)$/;
const JSON_TYPE = /^application\/(json|[\w.-]+\+json)$/;

function isUnder(route: string, prefix: string): boolean {
  return route === prefix || route.startsWith(`${prefix}/`);
}

function mediaType(contentType: string | undefined): string {
  return (contentType ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
}

/** JSON on the wire is UTF-8; another charset would be read as nonsense. */
function isUtf8(contentType: string | undefined): boolean {
  const charset = /;\s*charset\s*=\s*"?([^";\s]+)/i.exec(contentType ?? '')?.[1];
  return charset === undefined || /^(utf-?8|us-ascii)$/i.test(charset);
}

/** A header that the server would refuse before any route could take the body. */
export function isMediaType(contentType: string): boolean {
  return /^\s*[\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+\s*(;.*)?$/.test(contentType);
}

/** Form fields flat, untrimmed, in order of first appearance; of a repeated name the last value counts, `__proto__` is a name like any other. */
export function parseForm(text: string): Record<string, string> {
  const fields = Object.create(null) as Record<string, string>;
  for (const [name, value] of new URLSearchParams(text)) fields[name] = value;
  return fields;
}
