import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

/** User name in every callback URL. */
export const HOOK_USER = 'herald';

export type CredentialCheck = 'ok' | 'missing' | 'wrong';

/** Password of one job's callback URL: a leak is worth one job, and no lookup is needed to check it. */
export function hookPassword(jobId: string, secret: string): string {
  return createHmac('sha256', secret).update(`hook:${jobId}`).digest('base64url');
}

/** The callback URL of a job, with its credential. Never log it. */
export function hookUrl(publicUrl: string, jobId: string, secret: string): string {
  const url = new URL(`${publicUrl}/hook/${jobId}`);
  url.username = HOOK_USER;
  url.password = hookPassword(jobId, secret);
  return url.href;
}

/** Checks the `Authorization` header of a callback for a job that Herald submitted. */
export function verifyHookCredential(header: string | undefined, jobId: string, secret: string): CredentialCheck {
  return verifyBasic(header, hookPassword(jobId, secret));
}

/** @param header `Basic …`; the user must be `herald`. Takes the same time wherever the first difference lies. */
export function verifyBasic(header: string | undefined, password: string): CredentialCheck {
  const credentials = /^Basic ([A-Za-z0-9+/=_-]+)$/i.exec(header?.trim() ?? '')?.[1];
  if (credentials === undefined) return header === undefined ? 'missing' : 'wrong';
  const given = Buffer.from(credentials, 'base64').toString('utf8');
  return sameText(given, `${HOOK_USER}:${password}`) ? 'ok' : 'wrong';
}

/** Compares digests of equal length, so that neither content nor length shows in the time. */
export function sameText(a: string, b: string): boolean {
  return timingSafeEqual(createHash('sha256').update(a).digest(), createHash('sha256').update(b).digest());
}
