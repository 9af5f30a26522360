import { HOUR, MINUTE, SECOND } from '../../duration.js';

/**
 * - THROTTLED never processed, the whole channel is too fast · TRANSIENT failed for now · WAIT a limit that ends at a known time
 * - OPTED_OUT, RECIPIENT, CONTENT, DESTINATION, BLOCKED, BUG final for this message · CONFIG final until the account is mended
 * - WARNING not a failure · AMBIGUOUS may exist · NOT_SENT never reached Twilio
 */
export type TwilioClass =
  | 'THROTTLED'
  | 'TRANSIENT'
  | 'WAIT'
  | 'OPTED_OUT'
  | 'RECIPIENT'
  | 'CONTENT'
  | 'CONFIG'
  | 'DESTINATION'
  | 'BLOCKED'
  | 'WARNING'
  | 'BUG'
  | 'AMBIGUOUS'
  | 'NOT_SENT';

export interface TwilioCode {
  code: number;
  class: TwilioClass;
  meaning: string;
  /** Not before this long from now. */
  retryAfterMs?: number;
  /** Not before the next midnight in US Pacific time. */
  untilPacificMidnight?: true;
  /** At most this many tries in all. */
  maxAttempts?: number;
}

type Wait = Omit<TwilioCode, 'code' | 'class' | 'meaning'>;
type Row = readonly [code: number, meaning: string, wait?: Wait];

const rows = (className: TwilioClass, table: readonly Row[]): TwilioCode[] =>
  table.map(([code, meaning, wait]) => ({ code, class: className, meaning, ...wait }));

const THROTTLED = rows('THROTTLED', [
  [20429, 'Too many requests to Twilio at once', { retryAfterMs: 5 * SECOND }],
  [21611, 'More than ten hours of messages are queued on this sender', { retryAfterMs: 30 * MINUTE }],
  [14107, 'Too many replies between two numbers in 30 seconds', { retryAfterMs: MINUTE }],
  [63017, 'The account sends more than 2000 messages a second', { retryAfterMs: 5 * SECOND }],
]);

const TRANSIENT = rows('TRANSIENT', [
  [30001, "Twilio's queue for the sender overflowed", { retryAfterMs: 10 * MINUTE, maxAttempts: 3 }],
  [30003, 'The phone is off, without signal or unreachable', { retryAfterMs: 45 * MINUTE, maxAttempts: 3 }],
  [30008, 'Unknown error at the carrier', { retryAfterMs: 10 * MINUTE, maxAttempts: 2 }],
  [30017, 'The carrier is congested', { retryAfterMs: 10 * MINUTE, maxAttempts: 3 }],
  [30020, 'Internal failure at Twilio (scheduling)', { retryAfterMs: 10 * MINUTE, maxAttempts: 3 }],
  [30021, 'Internal failure at Twilio (messaging service)', { retryAfterMs: 10 * MINUTE, maxAttempts: 3 }],
  [30022, 'The US 10DLC rate was exceeded', { retryAfterMs: 30 * MINUTE, maxAttempts: 3 }],
  [30024, 'The sender is not provisioned at the carrier yet', { retryAfterMs: 6 * HOUR, maxAttempts: 3 }],
  [30035, 'The sender is still being configured for 10DLC', { retryAfterMs: 6 * HOUR, maxAttempts: 3 }],
  [30036, 'The message was not sent within its validity period', { retryAfterMs: 10 * MINUTE, maxAttempts: 2 }],
  [30410, "The carrier's provider timed out", { retryAfterMs: 10 * MINUTE, maxAttempts: 3 }],
  [30450, 'Blocked for a while by SMS-pumping protection', { retryAfterMs: 30 * MINUTE, maxAttempts: 3 }],
  [30500, 'Internal error at Twilio', { retryAfterMs: 10 * MINUTE, maxAttempts: 3 }],
  [21730, 'Twilio is under maintenance', { retryAfterMs: 5 * MINUTE }],
]);

const WAIT = rows('WAIT', [
  [30023, "The brand's US 10DLC daily cap is reached", { untilPacificMidnight: true }],
  [30027, "T-Mobile's US 10DLC daily limit is reached", { untilPacificMidnight: true }],
  [63038, "The account's daily message limit is reached", { retryAfterMs: 24 * HOUR }],
  [30454, "The account's message limit is reached", { retryAfterMs: 24 * HOUR }],
]);

