import { AssertionError } from 'node:assert';
import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { mkdtemp, mkdir, readdir, readFile, readlink, rm, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { types } from 'node:util';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { BlobStore, StoredBlob } from '../../src/blobs/blob-store.js';
import { FsBlobStore } from '../../src/blobs/fs.blob-store.service.js';
import { BodyTooLargeError } from '../../src/errors.js';
import { type BlobStoreHarness, blobStoreCases } from './blob-store.contract.js';

// Jest runs a suite in a realm of its own: errors of node:fs are Errors of the other one, and `instanceof` would miss them.
const ownInstance = Function.prototype[Symbol.hasInstance];
Object.defineProperty(Error, Symbol.hasInstance, {
  value(this: unknown, error: unknown) {
    return ownInstance.call(this as typeof Error, error) || (this === Error && types.isNativeError(error));
  },
});

const roots: string[] = [];
afterEach(async () => {
  for (const root of roots.splice(0)) await rm(root, { recursive: true, force: true });
});

/** How many descriptors of this process point to the blob. */
async function opened(key: string): Promise<number> {
  const links = (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => ''));
  return (await Promise.all(links)).filter((target) => target.endsWith(key)).length;
}

const OUTSIDE = 'what the store must not touch';

async function harness(make: (directory: string) => BlobStore): Promise<BlobStoreHarness> {
  const root = await mkdtemp(path.join(tmpdir(), 'herald-blobs-'));
  roots.push(root);
  const directory = path.join(root, 'blobs');
  const outside = path.join(root, 'outside.txt');
  await writeFile(outside, OUTSIDE);
  return {
    store: make(directory),
    held: async () => Array.from(await readdir(directory).catch(() => [])),
    outside: {
      key: '../outside.txt',
      untouched: () =>
        readFile(outside, 'utf8').then(
          (text) => text === OUTSIDE,
          () => false,
        ),
    },
  };
}

describe('FsBlobStore', () => {
  it.each(blobStoreCases)('$name', async ({ run }) => {
    await expect(run(await harness((directory) => new FsBlobStore(directory)))).resolves.toBeUndefined();
  });

  (existsSync('/proc/self/fd') ? it : it.skip)('closes the file of a reader that is destroyed unread', async () => {
    const { store } = await harness((directory) => new FsBlobStore(directory));
    const { key } = await store.put(Readable.from([Buffer.from('unread')]), { maxBytes: 10, prefix: 'audio' });
    const readers = [await store.open(key), await store.open(key)];
    expect(await opened(key)).toBe(2);
    for (const reader of readers) reader.destroy();
    for (let i = 0; i < 100 && (await opened(key)) > 0; i++) await new Promise((resolve) => setTimeout(resolve, 10));
    expect(await opened(key)).toBe(0);
  });
});

type PutOptions = Parameters<BlobStore['put']>[1];

/** Writes under the final name, and leaves it there when the source breaks. */
class Hasty extends FsBlobStore {
  constructor(private readonly at: string) {
    super(at);
  }

  override async put(source: Readable, options: PutOptions): Promise<StoredBlob> {
    await mkdir(this.at, { recursive: true });
    const key = `${options.prefix}-${randomUUID()}`;
    const hash = createHash('sha256');
    let bytes = 0;
    await pipeline(
      source,
      async function* (chunks: AsyncIterable<Buffer>) {
        for await (const chunk of chunks) {
          bytes += chunk.length;
          if (bytes > options.maxBytes) throw new BodyTooLargeError('too large');
          hash.update(chunk);
          yield chunk;
        }
      },
      createWriteStream(path.join(this.at, key)),
    );
    return { key, bytes, sha256: hash.digest('hex') };
  }
}

/** Collects the body before it writes it. */
class Hoarding extends FsBlobStore {
  override async put(source: Readable, options: PutOptions): Promise<StoredBlob> {
    const chunks: Buffer[] = [];
    for await (const chunk of source) chunks.push(chunk as Buffer);
    return super.put(Readable.from(chunks), options);
  }
}

/** Makes a path of any key. */
class Trusting extends FsBlobStore {
  constructor(private readonly at: string) {
    super(at);
  }

  override open(key: string): Promise<Readable> {
    return Promise.resolve(createReadStream(path.join(this.at, key)));
  }

  override read(key: string): Promise<Buffer> {
    return readFile(path.join(this.at, key));
  }

  override delete(key: string): Promise<void> {
    return unlink(path.join(this.at, key));
  }
}

/** Sweeps by age alone. */
class Forgetful extends FsBlobStore {
  override sweep(_kept: ReadonlySet<string>, olderThanMs: number, now: number): Promise<number> {
    return super.sweep(new Set(), olderThanMs, now);
  }
}

describe('the contract of blob stores', () => {
  it.each([
    ['hasty', 'shows nothing of a blob until it is whole', Hasty],
    ['hasty', 'refuses a body over maxBytes and leaves nothing of it', Hasty],
    ['hasty', 'rejects with the error of a source that breaks and leaves nothing of it', Hasty],
    ['hoarding', 'needs no more memory for 50 MiB than for 1', Hoarding],
    ['trusting', 'reaches nothing outside itself through a key with ../', Trusting],
    ['forgetful', 'sweeps what is old and not kept, and nothing else', Forgetful],
  ] as const)('fails the %s store at "%s"', async (_description, name, Broken) => {
    const broken = blobStoreCases.find((each) => each.name === name);
    await expect(broken?.run(await harness((directory) => new Broken(directory)))).rejects.toBeInstanceOf(
      AssertionError,
    );
  });
});
