import { SegmentedMessage } from 'sms-segments-calculator';

/** A message as Twilio's API shows it. */
export interface TwilioMessage {
  sid: string;
  account_sid: string;
  api_version: string;
  body: string;
  date_created: string;
  date_sent: string | null;
  date_updated: string;
  direction: string;
  error_code: number | null;
  error_message: string | null;
  from: string | null;
  messaging_service_sid: string | null;
  num_media: string;
  num_segments: string;
  price: string | null;
  price_unit: string | null;
  status: string;
  subresource_uris: Record<string, string>;
  to: string;
  uri: string;
}

export interface TwilioFault {
  status: number;
  code: number;
  message: string;
}

/** What Twilio would refuse in the form of a new message, with its code. */
export function faultOf(form: URLSearchParams, optedOut: ReadonlySet<string>): TwilioFault | undefined {
  const [to, from, body] = [form.get('To') ?? '', form.get('From') ?? '', form.get('Body') ?? ''];
  const callback = form.get('StatusCallback');
  const faults: [wrong: boolean, code: number, message: string][] = [
    [to === '', 21604, "A 'To' phone number is required."],
    [!/^\+[1-9]\d{6,14}$/.test(to), 21211, "Invalid 'To' Phone Number"],
    [from === '' && !form.has('MessagingServiceSid'), 21603, "A 'From' phone number is required."],
    [from === to, 21266, "'To' and 'From' number cannot be the same"],
    [body === '', 21602, 'Message body is required.'],
    [body.length > 1600, 21617, 'The concatenated message body exceeds the 1600 character limit'],
    [callback !== null && !isCallback(callback), 21609, 'The StatusCallback URL is not a valid URL.'],
    [optedOut.has(to), 21610, 'Attempt to send to unsubscribed recipient'],
  ];
  const fault = faults.find(([wrong]) => wrong);
  return fault && { status: 400, code: fault[1], message: fault[2] };
}

function isCallback(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol) && !new URL(text).hostname.includes('_');
}

/** @param now epoch milliseconds; through a Messaging Service Twilio knows neither sender nor segments at first */
export function newMessage(
  form: URLSearchParams,
  ids: { sid: string; accountSid: string },
  now: number,
): TwilioMessage {
  const service = form.get('MessagingServiceSid');
  const body = form.get('Body') ?? '';
  const uri = `/2010-04-01/Accounts/${ids.accountSid}/Messages/${ids.sid}`;
  const date = new Date(now).toUTCString().replace('GMT', '+0000');
  return {
    sid: ids.sid,
    account_sid: ids.accountSid,
    api_version: '2010-04-01',
    body,
    date_created: date,
    date_sent: null,
    date_updated: date,
    direction: 'outbound-api',
    error_code: null,
    error_message: null,
    from: service === null ? form.get('From') : null,
    messaging_service_sid: service,
    num_media: '0',
    num_segments: service === null ? String(segmentsOf(body)) : '0',
    price: null,
    price_unit: 'USD',
    status: service === null ? 'queued' : 'accepted',
    subresource_uris: { media: `${uri}/Media.json` },
    to: form.get('To') ?? '',
    uri: `${uri}.json`,
  };
}

export function segmentsOf(body: string): number {
  return new SegmentedMessage(body).segmentsCount;
}
