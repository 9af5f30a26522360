import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { Gather } from '../../src/channels/email/gather.service.js';

async function piecesOf(source: Uint8Array[]): Promise<Buffer[]> {
  const pieces: Buffer[] = [];
  for await (const piece of Readable.from(source).pipe(new Gather())) pieces.push(piece as Buffer);
  return pieces;
}

const cut = (bytes: Buffer, size: number): Buffer[] =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size));

describe('Gather', () => {
  it.each([
    ['a short mail', 3_000, 70, 1],
    ['one with attachments', 200_000, 1_000, 4],
    ['one in large pieces', 300_000, 100_000, 3],
    ['an empty one', 0, 1, 0],
  ])('passes %s on unchanged, in few pieces', async (_what, bytes, size, count) => {
    const content = randomBytes(bytes);
    const pieces = await piecesOf(cut(content, size));
    expect(Buffer.concat(pieces).equals(content)).toBe(true);
    expect(pieces.length).toBeLessThanOrEqual(count);
  });
});
