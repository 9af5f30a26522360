import type { ByteReader } from '../byte-reader.js';
import type { JsonObject } from '../json.js';
import type { Failure, Transcript } from '../transcripts/transcript.js';

/** Injection tokens: the provider, its presets, and the function that makes a job's callback URL (a secret: never log it). */
export const PROVIDER = Symbol('PROVIDER');
export const PRESETS = Symbol('PRESETS');
export const CALLBACK_URL = Symbol('CALLBACK_URL');

/** Where the audio comes from. An upload is opened anew for each attempt: a stream cannot be sent twice. */
export type AudioSource =
  { kind: 'url'; url: string } | { kind: 'upload'; bytes: number; contentType: string; open(): Promise<ByteReader> };

export interface SubmitRequest {
  audio: AudioSource;
  /** Validated provider options; strings, numbers, booleans, or arrays of them for repeatable options. */
  options: JsonObject;
  /** With credentials in the URL: never log it. */
  callbackUrl: string;
  jobId: string;
}

/** Where a thread finds `parseCallback`. */
export interface ParserModule {
  /** Of a JavaScript module. */
  url: string;
  /** Name under which the module exports the function. */
  name: string;
}

/** What a callback body holds. `unreadable` and `streaming` are quarantined. */
export type CallbackResult =
  | { kind: 'transcript'; transcript: Transcript; requestId: string; callbackSecret?: string }
  | { kind: 'failure'; failure: Failure; requestId?: string }
  | { kind: 'unreadable'; reason: string };

/**
 * A speech-to-text vendor that runs jobs and calls back.
 *
 * - `submit` resolves when the vendor has taken the job. It rejects with ProviderRejectedError (the job fails) or
 *   ProviderUnavailableError (tried again), never with anything else, and no message holds a secret or the callback URL.
 * - `parseCallback` never throws, whatever the bytes. With `parser`, large bodies are read in a thread that loads the function from its
 *   module: it must need nothing but the bytes. Without, they are read where all else runs.
 */
export interface TranscriptionProvider {
  readonly name: string;
  /** False when no credentials are configured: jobs are kept `pending` and say so. */
  readonly configured: boolean;
  submit(request: SubmitRequest, signal: AbortSignal): Promise<{ requestId: string }>;
  parseCallback(bytes: Uint8Array): CallbackResult;
  readonly parser?: ParserModule;
}
