import { createHmac } from 'node:crypto';

/**
 * `X-Twilio-Signature` of a form POST: base64 of HMAC-SHA1 over the exact URL and every parameter, sorted by name, name and value
 * joined without a separator (https://www.twilio.com/docs/usage/security#validating-requests).
 */
export function twilioSignature(authToken: string, url: string, parameters: Record<string, string>): string {
  const signed = Object.keys(parameters)
    .sort()
    .reduce((text, name) => text + name + (parameters[name] ?? ''), url);
  return createHmac('sha1', authToken).update(signed, 'utf8').digest('base64');
}
