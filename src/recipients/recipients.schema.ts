import { z } from 'zod';
import { CHANNEL_KINDS } from '../channels/channel.js';
import { pageQuery } from '../http/page.js';
import { isUuid } from '../ids.js';
import { SUPPRESSION_SOURCES } from './suppression-source.js';
import { directoryName } from './names.js';

/** Longer than any valid address: what is wrong with one is said by the channel, with its own words. */
const address = z.string().max(320, { error: 'has at most 320 characters' });

const locale = z.string().max(35).refine(isLocale, { error: 'must be a language tag like en-GB' });

const timeZone = z.string().max(64).refine(isTimeZone, { error: 'must be a time zone like Europe/Vienna' });

export const contactBody = z
  .strictObject({
    name: directoryName,
    email: address.optional(),
    phone: address.optional(),
    locale: locale.optional(),
    timeZone: timeZone.optional(),
  })
  .refine(({ email, phone }) => email !== undefined || phone !== undefined, {
    error: 'needs an e-mail address, a phone number, or both',
  })
  .meta({ examples: [{ name: 'on-call', email: 'on-call@example.com', phone: '+44 7911 123456', locale: 'en-GB' }] });
export type ContactBody = z.infer<typeof contactBody>;

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
