import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open, type FileHandle, readdir, readFile, rename, stat, unlink } from 'node:fs/promises';
import path from 'node:path';
import { Transform, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ByteReader } from '../byte-reader.js';
import { BodyTooLargeError, NotFoundError } from '../errors.js';
import type { BlobStore, StoredBlob } from './blob-store.js';

/** Keys as this store makes them; anything else never reaches the file system. */
const KEY = /^(audio|callback)-[0-9a-f-]{36}$/;

const PIECE_BYTES = 256 * 1024;

/** Blobs as files under one directory: written under a temporary name, synced, renamed, and the directory synced. */
export class FsBlobStore implements BlobStore {
  constructor(private readonly directory: string) {}

  async put(source: Readable, options: { maxBytes: number; prefix: 'audio' | 'callback' }): Promise<StoredBlob> {
    // It may break before the pipeline below listens: an error that nobody hears ends the process. The pipeline rejects with it all the same.
    source.on('error', () => undefined);
    await mkdir(this.directory, { recursive: true });
    const key = `${options.prefix}-${randomUUID()}`;
    const target = path.join(this.directory, key);
    const temporary = `${target}.part`;
    const hash = createHash('sha256');
    let bytes = 0;
    const meter = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        bytes += chunk.length;
        if (bytes > options.maxBytes) {
          done(new BodyTooLargeError(`The body is larger than ${String(options.maxBytes)} bytes`));
          return;
        }
        hash.update(chunk);
        done(null, chunk);
      },
    });
    try {
      // Opened first: a stream that breaks at once would else be cleaned up before it has made its file.
      const file = await open(temporary, 'wx', 0o600);
      // `flush`: the file is synced before it is closed, and the pipeline ends with the close.
      await pipeline(source, meter, file.createWriteStream({ flush: true }));
      await rename(temporary, target);
      await syncDirectory(this.directory);
    } catch (error) {
      await unlink(temporary).catch(() => undefined);
      throw error;
    }
    return { key, bytes, sha256: hash.digest('hex') };
  }

  async open(key: string): Promise<ByteReader> {
    return new FileReader(await open(this.file(key)).catch(notFound));
  }

  async read(key: string): Promise<Buffer> {
    return readFile(this.file(key)).catch(notFound);
  }

  async delete(key: string): Promise<void> {
    if (!KEY.test(key)) return;
    await unlink(this.file(key)).catch((error: unknown) => {
      if (!isMissing(error)) throw error;
    });
  }

  async sweep(kept: ReadonlySet<string>, olderThanMs: number, now: number): Promise<number> {
    let swept = 0;
    for (const name of await readdir(this.directory).catch(() => [])) {
      if (kept.has(name)) continue;
      const file = path.join(this.directory, name);
      const { mtimeMs } = await stat(file).catch(() => ({ mtimeMs: now }));
      if (now - mtimeMs < olderThanMs) continue;
      await unlink(file).catch(() => undefined);
      swept++;
    }
    return swept;
  }

  private file(key: string): string {
    if (!KEY.test(key)) throw new NotFoundError('There is no such blob');
    return path.join(this.directory, key);
  }
}

/** Reads a file through one buffer. */
class FileReader implements ByteReader {
  constructor(private readonly file: FileHandle) {}

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    const piece = Buffer.allocUnsafeSlow(PIECE_BYTES);
    for (;;) {
      const { bytesRead } = await this.file.read(piece, 0, piece.length, null);
      if (bytesRead === 0) return;
      yield piece.subarray(0, bytesRead);
    }
  }

  /** A read that is under way ends first. */
  destroy(): void {
    this.file.close().catch(() => undefined);
  }
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function notFound(error: unknown): never {
  if (isMissing(error)) throw new NotFoundError('There is no such blob', { cause: error });
  throw error;
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
