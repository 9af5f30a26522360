import { z } from 'zod';
import type { FieldError } from '../errors.js';
import { MINUTE } from '../duration.js';

/** Longer than a simulation may take. */
const PATIENCE_MS = 5 * MINUTE;
const PAGE = 200;
const LINES = 'application/x-ndjson';

const problem = z.object({
  code: z.string(),
  detail: z.string().optional(),
  title: z.string().optional(),
  errors: z
    .array(
      z.object({
        pointer: z.string(),
        message: z.string(),
        line: z.number().optional(),
        column: z.number().optional(),
        suggestion: z.string().optional(),
      }),
    )
    .optional(),
});

/** A running Herald did not do as it was asked, or cannot be reached. Its message is for people. */
export class HeraldRefusal extends Error {
  /** Of the answer; 0 when there was none. */
  readonly status: number;
  readonly errors: FieldError[];

  constructor(message: string, status = 0, errors: FieldError[] = []) {
    super(message);
    this.status = status;
    this.errors = errors;
  }
}

export interface AskOptions {
  body?: unknown;
  ifMatch?: string;
}

/** Asks a running Herald over its API. The key goes to that address only: redirects are not followed. */
export class HeraldClient {
  /** @param url without a slash at the end */
  constructor(
    readonly url: string,
    private readonly key: string,
  ) {}

  /** @throws HeraldRefusal for every answer that is none of success, and for one of another form than this version knows */
  async ask<T>(method: string, path: string, schema: z.ZodType<T>, { body, ifMatch }: AskOptions = {}): Promise<T> {
    const response = await this.send(method, path, body, ifMatch);
    const text = await response.text();
    const answer = jsonOf(text);
    if (!response.ok) throw refusalOf(response.status, answer);
    return known(`${method} ${path}`, schema, answer);
  }

  /**
   * The lines of an answer, as they come. @throws HeraldRefusal, also when the answer breaks off
   */
  async *lines<T>(path: string, schema: z.ZodType<T>, body: unknown): AsyncGenerator<T, void> {
    const response = await this.send('POST', path, body, undefined, LINES);
    if (!response.ok) throw refusalOf(response.status, jsonOf(await response.text()));
    const decoder = new TextDecoder();
    let rest = '';
    try {
      for await (const chunk of response.body ?? []) {
        const lines = (rest + decoder.decode(chunk as Uint8Array, { stream: true })).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) yield known(`POST ${path}`, schema, jsonOf(line));
      }
    } catch (error) {
      if (error instanceof HeraldRefusal) throw error;
      throw new HeraldRefusal(`the answer of POST ${path} broke off`);
    }
  }

  /** All items of a list, over its pages. */
  async all<T>(path: string, item: z.ZodType<T>): Promise<T[]> {
    const page = z.object({ items: z.array(item), nextCursor: z.string().optional() });
    const found: T[] = [];
    let cursor: string | undefined;
    do {
      const after = cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`;
      const { items, nextCursor } = await this.ask('GET', `${path}?limit=${String(PAGE)}${after}`, page);
      found.push(...items);
      cursor = nextCursor;
    } while (cursor !== undefined);
    return found;
  }

  private async send(
    method: string,
    path: string,
    body: unknown,
    ifMatch: string | undefined,
    accept = 'application/json',
  ): Promise<Response> {
    try {
      return await fetch(`${this.url}${path}`, {
        method,
        redirect: 'error',
        signal: AbortSignal.timeout(PATIENCE_MS),
        headers: {
          authorization: `Bearer ${this.key}`,
          accept,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(ifMatch === undefined ? {} : { 'if-match': ifMatch }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
    } catch (error) {
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
      const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'no answer';
      throw new HeraldRefusal(
        `Herald cannot be reached at ${this.url} (${code}): start it, or name another with --url`,
      );
    }
  }
}

function known<T>(asked: string, schema: z.ZodType<T>, answer: unknown): T {
  const parsed = schema.safeParse(answer);
  if (parsed.success) return parsed.data;
  const [first] = parsed.error.issues;
  throw new HeraldRefusal(
    `${asked} answered what this version does not know (${first?.path.join('.') ?? ''}: ${first?.message ?? ''}). ` +
      'Use the command of the version that the server runs.',
  );
}

function jsonOf(text: string): unknown {
  try {
    return text === '' ? undefined : (JSON.parse(text) as unknown);
  } catch {
    return undefined;
  }
}

function refusalOf(status: number, answer: unknown): HeraldRefusal {
  const parsed = problem.safeParse(answer);
  if (!parsed.success)
    return new HeraldRefusal(`the answer was ${String(status)}, and no Herald's: look at --url (HERALD_URL)`, status);
  const { detail, title, code, errors = [] } = parsed.data;
  if (status === 401 || status === 403)
    return new HeraldRefusal(
      'the key is not right, or may not do this: give one of scope admin in HERALD_ADMIN_KEY or --key',
      status,
    );
  return new HeraldRefusal(detail ?? title ?? code, status, errors);
}
