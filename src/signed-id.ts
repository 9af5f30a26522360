import { createHmac, timingSafeEqual } from 'node:crypto';
import { isUuid } from './ids.js';

const ID_BYTES = 16;
const MAC_BYTES = 8;
/** 24 bytes in base64url: no padding, and each text stands for exactly one value. */
const TOKEN = /^[A-Za-z0-9_-]{32}$/;

/**
 * An id and its MAC, 32 characters, because an SMS pays for each. The 8 bytes of MAC stand against guessing, which has to be done online.
 * @param purpose what the token opens; one of another purpose is refused
 * @param id UUID
 */
export function signId(purpose: string, id: string, secret: string): string {
  const bytes = Buffer.from(id.replaceAll('-', ''), 'hex');
  return Buffer.concat([bytes, mac(purpose, id, secret)]).toString('base64url');
}

/** @returns the id that the token was made for; undefined for every other text, after the same work */
export function readSignedId(purpose: string, token: string, secret: string): string | undefined {
  if (!TOKEN.test(token)) return undefined;
  const bytes = Buffer.from(token, 'base64url');
  const hex = bytes.subarray(0, ID_BYTES).toString('hex');
  const id = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
  return timingSafeEqual(bytes.subarray(ID_BYTES), mac(purpose, id, secret)) && isUuid(id) ? id : undefined;
}

function mac(purpose: string, id: string, secret: string): Buffer {
  return createHmac('sha256', secret).update(`${purpose}:${id}`).digest().subarray(0, MAC_BYTES);
}
