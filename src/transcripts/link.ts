import { readSignedId, signId } from '../signed-id.js';

/** Injection token of the secret (text) under which links are signed. */
export const LINK_SECRET = Symbol('LINK_SECRET');

/**
 * The last part of `/t/TOKEN`, the transcript page that messages link to. Whoever has the link may read the transcript.
 * @param jobId UUID
 */
export function makeLinkToken(jobId: string, secret: string): string {
  return signId('link', jobId, secret);
}

/** @returns the job that the token was made for; undefined for every other text, after the same work */
export function readLinkToken(token: string, secret: string): string | undefined {
  return readSignedId('link', token, secret);
}