const OPTED_OUT = rows('OPTED_OUT', [
  [21610, 'The recipient has unsubscribed (STOP)'],
  [30630, 'The recipient has unsubscribed (STOP)'],
]);

const RECIPIENT = rows('RECIPIENT', [
  [21201, 'The number is not valid'],
  [21211, 'The number is not valid'],
  [21214, 'The number cannot be reached'],
  [21217, 'The number does not look valid'],
  [21265, 'The recipient is a short code'],
  [21266, 'Recipient and sender are the same number'],
  [21268, 'The recipient is a premium-rate or information number'],
  [21604, 'The recipient is missing'],
  [21614, 'The recipient is not a mobile number'],
  [21635, 'The recipient is a landline'],
  [30004, 'The recipient blocks messages'],
  [30005, 'The number is not in use'],
  [30006, 'The recipient is a landline or its carrier cannot be reached'],
  [30011, 'The recipient cannot take MMS'],
]);

const CONTENT = rows('CONTENT', [
  [21602, 'The message has no text'],
  [21619, 'The message has no text, media or content template'],
  [21605, 'The text is longer than 160 characters'],
  [21617, 'The text is longer than 1,600 characters'],
  [21618, 'The text cannot be sent'],
  [21620, 'The media URL is not valid'],
  [21623, 'The message has too many media'],
  [21654, 'ContentSid is missing'],
  [21655, 'ContentSid is not valid'],
  [21656, 'The content variables are not valid'],
  [21658, 'A parameter is too long'],
  [30007, 'The carrier or Twilio filtered the text as spam'],
  [30019, 'The message is larger than the carrier allows'],
  [30038, 'Filtered: the text looks like a one-time password'],
  [30044, 'Trial account: the message has too many segments'],
  [30103, 'A link could not be shortened'],
  [30139, 'A link is not valid for shortening'],
  [30110, "A link's domain is blocked"],
  [30111, 'A link is on a deny list'],
]);

const CONFIG = rows('CONFIG', [
  [20003, 'Twilio refused the credentials'],
  [20005, 'The Twilio account is not active'],
  [20006, 'Twilio denied access'],
  [20008, 'Test credentials were used where they do not work'],
  [20404, 'Twilio does not know this account'],
  [20101, 'The access token is not valid'],
  [20102, "The access token's header is not valid"],
  [20103, "The access token's issuer is not valid"],
  [20104, 'The access token has expired'],
  [20105, 'The access token is not valid yet'],
  [20106, "The access token's grants are not valid"],
  [20107, "The access token's signature is not valid"],
  [20151, 'Token authentication failed'],
  [20152, "The token's header is not valid"],
  [20153, "The token's issuer is not valid"],
  [20154, "The token's claims are not valid"],
  [20155, "The token's expiry is not valid"],
  [20156, "The token's expiry is not valid"],
  [20157, "The token's expiry is not valid"],
  [20158, 'Token authentication failed'],
  [20159, "The token's signature is not valid"],
  [20160, 'The token is not valid'],
  [21212, 'The sender (From) is not valid'],
  [21267, 'A trial account cannot use an alphanumeric sender'],
  [21603, 'There is neither a sender nor a Messaging Service'],
  [21606, 'The sender is not a number of this account that can send messages'],
  [21607, 'Trial account: the sender must be the sandbox number'],
  [21609, 'The status callback URL is not valid'],
  [21624, 'The validity period is not valid'],
  [30045, 'The validity period is not valid'],
  [90007, 'The validity period is not valid'],
  [90014, 'The validity period is not valid'],
  [21657, 'The sender ID is not valid'],
  [21659, 'The sender is not a Twilio number, or a short code of another country'],
  [21660, 'The sender belongs to another account'],
  [21661, 'The sender cannot send SMS'],
  [21662, 'This pair of numbers is not possible in the Ireland region'],
  [21668, 'This type of number is not possible in the Ireland region'],
  [21663, "The sender's routing is misconfigured"],
  [21664, 'FallbackFrom cannot be used with From'],
  [21665, 'FallbackFrom is not valid'],
  [21666, 'FallbackFrom needs a Messaging Service'],
  [21667, 'FallbackFrom needs an RCS sender'],
  [21701, 'The Messaging Service does not exist'],
  [21702, 'The Messaging Service is not available'],
  [21703, 'No number of the Messaging Service is available'],
  [21704, 'The Messaging Service has no numbers'],
  [21705, 'The Messaging Service is not valid'],
  [21708, 'The alphanumeric sender is missing'],
  [21709, 'The alphanumeric sender is not authorised'],
  [21711, 'The sender is not in this Messaging Service'],
  [21712, 'The sender is in another Messaging Service'],
  [21715, 'The sender lacks the capability'],
  [30002, 'The Twilio account is suspended'],
  [30018, 'The sender ID must be registered first'],
  [30040, 'The sender ID is not registered in this country'],
  [30041, 'The sender ID is restricted in this country'],
  [30042, 'The sender ID is generic or not authorised'],
  [30032, 'The toll-free sender is not verified'],
  [30033, 'The 10DLC campaign is suspended'],
  [30034, 'The sender is not registered for 10DLC'],
  [30037, 'Outbound messaging is disabled'],
  [30043, 'International SMS through a domestic gateway'],
]);

