import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { BlobStore } from '../blobs/blob-store.js';
import { BodyTooLargeError, RequestInvalidError } from '../errors.js';

/** Bodies up to this size are kept in the row; larger ones go to the blob store as they arrive. */
export const INLINE_BYTES = 1024 * 1024;

export interface ReceivedBody {
  bytes: number;
  /** Hex. */
  sha256: string;
  body: Buffer | undefined;
  blobKey: string | undefined;
}

/**
 * Takes a request's body without ever holding more than 1 MiB of it.
 * @param declared the Content-Length, when there is one: too large is refused before a byte is read
 * @throws BodyTooLargeError over `maxBytes`; RequestInvalidError when the sender breaks off
 */
export async function receiveBody(
  source: Readable,
  options: { declared: number | undefined; maxBytes: number; blobs: BlobStore },
): Promise<ReceivedBody> {
  if (options.declared !== undefined && options.declared > options.maxBytes) throw tooLarge(options.maxBytes);
  const head = await readHead(source, Math.min(INLINE_BYTES, options.maxBytes));
  if (head.ended) {
    const body = head.chunks.length === 1 && head.chunks[0] ? head.chunks[0] : Buffer.concat(head.chunks);
    return { bytes: body.length, sha256: createHash('sha256').update(body).digest('hex'), body, blobKey: undefined };
  }
  if (options.maxBytes <= INLINE_BYTES) throw tooLarge(options.maxBytes);
  const whole = Readable.from(rejoin(head.chunks, source), { objectMode: false });
  const blob = await options.blobs
    .put(whole, { maxBytes: options.maxBytes, prefix: 'callback' })
    .catch((error: unknown) => {
      throw error instanceof BodyTooLargeError ? tooLarge(options.maxBytes) : error;
    });
  return { bytes: blob.bytes, sha256: blob.sha256, body: undefined, blobKey: blob.key };
}

function readHead(source: Readable, limit: number): Promise<{ chunks: Buffer[]; ended: boolean }> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const stop = (): void => {
      source.off('data', onData).off('end', onEnd).off('error', onBroken).off('close', onBroken);
    };
    const onData = (chunk: Buffer): void => {
      chunks.push(chunk);
      size += chunk.length;
      if (size <= limit) return;
      source.pause();
      stop();
      resolve({ chunks, ended: false });
    };
    const onEnd = (): void => {
      stop();
      resolve({ chunks, ended: true });
    };
    const onBroken = (): void => {
      stop();
      reject(new RequestInvalidError('The body broke off before its end'));
    };
    source.on('data', onData).on('end', onEnd).on('error', onBroken).on('close', onBroken);
  });
}

/** Leaves the request open when the reader gives up: ending it would cut the connection before the sender has seen why. */
async function* rejoin(chunks: Buffer[], rest: Readable): AsyncGenerator<Buffer> {
  yield* chunks;
  yield* rest.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
}

function tooLarge(maxBytes: number): BodyTooLargeError {
  return new BodyTooLargeError(
    `The callback is larger than HERALD_MAX_CALLBACK_BYTES (${String(maxBytes)} bytes). Raise it, or the transcript is lost`,
  );
}
