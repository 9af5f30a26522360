import { ProviderRejectedError, ProviderUnavailableError } from '../../errors.js';
import { isObject, parseJson } from '../../json.js';
import type { Failure } from '../../transcripts/transcript.js';
import { cleanText } from './deepgram-body.js';

/**
 * Reads an error body in any shape that Deepgram uses: `err_code`/`err_msg`, `error_code`, `category`/`message`/`details`.
 * @returns undefined when the value is none of them
 */
export function readError(body: unknown): Failure | undefined {
  if (!isObject(body)) return undefined;
  const code =
    field(body.err_code) ??
    field(body.error_code) ??
    (field(body.message) === undefined ? undefined : field(body.category));
  const message = field(body.err_msg) ?? (code === undefined ? undefined : field(body.message));
  if (code === undefined && message === undefined) return undefined;
  const details = field(body.details);
  const requestId = field(body.request_id);
  return {
    code: code ?? 'UNKNOWN',
    message: message ?? 'Deepgram gave no message.',
    ...(details === undefined ? {} : { details }),
    ...(requestId === undefined ? {} : { requestId }),
  };
}

/** What Deepgram said in its answer to a submit; a text that is no error body counts by its first characters. */
export function readErrorText(status: number, bodyText: string): Failure {
  let body: unknown;
  try {
    body = parseJson(bodyText);
  } catch {
    body = undefined;
  }
  const start = safeMessage(bodyText).slice(0, 200);
  return (
    readError(body) ?? { code: `HTTP_${String(status)}`, message: start === '' ? 'The answer has no body.' : start }
  );
}

interface Verdict {
  /** First and last status. */
  status: readonly [number, number];
  /** Deepgram's code, where one status means several things. */
  code?: string;
  retry: boolean;
  /** Tries in all for this fault. */
  maxAttempts?: number;
  /** What the operator can do, added to Deepgram's message. */
  mend?: string;
}

/** First row that fits decides. What no row names is refused for good. */
const VERDICTS: readonly Verdict[] = [
  { status: [300, 399], retry: false, mend: 'Redirects are not followed: set DEEPGRAM_BASE_URL to the final address.' },
  // reported as coming and going: Deepgram's fetch has short time limits
  { status: [400, 400], code: 'REMOTE_CONTENT_ERROR', retry: true, maxAttempts: 3 },
  { status: [401, 401], retry: false, mend: 'Check DEEPGRAM_API_KEY and its scopes.' },
  { status: [402, 402], retry: false, mend: 'The Deepgram project has no credit left.' },
  { status: [403, 403], retry: false, mend: 'The Deepgram project may not use what was asked for.' },
  { status: [408, 408], retry: true },
  { status: [429, 429], retry: true },
  { status: [499, 499], retry: true },
  // either a gateway, or the recording takes longer than Deepgram's ten minutes: that fails again, and costs again
  { status: [504, 504], retry: true, maxAttempts: 2 },
  { status: [500, 599], retry: true },
];

/**
 * @param status of an answer that is no 2xx; @param bodyText its first bytes
 * @param retryAfter the `Retry-After` header; @param now epoch milliseconds
 */
export function classifySubmit(
  status: number,
  bodyText: string,
  retryAfter: string | null | undefined,
  now: number,
): ProviderRejectedError | ProviderUnavailableError {
  const failure = readErrorText(status, bodyText);
  const verdict = VERDICTS.find(
    (row) =>
      status >= row.status[0] && status <= row.status[1] && (row.code === undefined || row.code === failure.code),
  );
  const message = [failure.message, failure.details, verdict?.mend].filter((part) => part !== undefined).join(' ');
  const options = { providerCode: failure.code, httpStatus: status };
  if (!verdict?.retry) return new ProviderRejectedError(message, options);
  const retryAfterMs = parseRetryAfter(retryAfter, now);
  return new ProviderUnavailableError(message, {
    ...options,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(verdict.maxAttempts === undefined ? {} : { maxAttempts: verdict.maxAttempts }),
  });
}

const LONGEST_WAIT = 24 * 60 * 60 * 1_000;

/** `Retry-After` in seconds or as an HTTP date, in milliseconds from `now`; never over a day, undefined when it is neither. */
export function parseRetryAfter(header: string | null | undefined, now: number): number | undefined {
  if (header === null || header === undefined || header.trim() === '') return undefined;
  const ms = /^\s*\d+(\.\d+)?\s*$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - now;
  return Number.isFinite(ms) ? Math.min(LONGEST_WAIT, Math.max(0, ms)) : undefined;
}

/**
 * A vendor's text fit for logs: one line, at most 500 characters, and of each URL only scheme and host. A vendor likes to quote the request,
 * and the request holds the callback's password and the audio's signature.
 */
export function safeMessage(text: string): string {
  return (
    cleanText(text.slice(0, 4_000))
      // also percent-encoded: that is how the callback stands in the request's query
      .replace(/\b(https?|wss?)%3a%2f%2f[^\s"'<>&]*/gi, '[address]')
      .replace(
        /\b([a-z][a-z0-9+.-]*:\/\/)(?:[^\s"'<>/?#]*@)?([^\s"'<>/?#@:]*(?::\d{1,5}(?!\d))?)[^\s"'<>]*/gi,
        '$1$2/…',
      )
      .replace(/\/\/[^\s"'<>/@]+@/g, '//')
      .replace(/\b(callback_secret)(\W{1,3}|%3a)[^\s"'&]+/gi, '$1:…')
      .replace(/\b(token|bearer|basic)\s+[\w.~+/=-]{8,}/gi, '$1 …')
      .replace(/\s+/g, ' ')
      .trim()
      .slice(0, 500)
  );
}

/** Non-empty text of a body's field, made safe; numbers count, objects do not. */
function field(value: unknown): string | undefined {
  if (typeof value !== 'string' && typeof value !== 'number') return undefined;
  const text = safeMessage(String(value));
  return text === '' ? undefined : text;
}
