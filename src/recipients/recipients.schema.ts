import { z } from 'zod';
import { CHANNEL_KINDS } from '../channels/channel.js';
import { pageQuery } from '../http/page.js';
import { isUuid } from '../ids.js';
import { CONTENT_LEVELS } from './content-level.js';
import { leavesNoTime, WEEKDAYS } from './hours.js';
import { SUPPRESSION_SOURCES } from './suppression-source.js';
import { directoryName } from './names.js';

/** Longer than any valid address: what is wrong with one is said by the channel, with its own words. */
const address = z.string().max(320, { error: 'has at most 320 characters' });

const locale = z.string().max(35).refine(isLocale, { error: 'must be a language tag like en-GB' });

const timeZone = z.string().max(64).refine(isTimeZone, { error: 'must be a time zone like Europe/Vienna' });

const TIME = /^([01]\d|2[0-3]):[0-5]\d$/;
const clockTime = z.string().regex(TIME, { error: 'must be a time like 07:00' });
const days = z.array(z.enum(WEEKDAYS)).min(1).max(7).optional();

const quietHours = z
  .strictObject({
    from: clockTime,
    until: z.union([z.literal('24:00'), clockTime], { error: 'must be a time like 07:00, or 24:00' }),
    days,
  })
  .refine(({ from, until }) => from !== until, {
    path: ['until'],
    error: 'must not be the time of "from"; a whole day is from 00:00 until 24:00',
  });
const quiet = z.union([quietHours, z.array(quietHours).min(1).max(7)]).refine((hours) => !leavesNoTime(hours), {
  error: 'covers the whole week, so nothing would ever go: leave a time, or use snoozedUntil',
});

const moment = z.iso.datetime({ offset: true, error: 'must be ISO 8601 with a zone (2026-01-31T09:00:00Z)' });

export const contactBody = z
  .strictObject({
    name: directoryName,
    email: address.optional(),
    phone: address.optional(),
    locale: locale.optional(),
    timeZone: timeZone.optional(),
    /** Kinds of message that the person may be sent; absent: all that there is an address for. */
    channels: z.array(z.enum(CHANNEL_KINDS)).min(1).max(CHANNEL_KINDS.length).optional(),
    /** One stretch of the day or several, by the clock of `timeZone`; what is not urgent waits for their end. */
    quiet: quiet.optional(),
    /** What is not urgent waits for this hour, and goes as one message. */
    digest: z.strictObject({ at: clockTime, days }).optional(),
    /** Nothing at all goes before. */
    snoozedUntil: moment.optional(),
    /** How much of a transcript the person is sent. */
    content: z.enum(CONTENT_LEVELS).optional(),
  })
  .refine(({ email, phone }) => email !== undefined || phone !== undefined, {
    error: 'needs an e-mail address, a phone number, or both',
  })
  .refine(({ channels, phone }) => channels?.includes('sms') !== true || phone !== undefined, {
    path: ['channels'],
    error: 'names sms, but there is no phone number',
  })
  .refine(({ channels, email }) => channels?.includes('email') !== true || email !== undefined, {
    path: ['channels'],
    error: 'names email, but there is no e-mail address',
  })
  .meta({
    examples: [
      {
        name: 'on-call',
        email: 'on-call@example.com',
        phone: '+44 7911 123456',
        locale: 'en-GB',
        timeZone: 'Europe/London',
        quiet: { from: '21:00', until: '07:00' },
        content: 'preview',
      },
    ],
  });
export type ContactBody = z.infer<typeof contactBody>;

export const snoozeBody = z
  .strictObject({
    /** `null` ends a snooze. */
    until: moment.nullable(),
  })
  .meta({ examples: [{ until: '2026-12-01T08:00:00Z' }] });
export type SnoozeBody = z.infer<typeof snoozeBody>;

export const groupBody = z
  .strictObject({
    name: directoryName,
    /** Names of contacts, in the order in which they are notified. */
    members: z.array(z.string().max(100)).max(1_000, { error: 'a group has at most 1000 members' }),
  })
  .meta({ examples: [{ name: 'billing', members: ['on-call'] }] });
