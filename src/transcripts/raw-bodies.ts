import type { Readable } from 'node:stream';

/** Injection token of {@link RawBodies}. */
export const RAW_BODIES = Symbol('RAW_BODIES');

/** Untouched callback bodies. Callbacks are above transcripts: whoever puts the application together provides it. */
export interface RawBodies {
  /** @returns undefined when there is no such callback (any more) */
  read(callbackId: string): Promise<RawBody | undefined>;
}

export interface RawBody {
  body: Buffer | Readable;
  /** As the provider sent it; undefined when it sent none. */
  contentType?: string | undefined;
  contentEncoding?: string | undefined;
}
