/**
 * Every error that Herald raises on purpose, by stage: the stage decides what happens next (docs/errors.md lists the codes).
 * Expected outcomes (a duplicate callback, no rule matched) are values, not errors.
 */

/** One field of a request or a source text that is wrong, and how to mend it. */
export interface FieldError {
  /** JSON pointer into the body (`/options/diarize`), or the name of a query parameter, header or template part. */
  pointer: string;
  /** What is wrong and what would be right; never the value of a secret. */
  message: string;
  /** Position in a source text (condition, template), both from 1. */
  line?: number;
  column?: number;
  /** "did you mean": the nearest legal name. */
  suggestion?: string;
}

/** All codes, with the HTTP status they answer with (absent: never an answer to a request). docs/errors.md is tested against this table. */
export const ERROR_CODES = {
  CONFIG_INVALID: undefined,
  PLUGIN_INVALID: undefined,
  REQUEST_INVALID: 400,
  UNAUTHORIZED: 401,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  CONFLICT: 409,
  IDEMPOTENCY_CONFLICT: 409,
  GONE: 410,
  PRECONDITION_FAILED: 412,
  BODY_TOO_LARGE: 413,
  UNSUPPORTED_MEDIA_TYPE: 415,
  UNPROCESSABLE: 422,
  OPTION_INVALID: 422,
  RULE_INVALID: 422,
  TEMPLATE_INVALID: 422,
  RECIPIENT_INVALID: 422,
  PRECONDITION_REQUIRED: 428,
  RATE_LIMITED: 429,
  INTERNAL: 500,
  STORAGE_UNAVAILABLE: 503,
  RENDERER_UNAVAILABLE: 503,
  PROVIDER_REJECTED: undefined,
  PROVIDER_UNAVAILABLE: undefined,
  TEMPLATE_RENDER_FAILED: undefined,
  REDACTION_FAILED: 422,
  SEND_REJECTED: undefined,
  SEND_DEFERRED: undefined,
  SEND_AMBIGUOUS: undefined,
} as const satisfies Record<string, number | undefined>;

export type ErrorCode = keyof typeof ERROR_CODES;

export abstract class HeraldError extends Error {
  abstract readonly code: ErrorCode;
  /** Fields at fault, for problem+json `errors`. */
  readonly errors: FieldError[];

  constructor(message: string, options: { errors?: FieldError[]; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.errors = options.errors ?? [];
  }

  /** HTTP status of the answer; 500 for an error that should never have reached a request. */
  get status(): number {
    return ERROR_CODES[this.code] ?? 500;
  }
}

// ---- start ----

/** The process cannot start: every problem is listed, none shows a secret. */
export class ConfigError extends HeraldError {
  readonly code = 'CONFIG_INVALID';
}

/** Wiring is incomplete or contradictory (two channels of one name, a channel without a kind). */
export class PluginError extends HeraldError {
  readonly code = 'PLUGIN_INVALID';
}

// ---- request ----

/** Body, query or header is not of the form that the route takes. */
export class RequestInvalidError extends HeraldError {
  readonly code = 'REQUEST_INVALID';
}

export class UnauthorizedError extends HeraldError {
  readonly code = 'UNAUTHORIZED';
  /** Value of `WWW-Authenticate`. */
  readonly challenge: string;

  constructor(message: string, challenge = 'Bearer realm="herald"') {
    super(message);
    this.challenge = challenge;
  }
}

export class ForbiddenError extends HeraldError {
  readonly code = 'FORBIDDEN';
}

export class NotFoundError extends HeraldError {
  readonly code = 'NOT_FOUND';
}

/** The path exists, under other methods. */
export class MethodNotAllowedError extends HeraldError {
  readonly code = 'METHOD_NOT_ALLOWED';
  /** Methods of the path, for `Allow`. */
  readonly allow: readonly string[];

  constructor(message: string, allow: readonly string[]) {
    super(message);
    this.allow = allow;
  }
}

export class ConflictError extends HeraldError {
  readonly code = 'CONFLICT';
}

/** The Idempotency-Key was used before with another body. */
export class IdempotencyConflictError extends HeraldError {
  readonly code = 'IDEMPOTENCY_CONFLICT';
}

/** It was there, and was dropped by age. */
export class GoneError extends HeraldError {
  readonly code = 'GONE';
}

/** If-Match names a version that is no longer the current one. */
export class PreconditionFailedError extends HeraldError {
  readonly code = 'PRECONDITION_FAILED';
}

/** The route needs If-Match. */
export class PreconditionRequiredError extends HeraldError {
  readonly code = 'PRECONDITION_REQUIRED';
}

export class BodyTooLargeError extends HeraldError {
  readonly code = 'BODY_TOO_LARGE';
}

export class UnsupportedMediaTypeError extends HeraldError {
  readonly code = 'UNSUPPORTED_MEDIA_TYPE';
}

/** Well-formed, but it cannot be done as asked. */
export class UnprocessableError extends HeraldError {
  readonly code = 'UNPROCESSABLE';
}

/** A transcription option is unknown, of the wrong type, or refused; `suggestion` where a near name exists. */
export class OptionInvalidError extends HeraldError {
  readonly code = 'OPTION_INVALID';
}

export class RuleInvalidError extends HeraldError {
  readonly code = 'RULE_INVALID';
}

export class TemplateInvalidError extends HeraldError {
  readonly code = 'TEMPLATE_INVALID';
}

/** An address that is not exactly one recipient. Never carries the address itself in `message`: messages reach logs. */
export class RecipientInvalidError extends HeraldError {
  readonly code = 'RECIPIENT_INVALID';
}

export class RateLimitedError extends HeraldError {
  readonly code = 'RATE_LIMITED';
  readonly retryAfterMs: number;