export type GroupBody = z.infer<typeof groupBody>;

const reason = z
  .string()
  .min(1)
  .max(200)
  .refine((text) => !/[\p{Cc}\p{Surrogate}]/u.test(text), { error: 'contains a control or broken character' });

const SENDER = /^(\+\d{7,15}|\d{3,8}|(?=.*[a-z])[a-z0-9 ]{1,11}|MG[0-9a-f]{32})$/i;

/** As it is configured: TWILIO_FROM or TWILIO_MESSAGING_SERVICE_SID. Blanks and dashes of a number do not count. */
const sender = z
  .string()
  .max(40)
  .overwrite((text) => (text.trim().startsWith('+') ? text.replace(/[\s().-]/g, '') : text.trim()))
  .refine((text) => SENDER.test(text), {
    error: 'must be a number such as +15551234567, a short code, a sender name, or the id of a Messaging Service',
  });

export const suppressionBody = z
  .strictObject({
    kind: z.enum(CHANNEL_KINDS),
    address,
    /** Absent: every sender. */
    sender: sender.optional(),
    reason: reason.default('manual'),
  })
  .refine((body) => body.kind === 'sms' || body.sender === undefined, {
    path: ['sender'],
    error: 'is for SMS only: leave it out for e-mail',
  })
  .meta({ examples: [{ kind: 'sms', address: '+44 7911 123456', sender: '+15551234567', reason: 'asked by phone' }] });
export type SuppressionBody = z.infer<typeof suppressionBody>;

/** Of a suppression only the reason can change; another address is another suppression. */
export const suppressionChange = z.strictObject({ reason });
export type SuppressionChange = z.infer<typeof suppressionChange>;

/** Lists of contacts and groups; `name` finds the one of that name. */
export const listByName = z.strictObject({ ...pageQuery, name: z.string().max(100).optional() });
export type ListByName = z.infer<typeof listByName>;

export const listSuppressions = z.strictObject({
  ...pageQuery,
  kind: z.enum(CHANNEL_KINDS).optional(),
  address: address.optional(),
  sender: sender.optional(),
});
export type ListSuppressions = z.infer<typeof listSuppressions>;

export const rowId = z.string().refine(isUuid, { error: 'must be an id' });

const times = { createdAt: z.iso.datetime(), updatedAt: z.iso.datetime() };

export const shownContact = z.object({
  id: z.uuid(),
  name: z.string(),
  email: z.string().optional(),
  /** E.164. */
  phone: z.string().optional(),
  locale: z.string().optional(),
  timeZone: z.string().optional(),
  channels: z.array(z.enum(CHANNEL_KINDS)).optional(),
  quiet: quiet.optional(),
  digest: z.object({ at: z.string(), days }).optional(),
  snoozedUntil: z.iso.datetime().optional(),
  content: z.enum(CONTENT_LEVELS).optional(),
  ...times,
  /** Only in the answer to a save: not refused, but worth a look ("this is a landline"). */
  warnings: z.array(z.string()).optional(),
});
export type ShownContact = z.infer<typeof shownContact>;

export const shownGroup = z.object({ id: z.uuid(), name: z.string(), members: z.array(z.string()), ...times });
export type ShownGroup = z.infer<typeof shownGroup>;

export const shownSuppression = z.object({
  id: z.uuid(),
  kind: z.enum(CHANNEL_KINDS),
  /** Normalised: lower case, or E.164. */
  address: z.string(),
  /** Whom it holds for; absent: every sender. */
  sender: z.string().optional(),
  /** Who made it: an operator, the recipient with an inbound STOP, or the vendor that told of an opt-out. */
  source: z.enum(SUPPRESSION_SOURCES),
  reason: z.string(),
  createdAt: z.iso.datetime(),
});
export type ShownSuppression = z.infer<typeof shownSuppression>;

function isLocale(text: string): boolean {
  try {
    return Intl.getCanonicalLocales(text).length === 1;
  } catch {
    return false;
  }
}

function isTimeZone(text: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: text });
    return true;
  } catch {
    return false;
  }
}
