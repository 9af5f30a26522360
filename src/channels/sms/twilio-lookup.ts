import { MINUTE } from '../../duration.js';
import type { FoundMessage } from '../channel.js';
import { parseTwilioReport } from './twilio-report.js';

/** A message as Twilio lists it. */
export interface ListedMessage {
  sid: string;
  to: string;
  /** Number and Messaging Service, as far as Twilio knows them yet. */
  senders: string[];
  body: string;
  direction: string;
  status: string;
  errorCode: number | null;
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

/** A message through a Messaging Service has no number at first, and one from a number of a service may show the service too. */
function maybeFrom(senders: readonly string[], sender: string): boolean {
  const isService = sender.startsWith('MG');
  const comparable = senders.filter((each) => each.startsWith('MG') === isService);
  return comparable.length === 0 || comparable.includes(sender);
}

/**
 * Whether a text whose send got no answer is among the messages that Twilio lists for its recipient.
 * @param listed messages to that recipient, any order; `complete` false when the list was cut
 * @param sent `startedAt` and `now` in epoch milliseconds; `taken`: ids that belong to other sends, of the same text perhaps
 * @returns its receipt, the oldest's when several fit; `'absent'` when the list is complete, a minute has passed, and nothing fits; else `'unsure'`
 */
export function findSent(
  listed: { messages: readonly ListedMessage[]; complete: boolean },
  sent: { to: string; text: string; sender: string; startedAt: number; now: number; taken: readonly string[] },
): FoundMessage | 'absent' | 'unsure' {
  const near = listed.messages.filter(
    (message) =>
      message.to === sent.to &&
      message.direction.startsWith('outbound') &&
      maybeFrom(message.senders, sent.sender) &&
      !sent.taken.includes(message.sid) &&
      !(message.createdAt < sent.startedAt - SKEW_MS) &&
      !(message.createdAt > sent.startedAt + WINDOW_MS),
  );
  const text = comparable(sent.text);
  const [found] = near
    .filter((message) => isSame(comparable(message.body), text))
    .sort((a, b) => a.createdAt - b.createdAt);
  if (found !== undefined) {
    const report = parseTwilioReport({
      MessageSid: found.sid,
      MessageStatus: found.status,
      ErrorCode: String(found.errorCode ?? ''),
    });
    return { providerMessageId: found.sid, ...(report === undefined ? {} : { report }) };
  }
  const unreadable = near.some((message) => message.body === '');
  const early = sent.now - sent.startedAt < GRACE_MS;
  return unreadable || early || !listed.complete ? 'unsure' : 'absent';
}
