import type { ChannelKind } from '../channels/channel.js';

/** `pending`: asked for and not answered. The latest entry of an address counts. */
export const CONSENT_STATES = ['pending', 'given', 'withdrawn'] as const;
export type ConsentState = (typeof CONSENT_STATES)[number];

/** What text messages need: nothing, consent on record, or consent that the person gave by answering a text message. */
export type ConsentPolicy = 'off' | 'required' | 'double';

/** Where an address stands. */
export interface Consent {
  kind: ChannelKind;
  /** Normalised, lower case. */
  address: string;
  state: ConsentState;
}

/**
 * Why an address must not be written to; undefined when it may. A consent that was withdrawn counts whatever the policy and the kind.
 * @param state its latest entry; undefined when there is none
 */
export function consentFault(
  kind: ChannelKind,
  state: ConsentState | undefined,
  policy: ConsentPolicy,
): string | undefined {
  if (state === 'withdrawn') return 'consent was withdrawn';
  if (kind !== 'sms' || policy === 'off' || state === 'given') return undefined;
  return state === 'pending' ? 'consent is pending: the person has not answered' : 'there is no consent on record';
}

/**
 * What a word of the person's own changes. START and YES count only for one who is in the ledger: a stranger's START lifts a suppression
 * and gives no consent.
 * @returns the next state; undefined when nothing changes
 */
export function afterWish(state: ConsentState | undefined, wish: 'stop' | 'start'): ConsentState | undefined {
  if (state === undefined) return undefined;
  const next = wish === 'stop' ? 'withdrawn' : 'given';
  return state === next ? undefined : next;
}
