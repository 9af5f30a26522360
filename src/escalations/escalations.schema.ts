import { z } from 'zod';
import { pageQuery } from '../http/page.js';
import { isUuid } from '../ids.js';
import { TRIGGERS } from '../transcripts/facts.js';
import { ESCALATION_STATES } from './escalation.js';

/** Any text: what is no token of ours is a page that says so, not a fault of the request. */
export const ackToken = z.string().max(256);

export const EscalationId = z.string().refine(isUuid, { error: 'must be the id of an escalation' });

export const ListEscalations = z.strictObject({
  ...pageQuery,
  state: z.enum(ESCALATION_STATES).optional(),
  jobId: z.string().refine(isUuid, { error: 'must be the id of a job' }).optional(),
  ruleId: z.string().refine(isUuid, { error: 'must be the id of a rule' }).optional(),
});
export type ListEscalations = z.infer<typeof ListEscalations>;

const at = z.iso.datetime();

/** For the documentation; the shape is made by escalation-view.ts. */
export const shownEscalation = z.object({
  id: z.uuid(),
  jobId: z.uuid(),
  on: z.enum(TRIGGERS),
  /** For `delivery.dead`. */
  aboutDeliveryId: z.uuid().nullable(),
  ruleId: z.uuid(),
  ruleName: z.string(),
  ruleVersion: z.int(),
  state: z.enum(ESCALATION_STATES),
  /** Why it was stopped. */
  reason: z.string().nullable(),
  /** The last step that was taken; 0: only the rule's own actions. */
  step: z.int(),
  steps: z.int(),
  nextAt: at.nullable(),
  openedAt: at,
  acknowledged: z
    .object({
      at,
      via: z.enum(['link', 'api']),
      /** Name of the key, or name or address of the recipient; null when that was erased. */
      by: z.string().nullable(),
      /** Whose link it was. */
      deliveryId: z.uuid().nullable(),
    })
    .nullable(),
  history: z.array(
    z.object({
      step: z.int(),
      at,
      deliveries: z.int(),
      skipped: z.array(z.object({ action: z.int(), to: z.string(), reason: z.string() })),
    }),
  ),
});
