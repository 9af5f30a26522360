import { z } from 'zod';
import { CHANNEL_KINDS } from '../channels/channel.js';
import { pageQuery, timeQuery } from '../http/page.js';
import { shownMasked } from '../redaction/redactions.schema.js';
import { DELIVERY_STATES } from './delivery.js';

const filter = {
  jobId: z.uuid().optional(),
  bundleId: z.uuid().optional(),
  ruleId: z.uuid().optional(),
  state: z.enum(DELIVERY_STATES).optional(),
  channel: z.string().min(1).max(64).optional(),
  kind: z.enum(CHANNEL_KINDS).optional(),
  /** Normalised address. */
  recipient: z.string().min(1).max(320).optional(),
  /** When it was planned: epoch milliseconds or ISO 8601. */
  from: timeQuery.optional(),
  to: timeQuery.optional(),
};

export const ListDeliveries = z.strictObject({ ...pageQuery, ...filter });
export type ListDeliveries = z.infer<typeof ListDeliveries>;

export const RetryOne = z
  .strictObject({
    /** Needed for a delivery that may have been sent already. */
    mayDuplicate: z.boolean().default(false),
  })
  .default({ mayDuplicate: false })
  .meta({ examples: [{ mayDuplicate: true }] });

/** What a person has seen at the vendor. */
export const SettleOne = z.strictObject({ state: z.enum(['sent', 'dead']) }).meta({ examples: [{ state: 'sent' }] });

/** At least one filter: retrying everything by an empty body is never meant. */
export const RetryMany = z
  .strictObject({ ...filter, dryRun: z.boolean().default(false) })
  .refine((body) => Object.keys(body).some((name) => name !== 'dryRun'), {
    error: 'name at least one filter (jobId, bundleId, ruleId, state, channel, kind, recipient, from, to)',
  })
  .meta({ examples: [{ state: 'dead', channel: 'email', dryRun: true }] });
export type RetryMany = z.infer<typeof RetryMany>;

export const DeliveryId = z.uuid();

const at = z.iso.datetime().nullable();

/** For the documentation; the shapes are made by delivery-view.ts. */
export const shownSummary = z.object({
  id: z.uuid(),
  /** Null for a message that asks for consent. */
  jobId: z.uuid().nullable(),
  on: z.string(),
  ruleId: z.uuid().nullable(),
  ruleName: z.string(),
  ruleVersion: z.number().int(),
  action: z.number().int(),
  /** Of a rule that escalates: 0 for its own actions, then the step that sent it. */
  step: z.number().int().nullable(),
  /** The other rules, or actions of the same rule, that the message speaks for. */
  alsoFor: z.array(
    z.object({ ruleId: z.uuid(), ruleName: z.string(), ruleVersion: z.number().int(), action: z.number().int() }),
  ),
  channel: z.string(),
  to: z.string(),
  template: z.string(),
  state: z.enum(DELIVERY_STATES),
  reason: z.string().nullable(),
  dueAt: at,
  createdAt: at,
  sentAt: at,
  deliveredAt: at,
  providerMessageId: z.string().nullable(),
  /** Of a message that went together with others: the delivery that carries it. */
  bundleId: z.uuid().nullable(),
});

export const shownDelivery = shownSummary.extend({
  attempts: z.array(
    z.object({
      number: z.number().int(),
      startedAt: at,
      endedAt: at,
      outcome: z.string().nullable(),
      code: z.string().nullable(),
      error: z.string().nullable(),
    }),
  ),
  message: z
    .union([
      z.object({
        kind: z.literal('email'),
        subject: z.string(),
        text: z.string(),
        html: z.string(),
        attachments: z.array(z.string()),
      }),
      z.object({
        kind: z.literal('sms'),
        text: z.string(),
        segments: z.number().int(),
        encoding: z.enum(['GSM-7', 'UCS-2']),
      }),
    ])
    .nullable(),
  /** Places that the channel's redaction policy masked; absent where none was in force. */
  masked: shownMasked.optional(),
  matches: z.array(
    z.object({
      text: z.string(),
      speaker: z.string().optional(),
      channel: z.number().int(),
      start: z.number(),
      end: z.number(),
    }),
  ),
});

export const shownRetry = z.object({ dryRun: z.boolean(), count: z.number().int() });
