import type { Readable } from 'node:stream';
import { RequestTimeoutException } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { BodyTooLargeError, RequestInvalidError, UnsupportedMediaTypeError } from '../errors.js';
import { isObject, JsonLimitError, parseJson } from '../json.js';
import { bodyKind, mediaTypesOf, parseForm } from './body-kind.js';

/** For bodies that are read whole. Audio and callbacks are streamed, with limits of their own. */
export const MAX_BODY_BYTES = 1024 * 1024;
const MAX_DEPTH = 64;
/** A body that is read whole has to come within this time. */
const BODY_TIMEOUT_MS = 30_000;

/**
 * The one content type parser of the server; see {@link bodyKind} for what it does with which body.
 * @throws UnsupportedMediaTypeError, BodyTooLargeError, RequestInvalidError
 */
export async function parseBody(request: FastifyRequest, payload: Readable): Promise<unknown> {
  // There is nothing at the path; what was sent there is not worth reading.
  if (request.is404) return undefined;
  const { headers, method } = request;
  const route = request.routeOptions.url ?? '';
  const kind = bodyKind({ method, route, contentType: headers['content-type'] });
  const encoded = headers['content-encoding'] !== undefined && headers['content-encoding'] !== 'identity';
  if (encoded && !route.startsWith('/hook')) {
    throw new UnsupportedMediaTypeError('Send the body without Content-Encoding');
  }
  if (kind === 'stream') return payload;
  if (kind === 'unsupported') throw new UnsupportedMediaTypeError(`Send the body as ${mediaTypesOf(route)}`);
  const bytes = await readWhole(payload, Number(headers['content-length'] ?? 0));
  if (bytes.length === 0) return undefined;
  const text = decode(bytes);
  return kind === 'form' ? parseForm(text) : parse(text);
}

/** @param announced Content-Length: a body that says it is too large is refused before it is read */
async function readWhole(payload: Readable, announced: number): Promise<Buffer> {
  if (announced > MAX_BODY_BYTES) throw tooLarge();
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const settle = (outcome: () => void): void => {
      clearTimeout(timeout);
      payload.off('data', onData).off('end', onEnd).off('error', onError).off('close', onError);
      // Somebody has to listen when a sender breaks off after the outcome is known.
      payload.on('error', () => undefined);
      outcome();
    };
    const fail = (error: Error) => {
      settle(() => {
        reject(error);
      });
    };
    const onData = (chunk: Buffer): void => {
      size += chunk.length;
      if (size > MAX_BODY_BYTES) fail(tooLarge());
      else chunks.push(chunk);
    };
    const onEnd = (): void => {
      settle(() => {
        resolve(Buffer.concat(chunks, size));
      });
    };
    const onError = (): void => {
      fail(new RequestInvalidError('The body was broken off'));
    };
    const timeout = setTimeout(() => {
      fail(new RequestTimeoutException());
    }, BODY_TIMEOUT_MS);
    payload.on('data', onData).on('end', onEnd).on('error', onError).on('close', onError);
  });
}

function tooLarge(): BodyTooLargeError {
  return new BodyTooLargeError(`The body may have at most ${String(MAX_BODY_BYTES)} bytes`);
}

function decode(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new RequestInvalidError('The body is not valid UTF-8');
  }
}

function parse(text: string): unknown {
  const value = parsed(text);
  refusePrototypes(value);
  return value;
}

function parsed(text: string): unknown {
  try {
    return parseJson(text, MAX_DEPTH);
  } catch (error) {
    // The engine's own message quotes the text around the fault, so it is not passed on.
    const detail = error instanceof JsonLimitError ? error.message : 'The body is not valid JSON';
    throw new RequestInvalidError(detail);
  }
}

/** Names that would change what an object is, once it is copied. The depth is bounded before, so the walk may recurse. */
function refusePrototypes(value: unknown): void {
  if (Array.isArray(value)) value.forEach(refusePrototypes);
  if (!isObject(value)) return;
  const forbidden =
    Object.hasOwn(value, '__proto__') ||
    (Object.hasOwn(value, 'constructor') && isObject(value.constructor) && 'prototype' in value.constructor);
  if (forbidden) throw new RequestInvalidError('The body holds a forbidden name (__proto__ or constructor.prototype)');
  Object.values(value).forEach(refusePrototypes);
}
