import assert from 'node:assert/strict';
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { ByteReader } from '../../src/byte-reader.js';
import type { BlobStore, StoredBlob } from '../../src/blobs/blob-store.js';
import { BodyTooLargeError, NotFoundError } from '../../src/errors.js';

/** A fresh, empty store for one case. */
export interface BlobStoreHarness {
  store: BlobStore;
  /** Names of everything that the store keeps, half-written blobs included. */
  held: () => Promise<string[]>;
  /** Something beside the store that a key with `../` would reach. */
  outside: { key: string; untouched: () => Promise<boolean> };
}

export interface BlobStoreCase {
  name: string;
  run: (harness: BlobStoreHarness) => Promise<void>;
}

const AUDIO = { maxBytes: 1024 * 1024, prefix: 'audio' } as const;
const MIB = 1024 * 1024;
const HOUR = 3_600_000;

const bodyOf = (text: string): Readable => Readable.from([Buffer.from(text)]);

async function contentOf(source: ByteReader): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of source) pieces.push(Buffer.from(piece));
  source.destroy();
  return Buffer.concat(pieces);
}

/** A source that has given its first bytes and waits; `put` of it is in the middle of its work. */
async function halfPut({ store, held }: BlobStoreHarness) {
  const source = new Readable({ read: () => undefined });
  source.push(Buffer.alloc(MIB / 2, 'a'));
  const putting = store.put(source, AUDIO);
  putting.catch(() => undefined);
  for (let i = 0; i < 1_000 && (await held()).length === 0; i++) await new Promise((resolve) => setTimeout(resolve, 5));
  return { source, putting };
}

async function assertUnknown(store: BlobStore, key: string): Promise<void> {
  await assert.rejects(() => store.read(key), NotFoundError);
  await assert.rejects(() => store.open(key), NotFoundError);
}

