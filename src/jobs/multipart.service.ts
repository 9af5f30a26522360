import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Busboy, type BusboyFileStream, type BusboyInstance } from '@fastify/busboy';
import type { StoredBlob } from '../blobs/blob-store.js';
import { RequestInvalidError } from '../errors.js';

const REQUEST_BYTES = 256 * 1024;

export interface ReceivedUpload {
  blob: StoredBlob;
  contentType: string;
  name: string | undefined;
  /** Text of the `request` part; undefined without one. */
  request: string | undefined;
}

/**
 * Reads a multipart upload: a file part `audio` and a JSON part `request`, in either order. The file goes to `keep` as it comes.
 * @throws RequestInvalidError for other parts, a missing `audio`, two of them, or a broken body; what was kept is discarded
 */
export async function receiveMultipart(
  body: Readable,
  headers: IncomingHttpHeaders,
  store: { keep(audio: Readable): Promise<StoredBlob>; discard(blob: StoredBlob): Promise<void> },
): Promise<ReceivedUpload> {
  let kept:
    { file: BusboyFileStream; blob: Promise<StoredBlob>; contentType: string; name: string | undefined } | undefined;
  let request: string | undefined;
  const parser = parserOf(headers);
  const refuse = (message: string): void => {
    parser.destroy(new RequestInvalidError(message));
  };
  parser.on('file', (field: string, file: BusboyFileStream, name: string, _encoding: string, contentType: string) => {
    // Somebody has to listen when the body breaks off; `keep` rejects by itself.
    file.on('error', () => undefined);
    if (field === 'request') {
      readText(file).then((text) => (request = text), refuseBroken(refuse));
      return;
    }
    if (field !== 'audio' || kept) {
      file.resume();
      refuse(
        kept ? 'Send one audio file' : `Name the file part "audio" and the JSON part "request" (got another name)`,
      );
      return;
    }
    const blob = store.keep(file);
    kept = { file, blob, contentType, name: name === '' ? undefined : name };
    blob.catch((error: unknown) => parser.destroy(error instanceof Error ? error : new Error('keep')));
  });
  parser.on('field', (field: string, value: string, _fieldTruncated: boolean, valueTruncated: boolean) => {
    if (field !== 'request') refuse('Name the file part "audio" and the JSON part "request" (got another name)');
    else if (valueTruncated) refuse(`The request part is larger than ${String(REQUEST_BYTES)} bytes`);
    else request = value;
  });
  parser.on('partsLimit', () => {
    refuse('Send two parts: "request" and "audio"');
  });
  try {
    // The request stays open when a part is refused, so that the sender sees why.
    await pipeline(body.iterator({ destroyOnReturn: false }), parser);
    if (!kept) throw new RequestInvalidError('The part "audio" is missing');
    return { blob: await kept.blob, contentType: kept.contentType, name: kept.name, request };
  } catch (error) {
    // The parser does not end the part that it was in.
    kept?.file.destroy();
    await kept?.blob.then((blob) => store.discard(blob)).catch(() => undefined);
    if (error instanceof Error && 'code' in error && 'status' in error) throw error;
    throw new RequestInvalidError('The multipart body is broken', { cause: error });
  }
}

function parserOf(headers: IncomingHttpHeaders): BusboyInstance {
  try {
    return new Busboy({
      headers: { ...headers, 'content-type': headers['content-type'] ?? '' },
      limits: { fieldSize: REQUEST_BYTES, parts: 4, headerPairs: 50 },
    });
  } catch (error) {
    throw new RequestInvalidError('The Content-Type of a multipart body needs a boundary', { cause: error });
  }
}

async function readText(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > REQUEST_BYTES)
      throw new RequestInvalidError(`The request part is larger than ${String(REQUEST_BYTES)} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function refuseBroken(refuse: (message: string) => void) {
  return (error: unknown): void => {
    refuse(error instanceof RequestInvalidError ? error.message : 'The request part is broken');
  };
}
