import type { ServerResponse } from 'node:http';
import { Catch, HttpException, Injectable, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { HeraldError, MethodNotAllowedError, StorageUnavailableError, UnauthorizedError } from '../errors.js';
import { storageFaultOf } from '../database/storage-fault.js';
import { errorFields, Log } from '../log.service.js';
import { codeOfStatus, PROBLEM_TYPE, problemOf, STATUS_DETAILS, type Problem } from './problem.js';

interface Answer {
  problem: Problem;
  headers: Record<string, string>;
}

/** The one place where an error becomes an answer: Herald's own, Nest's, the HTTP server's, and those that nobody expected. */
@Catch()
@Injectable()
export class ProblemFilter implements ExceptionFilter {
  constructor(private readonly log: Log) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<FastifyRequest>();
    const reply = host.switchToHttp().getResponse<FastifyReply | ServerResponse>();
    const answer = toAnswer(error, request.id);
    const { status, code } = answer.problem;
    if (status >= 500) {
      const fields = { requestId: request.id, method: request.method, status, code, ...errorFields(error) };
      if (status === 503) this.log.warn('http.failed', fields);
      else this.log.error('http.failed', fields);
    }
    send(reply, answer);
  }
}

/** PostgreSQL on a NUL or broken character in a text, and in JSON. */
const UNSTORABLE = new Set(['22021', '22P05']);

/** @param requestId for support; the only thing that an unexpected error tells */
export function toAnswer(error: unknown, requestId: string): Answer {
  if (error instanceof HeraldError && error.status !== 500) {
    const { code, errors, message: detail } = error;
    return { problem: problemOf(code, { detail, requestId, errors }), headers: headersOf(error) };
  }
  if (UNSTORABLE.has(errorFields(error).errorCode ?? '')) {
    const detail = 'The request holds a character that cannot be stored: NUL, or half of a surrogate pair';
    return { problem: problemOf('REQUEST_INVALID', { detail, requestId }), headers: {} };
  }
  const status = statusOf(error);
  if (status !== undefined && status < 500) {
    const detail = STATUS_DETAILS[status];
    const problem = problemOf(codeOfStatus(status), { status, requestId, ...(detail !== undefined && { detail }) });
    return { problem, headers: {} };
  }
  if (storageFaultOf(error) !== undefined || status === 503) {
    return toAnswer(new StorageUnavailableError('The storage cannot be reached or written now: try again'), requestId);
  }
  const detail = 'The fault is in the server’s log under this request id';
  return { problem: problemOf('INTERNAL', { detail, requestId }), headers: {} };
}

function headersOf(error: HeraldError): Record<string, string> {
  if (error instanceof UnauthorizedError) return { 'www-authenticate': error.challenge };
  if (error instanceof MethodNotAllowedError) return { allow: error.allow.join(', ') };
  if ('retryAfterMs' in error && typeof error.retryAfterMs === 'number') {
    return { 'retry-after': String(Math.max(1, Math.ceil(error.retryAfterMs / 1_000))) };
  }
  return {};
}

/** The status that Nest or Fastify gave an error; their messages are not used. */
function statusOf(error: unknown): number | undefined {
  if (error instanceof HttpException) return error.getStatus();
  if (!(error instanceof Error)) return undefined;
  // A request that its sender broke off: Node gives it no status.
  if ('code' in error && error.code === 'ECONNRESET' && error.message === 'aborted') return 400;
  return 'statusCode' in error && typeof error.statusCode === 'number' && error.statusCode >= 400
    ? error.statusCode
    : undefined;
}

function send(reply: FastifyReply | ServerResponse, { problem, headers }: Answer): void {
  const raw = 'raw' in reply ? reply.raw : reply;
  if (raw.headersSent || raw.writableEnded) {
    // Half an answer is out: only breaking off tells the receiver that it is not whole.
    raw.destroy();
    return;
  }
  const body = JSON.stringify(problem);
  if ('raw' in reply) {
    void reply.code(problem.status).headers(headers).type(PROBLEM_TYPE).send(body);
  } else {
    reply.writeHead(problem.status, { ...headers, 'content-type': PROBLEM_TYPE }).end(body);
  }
}