/** Memory that is in use, not yet-to-be-collected: what the process would need at least. */
function liveBytes(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** What Herald relies on in every blob store. Each case takes a fresh harness; a failure is an AssertionError. */
export const blobStoreCases: readonly BlobStoreCase[] = [
  {
    name: 'gives back what was put, whole and as a stream',
    async run({ store }) {
      const { key } = await store.put(Readable.from([Buffer.from('one '), Buffer.from('two')]), AUDIO);
      assert.equal((await store.read(key)).toString(), 'one two');
      assert.equal((await contentOf(await store.open(key))).toString(), 'one two');
    },
  },
  {
    name: 'tells the number of bytes and the SHA-256 of what was put',
    async run({ store }) {
      const bytes = Buffer.from('Grüße');
      const stored = await store.put(Readable.from([bytes]), AUDIO);
      assert.equal(stored.bytes, bytes.length);
      assert.equal(stored.sha256, createHash('sha256').update(bytes).digest('hex'));
    },
  },
  {
    name: 'takes an empty body',
    async run({ store }) {
      const stored = await store.put(Readable.from([]), AUDIO);
      assert.equal(stored.bytes, 0);
      assert.equal((await store.read(stored.key)).length, 0);
    },
  },
  {
    name: 'keeps equal bodies apart, each under a key of its own that begins with the prefix',
    async run({ store }) {
      const first = await store.put(bodyOf('same'), AUDIO);
      const second = await store.put(bodyOf('same'), { ...AUDIO, prefix: 'callback' });
      assert.notEqual(first.key, second.key);
      assert.match(first.key, /^audio/);
      assert.match(second.key, /^callback/);
      await store.delete(first.key);
      assert.equal((await store.read(second.key)).toString(), 'same');
    },
  },
  {
    name: 'takes exactly maxBytes',
    async run({ store }) {
      const stored = await store.put(bodyOf('12345'), { ...AUDIO, maxBytes: 5 });
      assert.equal(stored.bytes, 5);
    },
  },
  {
    name: 'refuses a body over maxBytes and leaves nothing of it',
    async run({ store, held }) {
      await assert.rejects(
        () => store.put(Readable.from([Buffer.from('12345'), Buffer.from('6')]), { ...AUDIO, maxBytes: 5 }),
        BodyTooLargeError,
      );
      assert.deepEqual(await held(), []);
    },
  },
  {
    name: 'rejects with the error of a source that breaks and leaves nothing of it',
    async run(harness) {
      const { source, putting } = await halfPut(harness);
      const broken = new Error('the connection was cut');
      source.destroy(broken);
      await assert.rejects(
        () => putting,
        (error) => error === broken,
      );
      assert.deepEqual(await harness.held(), []);
    },
  },
  {
    name: 'rejects with the error of a source that breaks at once, and leaves nothing of it',
    async run({ store, held }) {
      const source = new Readable({ read: () => undefined });
      source.push('half of it');
      const broken = new Error('the connection was cut');
      const putting = store.put(source, AUDIO);
      putting.catch(() => undefined);
      source.destroy(broken);
      await assert.rejects(
        () => putting,
        (error) => error === broken,
      );
      assert.deepEqual(await held(), []);
    },
  },
  {
    name: 'rejects a source that ends early without an error and leaves nothing of it',
    async run(harness) {
      const { source, putting } = await halfPut(harness);
      source.destroy();
      await assert.rejects(() => putting);
      assert.deepEqual(await harness.held(), []);
    },
  },
  {
    name: 'shows nothing of a blob until it is whole',
    async run(harness) {
      const { source, putting } = await halfPut(harness);
      for (const name of await harness.held()) await assertUnknown(harness.store, name);
      source.push(null);
      const { key } = await putting;
      assert.deepEqual(await harness.held(), [key]);
      assert.equal((await harness.store.read(key)).length, MIB / 2);
    },
  },
  {
    name: 'takes many blobs at once without mixing them',
    async run({ store }) {
      const texts = Array.from({ length: 20 }, (_, i) => `body ${String(i)} `.repeat(1_000));
      const stored = await Promise.all(texts.map((text) => store.put(bodyOf(text), AUDIO)));
      for (const [i, { key }] of stored.entries()) assert.equal((await store.read(key)).toString(), texts[i]);
    },
  },
  {
    name: 'gives a blob of many pieces to several readers at once, whole and in order',
    async run({ store }) {
      const bytes = randomBytes(3 * MIB + 1);
      const { key } = await store.put(Readable.from([bytes]), { ...AUDIO, maxBytes: 4 * MIB });
      const readers = await Promise.all([store.open(key), store.open(key), store.open(key)]);
      for (const content of await Promise.all(readers.map(contentOf))) assert.ok(content.equals(bytes), 'other bytes');
    },
  },
  {
    name: 'lets go of a blob that is not read to its end, or not at all, and is told so twice',
    async run({ store }) {
      const { key } = await store.put(bodyOf('unread'), AUDIO);
      const unread = await store.open(key);
      const begun = await store.open(key);
      for await (const piece of begun) {
        assert.equal(Buffer.from(piece).toString(), 'unread');
        break;
      }
      for (const reader of [unread, begun, unread, begun]) reader.destroy();
      await store.delete(key);
      await assertUnknown(store, key);
    },
  },
  {
    name: 'deletes a blob, and an unknown one without an error',
    async run({ store, held }) {
      const { key } = await store.put(bodyOf('gone'), AUDIO);
      await store.delete(key);
      await store.delete(key);
      assert.deepEqual(await held(), []);
    },
  },
  {
    name: 'answers NotFoundError for an unknown key',
    async run({ store }) {
      await assertUnknown(store, `audio-${randomUUID()}`);
      const { key } = await store.put(bodyOf('gone'), AUDIO);
      await store.delete(key);
      await assertUnknown(store, key);
    },
  },
  {
    name: 'reaches nothing outside itself through a key with ../',
    async run({ store, outside }) {
      await store.put(bodyOf('present'), AUDIO);
      await assertUnknown(store, outside.key);
      // Whether it tells or ignores that there is no such blob is its own affair.
      await store.delete(outside.key).catch(() => undefined);
      assert.ok(await outside.untouched());
    },
  },
  {
    name: 'sweeps what is old and not kept, and nothing else',
    async run({ store, held }) {
      const [kept, unwanted] = await Promise.all(['kept', 'unwanted'].map((text) => store.put(bodyOf(text), AUDIO)));
      assert.ok(kept && unwanted);
      assert.equal(await store.sweep(new Set([kept.key]), HOUR, Date.now()), 0);
      assert.equal((await held()).length, 2);
      assert.equal(await store.sweep(new Set([kept.key]), HOUR, Date.now() + 2 * HOUR), 1);
      assert.deepEqual(await held(), [kept.key]);
      await assertUnknown(store, unwanted.key);
    },
  },
  {
    name: 'sweeps a half-written blob once it is old, and not before',
    async run(harness) {
      const { source, putting } = await halfPut(harness);
      const started = await harness.held();
      assert.equal(await harness.store.sweep(new Set(), HOUR, Date.now()), 0);
      assert.deepEqual(await harness.held(), started);
      await harness.store.sweep(new Set(), HOUR, Date.now() + 2 * HOUR);
      assert.deepEqual(await harness.held(), []);
      source.destroy(new Error('the process was killed'));
      await assert.rejects(() => putting);
    },
  },
  {
    name: 'sweeps an empty store without an error',
    async run({ store }) {
      assert.equal(await store.sweep(new Set(), 0, Date.now() + HOUR), 0);
    },
  },
  {
    name: 'needs no more memory for 50 MiB than for 1',
    async run({ store }) {
      const before = liveBytes();
      let peak = before;
      function* chunks(): Generator<Buffer> {
        for (let i = 1; i <= 50; i++) {
          yield Buffer.alloc(MIB, i);
          if (i % 10 === 0) peak = Math.max(peak, liveBytes());
        }
      }
      const stored: StoredBlob = await store.put(Readable.from(chunks()), { ...AUDIO, maxBytes: 64 * MIB });
      peak = Math.max(peak, liveBytes());
      assert.equal(stored.bytes, 50 * MIB);
      assert.ok(peak - before < 25 * MIB, `${String(Math.round((peak - before) / MIB))} MiB were held at once`);
    },
  },
];
