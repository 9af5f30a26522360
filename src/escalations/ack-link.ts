import { readSignedId, signId } from '../signed-id.js';

/**
 * The last part of `/a/TOKEN`, the page on which the recipient of one delivery acknowledges what it tells of. Whoever has the link may
 * acknowledge; it opens nothing else, no transcript either.
 * @param deliveryId UUID
 */
export function makeAckToken(deliveryId: string, secret: string): string {
  return signId('ack', deliveryId, secret);
}

/** @returns the delivery that the token was made for; undefined for every other text, after the same work */
export function readAckToken(token: string, secret: string): string | undefined {
  return readSignedId('ack', token, secret);
}
