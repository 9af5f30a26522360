import { Transform, type TransformCallback } from 'node:stream';

/** What a mail without attachments has at the most, many times over. */
const GATHERED_BYTES = 64 * 1024;

/**
 * Passes bytes on in few large pieces. A MIME stream comes line by line and part by part, and each piece would be a system call of its own, more than
 * ten for a short mail.
 */
export class Gather extends Transform {
  private pieces: Buffer[] = [];
  private bytes = 0;

  override _transform(piece: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.pieces.push(piece);
    this.bytes += piece.length;
    if (this.bytes >= GATHERED_BYTES) this.pass();
    done();
  }

  override _flush(done: TransformCallback): void {
    if (this.bytes > 0) this.pass();
    done();
  }

  private pass(): void {
    this.push(Buffer.concat(this.pieces, this.bytes));
    this.pieces = [];
    this.bytes = 0;
  }
}
