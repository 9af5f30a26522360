import { createHmac, timingSafeEqual } from 'node:crypto';
import { isUuid } from '../ids.js';

/** Injection token of the secret (text) under which links are signed. */
export const LINK_SECRET = Symbol('LINK_SECRET');

const ID_BYTES = 16;
const MAC_BYTES = 8;
/** 24 bytes in base64url: no padding, and each text stands for exactly one value. */
const TOKEN = /^[A-Za-z0-9_-]{32}$/;

/**
 * The last part of `/t/TOKEN`, the transcript page that messages link to: 32 characters, because an SMS pays for each. Whoever has the
 * link may read the transcript; the 8 bytes of MAC stand against guessing, which has to be done online.
 * @param jobId UUID
 */
export function makeLinkToken(jobId: string, secret: string): string {
  const id = Buffer.from(jobId.replaceAll('-', ''), 'hex');
  return Buffer.concat([id, mac(jobId, secret)]).toString('base64url');
}

/** @returns the job that the token was made for; undefined for every other text, after the same work */
export function readLinkToken(token: string, secret: string): string | undefined {
  if (!TOKEN.test(token)) return undefined;
  const bytes = Buffer.from(token, 'base64url');
  const hex = bytes.subarray(0, ID_BYTES).toString('hex');
  const jobId = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
  return timingSafeEqual(bytes.subarray(ID_BYTES), mac(jobId, secret)) && isUuid(jobId) ? jobId : undefined;
}

function mac(jobId: string, secret: string): Buffer {
  return createHmac('sha256', secret).update(`link:${jobId}`).digest().subarray(0, MAC_BYTES);
}
