/**
 * Bytes in pieces, read as they are asked for; a Readable is one.
 *
 * A piece holds its bytes only until the next is asked for: whoever needs them longer copies them. So one buffer may serve for the whole, and a gigabyte
 * leaves no garbage behind.
 */
export interface ByteReader extends AsyncIterable<Uint8Array> {
  /** Lets go of what is read, wherever the reading stands; no error comes of it afterwards. A second call is none. */
  destroy(): unknown;
}
