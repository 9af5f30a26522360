import type { Readable } from 'node:stream';
import type { ByteReader } from '../byte-reader.js';

/** Injection token of the {@link BlobStore}. */
export const BLOBS = Symbol('BLOBS');

export interface StoredBlob {
  key: string;
  bytes: number;
  /** Hex. */
  sha256: string;
}

/**
 * Bytes too large for a row: audio until it is transcribed, callback bodies over 1 MiB. Contract, checked by `blobStoreContract`:
 *
 * - `put` resolves only when the bytes are on disk (file and directory synced); a blob is whole or absent, never half.
 * - `put` rejects with BodyTooLargeError over `maxBytes`, and with the stream's own error when it breaks; both leave nothing behind.
 * - `open` rejects with NotFoundError for an unknown key; `delete` of one is no error.
 * - Memory does not grow with the size of the blob.
 */
export interface BlobStore {
  put(source: Readable, options: { maxBytes: number; prefix: 'audio' | 'callback' }): Promise<StoredBlob>;
  /** Who opens it destroys it. */
  open(key: string): Promise<ByteReader>;
  /** Whole content; for callback bodies only. */
  read(key: string): Promise<Buffer>;
  delete(key: string): Promise<void>;
  /**
   * Deletes what nobody needs: blobs and half-written files older than `olderThanMs` whose key is not in `kept`.
   * @returns how many
   */
  sweep(kept: ReadonlySet<string>, olderThanMs: number, now: number): Promise<number>;
}
