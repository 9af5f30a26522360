import { z } from 'zod';
import { pageQuery } from '../http/page.js';

const value = z.string().min(1).max(1_000);

/** Whom or what to erase. */
export const erasureRequest = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('email'), value: value.meta({ example: 'dana@example.com' }) }),
  z.strictObject({ kind: z.literal('phone'), value: value.meta({ example: '+12125550142' }) }),
  z.strictObject({
    kind: z.literal('tag'),
    tag: z.string().min(1).max(100).meta({ example: 'client' }),
    value: value.meta({ example: 'acme' }),
  }),
]);
export type ErasureRequest = z.infer<typeof erasureRequest>;

export const erasureId = z.uuid();

export const listErasures = z.strictObject(pageQuery);
export type ListErasures = z.output<typeof listErasures>;

const count = z.number().int();

export const shownErasure = z.object({
  id: z.uuid(),
  at: z.iso.datetime(),
  actor: z.string(),
  kind: z.enum(['email', 'phone', 'tag']),
  subjectHash: z
    .string()
    .meta({ description: 'HMAC-SHA-256 of the value under HERALD_SECRET: it names no one, and can be checked' }),
  counts: z.object({
    jobs: count,
    transcripts: count,
    callbacks: count,
    deliveries: count,
    evaluations: count,
    files: count,
    contacts: count,
    memberships: count,
    consents: count.optional(),
  }),
});
export type ShownErasure = z.infer<typeof shownErasure>;

const remains = z
  .object({
    suppressions: count.meta({ description: 'Opt-outs are kept: they protect the person' }),
    withdrawals: count.meta({ description: 'Consents that were withdrawn are kept for the same reason' }),
    rules: z.array(z.string()).meta({ description: 'Rules that name the address or the contact; change them by hand' }),
  })
  .meta({ description: 'What is kept although it names the subject' });

export const shownErased = z.object({ ...shownErasure.shape, remains });
export type ShownErased = z.infer<typeof shownErased>;

export const shownCheck = z.object({
  subjectHash: z.string(),
  proofs: z.array(shownErasure),
  nothingLeft: z.boolean(),
  found: z.object({
    jobs: count,
    deliveries: count,
    contacts: count,
    callbacks: count,
    consents: count,
    counters: count,
  }),
  remains,
});
export type ShownCheck = z.infer<typeof shownCheck>;