  constructor(message: string, retryAfterMs: number) {
    super(message);
    this.retryAfterMs = retryAfterMs;
  }
}

/** Nothing was stored; the sender should try again. */
export class StorageUnavailableError extends HeraldError {
  readonly code = 'STORAGE_UNAVAILABLE';
  readonly retryAfterMs: number;

  constructor(message: string, options: { retryAfterMs?: number; cause?: unknown } = {}) {
    super(message, options);
    this.retryAfterMs = options.retryAfterMs ?? 5_000;
  }
}

// ---- submit ----

/** The provider refused the job for good: the job fails with the provider's own code and message. */
export class ProviderRejectedError extends HeraldError {
  readonly code = 'PROVIDER_REJECTED';
  readonly providerCode: string;
  readonly httpStatus: number | undefined;

  constructor(message: string, options: { providerCode: string; httpStatus?: number; cause?: unknown }) {
    super(message, options);
    this.providerCode = options.providerCode;
    this.httpStatus = options.httpStatus;
  }
}

/** The provider could not take the job now: it is submitted again later. */
export class ProviderUnavailableError extends HeraldError {
  readonly code = 'PROVIDER_UNAVAILABLE';
  readonly providerCode: string;
  readonly httpStatus: number | undefined;
  /** The provider's own wish, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  /** At most this many tries in all for this kind of fault (undefined: the policy's own number). */
  readonly maxAttempts: number | undefined;

  constructor(
    message: string,
    options: {
      providerCode: string;
      httpStatus?: number;
      retryAfterMs?: number;
      maxAttempts?: number;
      cause?: unknown;
    },
  ) {
    super(message, options);
    this.providerCode = options.providerCode;
    this.httpStatus = options.httpStatus;
    this.retryAfterMs = options.retryAfterMs;
    this.maxAttempts = options.maxAttempts;
  }
}

// ---- before send ----

/** The template could not be rendered within its budget, or a variable is missing. The delivery is dead until it is retried. */
export class TemplateRenderError extends HeraldError {
  readonly code = 'TEMPLATE_RENDER_FAILED';
}

/** The thread that renders did not start: nothing is wrong with the template, and a later try may go. */
export class RendererUnavailableError extends HeraldError {
  readonly code = 'RENDERER_UNAVAILABLE';
  readonly retryAfterMs = 5_000;
}

/** A redaction policy could not be applied. What it would have masked is not sent: the delivery is dead until it is retried. */
export class RedactionError extends HeraldError {
  readonly code = 'REDACTION_FAILED';
}

// ---- send ----

interface SendErrorOptions {
  /** The vendor's code, as text (`21610`, `550 5.1.1`, `ECONNREFUSED`). */
  vendorCode: string;
  /** Class of the classification table (`RECIPIENT`, `CONFIG`, `THROTTLED` …). */
  vendorClass: string;
  cause?: unknown;
}

abstract class SendError extends HeraldError {
  readonly vendorCode: string;
  readonly vendorClass: string;

  constructor(message: string, options: SendErrorOptions) {
    super(message, options);
    this.vendorCode = options.vendorCode;
    this.vendorClass = options.vendorClass;
  }
}

/** Refused for good: the delivery is dead (rejected). */
export class SendRejectedError extends SendError {
  readonly code = 'SEND_REJECTED';
}

/** Not sent, may be tried again. */
export class SendDeferredError extends SendError {
  readonly code = 'SEND_DEFERRED';
  readonly retryAfterMs: number | undefined;
  /** False for a fault of the account or the whole channel: the try is not held against this delivery. */
  readonly counts: boolean;
  /** At most this many tries in all for this kind of fault. */
  readonly maxAttempts: number | undefined;

  constructor(
    message: string,
    options: SendErrorOptions & { retryAfterMs?: number; counts?: boolean; maxAttempts?: number },
  ) {
    super(message, options);
    this.retryAfterMs = options.retryAfterMs;
    this.counts = options.counts ?? true;
    this.maxAttempts = options.maxAttempts;
  }
}

/** The bytes went out and no answer came: it may have been sent. */
export class SendAmbiguousError extends SendError {
  readonly code = 'SEND_AMBIGUOUS';
}
