import { MINUTE } from '../../duration.js';
import type { Receipt } from '../channel.js';

/** A message as Twilio lists it. */
export interface ListedMessage {
  sid: string;
  to: string;
  body: string;
  direction: string;
  status: string;
  /** Epoch milliseconds of `date_created`, NaN when absent. */
  createdAt: number;
}

/** Twilio's clock and ours may differ by this much. */
const SKEW_MS = 2 * MINUTE;
/** A request is given up long before this; what Twilio made later is another message. */
const WINDOW_MS = 5 * MINUTE;
/** A message may need this long to show in the list. */
const GRACE_MS = MINUTE;

/** Look-alikes that Smart Encoding may have replaced, and white space, do not make another text. */
function comparable(text: string): string {
  return text
    .normalize('NFKC')
    .replace(/[\u2018\u2019\u201a\u201b`\u00b4]/g, "'")
    .replace(/[\u201c\u201d\u201e\u00ab\u00bb]/g, '"')
    .replace(/[\u2010-\u2015\u2212]/g, '-')
    .replace(/\s+/g, ' ')
    .trim();
}

/** Trial accounts put "Sent from your Twilio trial account - " in front. */
function isSame(body: string, text: string): boolean {
  return body !== '' && (body === text || body.endsWith(` - ${text}`));
}

/**
 * Whether a text whose send got no answer is among the messages that Twilio lists for its recipient.
 * @param listed messages to that recipient, any order; `complete` false when the list was cut
 * @param sent `startedAt` and `now` in epoch milliseconds
 * @returns its receipt; `'absent'` when the list is complete, a minute has passed, and nothing fits; else `'unsure'`
 */
export function findSent(
  listed: { messages: readonly ListedMessage[]; complete: boolean },
  sent: { to: string; text: string; startedAt: number; now: number },
): Receipt | 'absent' | 'unsure' {
  const near = listed.messages.filter(
    (message) =>
      message.to === sent.to &&
      message.direction.startsWith('outbound') &&
      !(message.createdAt < sent.startedAt - SKEW_MS) &&
      !(message.createdAt > sent.startedAt + WINDOW_MS),
  );
  const text = comparable(sent.text);
  const same = near.filter((message) => isSame(comparable(message.body), text));
  const [found] = same;
  if (found !== undefined && same.length === 1) {
    return { providerMessageId: found.sid, note: `Found at Twilio after the answer was lost (${found.status}).` };
  }
  const unreadable = near.some((message) => message.body === '');
  const early = sent.now - sent.startedAt < GRACE_MS;
  return same.length > 1 || unreadable || early || !listed.complete ? 'unsure' : 'absent';
}
