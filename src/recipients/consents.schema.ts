import { z } from 'zod';
import { CHANNEL_KINDS } from '../channels/channel.js';
import { pageQuery } from '../http/page.js';
import { CONSENT_STATES } from './consent.js';

const address = z.string().max(320, { error: 'has at most 320 characters' });

const line = (max: number) =>
  z
    .string()
    .trim()
    .min(1, { error: 'must not be empty' })
    .max(max, { error: `has at most ${String(max)} characters` })
    .refine((text) => !/[\p{Cc}\p{Surrogate}\u2028\u2029]/u.test(text), {
      error: 'contains a control or broken character',
    });

export const consentBody = z
  .strictObject({
    kind: z.enum(CHANNEL_KINDS),
    address,
    state: z.enum(CONSENT_STATES),
    /** In what way the person said so. */
    how: line(200),
    /** When; absent: now. */
    at: z.iso.datetime({ offset: true, error: 'must be ISO 8601 with a zone (2026-01-31T09:00:00Z)' }).optional(),
    /** Where it can be looked up: a form's number, a URL. */
    evidence: line(500).optional(),
  })
  .meta({
    examples: [{ kind: 'sms', address: '+44 7911 123456', state: 'given', how: 'web form', evidence: 'signup 4711' }],
  });
export type ConsentBody = z.infer<typeof consentBody>;

export const listConsents = z.strictObject({
  ...pageQuery,
  kind: z.enum(CHANNEL_KINDS).optional(),
  address: address.optional(),
  state: z.enum(CONSENT_STATES).optional(),
  /** `true`: only the latest entry of each address, which is the one that counts. */
  current: z.enum(['true', 'false']).optional(),
});
export type ListConsents = z.infer<typeof listConsents>;

export const shownConsent = z.object({
  id: z.uuid(),
  kind: z.enum(CHANNEL_KINDS),
  /** Normalised: lower case, or E.164. */
  address: z.string(),
  state: z.enum(CONSENT_STATES),
  how: z.string(),
  at: z.iso.datetime(),
  evidence: z.string().optional(),
  /** Name of the API key, or `recipient` for what the person said by SMS. */
  actor: z.string(),
  createdAt: z.iso.datetime(),
});
export type ShownConsent = z.infer<typeof shownConsent>;
