import type { Masked } from '../redaction/policy.js';
import type { SpeechMatch } from '../rules/rule.js';

/**
 * States of a delivery. `waiting`: for the hours of its recipient. `bundled`: it went, or will go, inside of another delivery.
 */
export const DELIVERY_STATES = [
  'queued',
  'waiting',
  'sending',
  'sent',
  'delivered',
  'dead',
  'unknown',
  'held',
  'cancelled',
  'suppressed',
  'bundled',
] as const;
export type DeliveryState = (typeof DELIVERY_STATES)[number];

/** What one attempt came to. `released`: ended by our own shutdown before anything was sent. */
export const ATTEMPT_OUTCOMES = ['sent', 'rejected', 'deferred', 'ambiguous', 'released'] as const;
export type AttemptOutcome = (typeof ATTEMPT_OUTCOMES)[number];

/** The message as rendered; attachments by name only, their contents are made again for each attempt. */
export type StoredMessage =
  | { kind: 'email'; subject: string; text: string; html: string; attachments: string[] }
  | { kind: 'sms'; text: string; segments: number; encoding: 'GSM-7' | 'UCS-2' };

/** `urgent` of a delivery that a person sends at once, whatever the hours of its recipient. */
export const AT_ONCE = 2;

/** Template of the message that carries those that waited. */
export const DIGEST = 'digest';

/** What an attempt sends, stored with it. */
export interface RenderedDelivery {
  message: StoredMessage | null;
  templateVersion: number | null;
  redaction: StoredRedaction | null;
}

/** What a redaction policy made of a message. */
export interface StoredRedaction {
  /** Of the policy. */
  version: number;
  masked: Masked[];
  /** The words that matched, as the message shows them; absent: they stay. */
  matches?: SpeechMatch[];
}

/** A due time that never comes: the delivery waits for a person, or for nothing. */
export const NEVER = Number.MAX_SAFE_INTEGER;
