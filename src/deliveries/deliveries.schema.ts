import { z } from 'zod';
import { CHANNEL_KINDS } from '../channels/channel.js';
import { pageQuery, timeQuery } from '../http/page.js';
import { DELIVERY_STATES } from './delivery.js';

const filter = {
  jobId: z.uuid().optional(),
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
  .default({ mayDuplicate: false });

/** At least one filter: retrying everything by an empty body is never meant. */
export const RetryMany = z
  .strictObject({ ...filter, dryRun: z.boolean().default(false) })
  .refine((body) => Object.keys(body).some((name) => name !== 'dryRun'), {
    error: 'name at least one filter (jobId, ruleId, state, channel, kind, recipient, from, to)',
  });
export type RetryMany = z.infer<typeof RetryMany>;

export const DeliveryId = z.uuid();