/** Configuration of one country, pair or recipient: the other messages go on. */
const DESTINATION = rows('DESTINATION', [
  [21408, "Sending to the recipient's region is not permitted in the Twilio account"],
  [21608, 'Trial account: the recipient is not a verified number'],
  [21612, 'This recipient cannot be reached from this sender'],
]);

const BLOCKED = rows(
  'BLOCKED',
  [30453, 30485, 30610, 30615, 30620, 30640].map((code): Row => [code, 'The message could not be delivered']),
);

const WARNING = rows('WARNING', [
  [30025, "Half of T-Mobile's daily limit is used"],
  [30026, "70 % of T-Mobile's daily limit is used"],
  [30039, 'An inbound message was filtered to stop a loop'],
  [21710, 'The number is already in the Messaging Service'],
  [21733, 'The default Messaging Service was not found'],
  [30104, 'A shortened link was not found'],
  [30105, 'A shortened link was not found'],
  [30131, "The link domain's certificate expires soon"],
  [30046, 'Delivery was not confirmed'],
]);

const BUG = rows('BUG', [
  [20001, 'A parameter is unknown or not valid'],
  [20422, 'A parameter is not valid'],
  [20423, 'A parameter is not valid'],
  [30400, 'A parameter is not valid'],
  [20004, 'The method is not allowed'],
  [21626, 'StatusCallbackEvent is not valid'],
  [21627, 'MaxPrice is not a number'],
  [21652, 'The subject is over 40 characters'],
  [21653, 'There are too many recipients'],
  [21910, 'Sender and recipient are of different channels'],
  [30028, 'The API version is not valid'],
  [30029, 'ContentRetention is not valid'],
  [30030, 'AddressRetention is not valid'],
  [30031, 'MaxRate is not valid'],
  [30012, 'The time to live is too small'],
  [30013, 'The time to live is too big'],
  [30014, 'The attributes of the recipient are not valid'],
  [30015, 'The channel types are not valid'],
  [30016, 'The channel types are not valid'],
]);

/** Twilio says 5xx for these; nothing proves that the message was not made. */
const AMBIGUOUS = rows('AMBIGUOUS', [
  [20500, 'Internal error at Twilio'],
  [20503, 'Twilio is not available'],
]);

/** Every code that we know, from the API's answer or the status callback. Twilio changes meanings: an unknown code is no error. */
export const TWILIO_CODES: readonly TwilioCode[] = [
  ...THROTTLED,
  ...TRANSIENT,
  ...WAIT,
  ...OPTED_OUT,
  ...RECIPIENT,
  ...CONTENT,
  ...CONFIG,
  ...DESTINATION,
  ...BLOCKED,
  ...WARNING,
  ...BUG,
  ...AMBIGUOUS,
];

const BY_CODE = new Map(TWILIO_CODES.map((row) => [row.code, row]));

export function twilioCode(code: number): TwilioCode | undefined {
  return BY_CODE.get(code);
}
