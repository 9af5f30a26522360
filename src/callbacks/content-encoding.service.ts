import { Readable, Writable, type Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';

/** The raw bytes were compressed in a way that cannot be undone, or grow beyond the limit. */
export class BodyUnreadableError extends Error {}

const DECODERS: Record<string, () => Transform> = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
};

/**
 * Undoes a content encoding. Twice: what the bytes come to is counted first and nothing of it kept, so that what grows beyond the
 * limit costs no memory.
 * @throws BodyUnreadableError for an unknown or broken encoding, or more than `maxBytes`
 */
export async function decodeBody(raw: Buffer, contentEncoding: string | null, maxBytes: number): Promise<Buffer> {
  const encoding = (contentEncoding ?? '').trim().toLowerCase();
  if (encoding === '' || encoding === 'identity') return raw;
  const decoder = Object.hasOwn(DECODERS, encoding) ? DECODERS[encoding] : undefined;
  if (!decoder) throw new BodyUnreadableError('The content encoding is unknown; known are gzip, deflate and br');
  try {
    let bytes = 0;
    await decode(raw, decoder(), (chunk) => {
      bytes += chunk.length;
      if (bytes > maxBytes) throw new RangeError('too large');
    });
    const body = Buffer.allocUnsafeSlow(bytes);
    let at = 0;
    await decode(raw, decoder(), (chunk) => {
      at += chunk.copy(body, at);
    });
    return body;
  } catch (error) {
    const message = `The body is not readable as ${encoding}, or grows over ${String(maxBytes)} bytes`;
    throw new BodyUnreadableError(message, { cause: error });
  }
}

function decode(raw: Buffer, decoder: Transform, take: (chunk: Buffer) => void): Promise<void> {
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      try {
        take(chunk);
        done();
      } catch (error) {
        done(error as Error);
      }
    },
  });
  return pipeline(Readable.from([raw], { objectMode: false }), decoder, sink);
}
