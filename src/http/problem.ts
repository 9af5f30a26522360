import { ERROR_CODES, type ErrorCode, type FieldError } from '../errors.js';

/** An RFC 9457 problem. */
export interface Problem {
  /** Path of the code's description, relative to this server. */
  type: string;
  /** The code in words; the same for every occurrence. */
  title: string;
  status: number;
  code: ErrorCode;
  /** This occurrence. Never a value, a path, a statement or a stack. */
  detail?: string;
  requestId?: string;
  errors?: FieldError[];
}

export const PROBLEM_TYPE = 'application/problem+json';

/** Titles of the codes, and the page at /docs/errors. */
export const ERROR_TITLES: Record<ErrorCode, string> = {
  CONFIG_INVALID: 'The configuration is wrong',
  PLUGIN_INVALID: 'A plugin is wired wrongly',
  REQUEST_INVALID: 'The request is not of the form that the route takes',
  UNAUTHORIZED: 'No credential, or not a right one',
  FORBIDDEN: 'The key may not do this',
  NOT_FOUND: 'There is nothing of this name',
  METHOD_NOT_ALLOWED: 'The path exists under other methods',
  CONFLICT: 'The state of the resource does not allow it',
  IDEMPOTENCY_CONFLICT: 'The Idempotency-Key was used with another body',
  GONE: 'It is not kept any more',
  PRECONDITION_FAILED: 'Somebody changed it meanwhile',
  BODY_TOO_LARGE: 'The body is too large',
  UNSUPPORTED_MEDIA_TYPE: 'The route does not take this Content-Type',
  UNPROCESSABLE: 'Well-formed, but it cannot be done as asked',
  OPTION_INVALID: 'A transcription option is not right',
  RULE_INVALID: 'The rule is not right',
  TEMPLATE_INVALID: 'The template is not right',
  RECIPIENT_INVALID: 'A recipient is not exactly one valid address',
  PRECONDITION_REQUIRED: 'The route needs If-Match',
  RATE_LIMITED: 'Too many requests',
  INTERNAL: 'Herald failed',
  STORAGE_UNAVAILABLE: 'Nothing was stored: try again',
  RENDERER_UNAVAILABLE: 'Templates cannot be rendered now: try again',
  PROVIDER_REJECTED: 'The transcription provider refused the job',
  PROVIDER_UNAVAILABLE: 'The transcription provider could not take the job now',
  TEMPLATE_RENDER_FAILED: 'The template could not be rendered',
  REDACTION_FAILED: 'The redaction policy could not be applied',
  SEND_REJECTED: 'The channel refused the message',
  SEND_DEFERRED: 'The channel could not take the message now',
  SEND_AMBIGUOUS: 'The message may have been sent',
};

/** @param status where it is not the code's own (408, 414 and 431 are told as REQUEST_INVALID) */
export function problemOf(
  code: ErrorCode,
  options: { status?: number; detail?: string; requestId?: string; errors?: FieldError[] } = {},
): Problem {
  const { status = ERROR_CODES[code] ?? 500, detail, requestId, errors = [] } = options;
  return {
    type: `/docs/errors#${code}`,
    title: ERROR_TITLES[code],
    status,
    code,
    ...(detail !== undefined && { detail }),
    ...(requestId !== undefined && { requestId }),
    ...(errors.length > 0 && { errors }),
  };
}

/** The code that tells an HTTP status which did not come from Herald's own errors. */
export function codeOfStatus(status: number): ErrorCode {
  const own = CODE_OF_STATUS[status];
  if (own) return own;
  return status >= 400 && status < 500 ? 'REQUEST_INVALID' : 'INTERNAL';
}

const CODE_OF_STATUS: Partial<Record<number, ErrorCode>> = {
  401: 'UNAUTHORIZED',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
  405: 'METHOD_NOT_ALLOWED',
  409: 'CONFLICT',
  412: 'PRECONDITION_FAILED',
  413: 'BODY_TOO_LARGE',
  415: 'UNSUPPORTED_MEDIA_TYPE',
  422: 'UNPROCESSABLE',
  428: 'PRECONDITION_REQUIRED',
  429: 'RATE_LIMITED',
  503: 'STORAGE_UNAVAILABLE',
};

/** What happened, for errors of the server and of Nest: their own messages repeat paths and values, so they are not shown. */
export const STATUS_DETAILS: Partial<Record<number, string>> = {
  400: 'The request could not be read: check its path, its headers and its body',
  404: 'There is nothing at this path; /docs lists all of them',
  408: 'The request did not come in time',
  413: 'The body is larger than this route takes',
  414: 'The path is too long',
  415: 'Send a Content-Type that this route takes; /docs lists them',
  431: 'The headers are too large',
};

/** A page that the `type` of each problem leads to. */
export function errorsPage(): string {
  const rows = (Object.keys(ERROR_TITLES) as ErrorCode[])
    .map(
      (code) =>
        `<tr id="${code}"><td>${code}</td><td>${String(ERROR_CODES[code] ?? '')}</td><td>${ERROR_TITLES[code]}</td></tr>`,
    )
    .join('\n');
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>Herald: error codes</title>
<h1>Error codes</h1>
<table><tr><th>code</th><th>status</th><th>meaning</th></tr>
${rows}
</table></html>`;
}
