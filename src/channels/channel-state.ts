/**
 * Why nothing is sent on a channel: `kill-switch` all sending is paused · `operator` a person paused it · `vendor` the vendor will refuse
 * every message until the account or the settings are mended · `throttled` the vendor asked for a pause · `breaker` the vendor does not
 * answer. The first three hold for all replicas and across restarts, the others for one process.
 */
export const CLOSED_BY = ['kill-switch', 'operator', 'vendor', 'throttled', 'breaker'] as const;
export type ClosedBy = (typeof CLOSED_BY)[number];

/** Whether a channel sends at present. Times are epoch milliseconds. */
export interface ChannelState {
  channel: string;
  open: boolean;
  cause?: ClosedBy;
  since?: number;
  /** The vendor's code. */
  code?: string;
  /** For people, without addresses or secrets. */
  reason?: string;
  /** When it is tried again by itself, with one delivery; absent: when somebody resumes it. */
  until?: number;
}
