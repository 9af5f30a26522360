/** States of a delivery, and which of them are final until somebody retries. */
export const DELIVERY_STATES = [
  'queued',
  'sending',
  'sent',
  'delivered',
  'dead',
  'unknown',
  'held',
  'cancelled',
  'suppressed',
] as const;
export type DeliveryState = (typeof DELIVERY_STATES)[number];

/** What one attempt came to. `released`: ended by our own shutdown before anything was sent. */
export const ATTEMPT_OUTCOMES = ['sent', 'rejected', 'deferred', 'ambiguous', 'released'] as const;
export type AttemptOutcome = (typeof ATTEMPT_OUTCOMES)[number];

/** The message as rendered; attachments by name only, their contents are made again for each attempt. */
export type StoredMessage =
  | { kind: 'email'; subject: string; text: string; html: string; attachments: string[] }
  | { kind: 'sms'; text: string; segments: number; encoding: 'GSM-7' | 'UCS-2' };

/** A due time that never comes: the delivery waits for a person, or for nothing. */
export const NEVER = Number.MAX_SAFE_INTEGER;
