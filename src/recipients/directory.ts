import type { ChannelKind } from '../channels/channel.js';
import { consentFault, type Consent, type ConsentPolicy } from './consent.js';
import type { ContentLevel } from './content-level.js';
import type { DigestHour, Hours, QuietHours } from './hours.js';

/** People and groups that rules can name, as one immutable snapshot. Pure: the store builds it, the planner reads it. */

export interface Contact {
  id: string;
  /** Unique, case-insensitive; what `contact:NAME` names. */
  name: string;
  email?: string;
  /** E.164. */
  phone?: string;
  /** BCP-47 and IANA zone, for dates in messages. */
  locale?: string;
  timeZone?: string;
  /** Kinds of message that the person may be sent; absent: all that there is an address for. */
  channels?: ChannelKind[];
  quiet?: QuietHours | QuietHours[];
  digest?: DigestHour;
  /** Epoch milliseconds. */
  snoozedUntil?: number;
  /** Absent: `full`. */
  content?: ContentLevel;
}

export interface Group {
  id: string;
  /** Unique, case-insensitive; what `group:NAME` names. */
  name: string;
  /** Names of contacts. */
  members: string[];
}

/** An address that must not be contacted over a kind of channel, by one sender or by any. */
export interface Suppression {
  kind: ChannelKind;
  /** Normalised address. */
  address: string;
  /** Empty: every sender. */
  sender: string;
  reason: string;
}

export interface Directory {
  /** Names as they were given, for "did you mean". */
  readonly names: { readonly contacts: readonly string[]; readonly groups: readonly string[] };
  /** Of people who have none of their own. */
  readonly timeZone: string;
  contact(name: string): Contact | undefined;
  /** Whose address it is; of several contacts the first that was made. */
  contactAt(kind: ChannelKind, address: string): Contact | undefined;
  /** Members that exist, in the group's order; undefined when there is no such group. */
  group(name: string): Contact[] | undefined;
  /** The reason when the address is suppressed for this sender, or for every one, or when its consent is missing or withdrawn. */
  suppression(kind: ChannelKind, address: string, sender?: string): string | undefined;
}

/** What a directory knows beside its entries. */
export interface DirectoryOptions {
  /** The latest word of each address. */
  consents?: readonly Consent[];
  /** Default `off`. */
  policy?: ConsentPolicy;
  /** Default UTC. */
  timeZone?: string;
}

/** @param contacts in the order in which they were made */
export function toDirectory(
  contacts: readonly Contact[],
  groups: readonly Group[],
  suppressions: readonly Suppression[],
  { consents = [], policy = 'off', timeZone = 'UTC' }: DirectoryOptions = {},
): Directory {
  const byName = new Map(contacts.map((contact) => [contact.name.toLowerCase(), contact]));
  const groupByName = new Map(groups.map((group) => [group.name.toLowerCase(), group]));
  const byAddress = addressesOf(contacts);
  const consentOf = new Map(consents.map(({ kind, address, state }) => [keyOf(kind, address), state]));
  const suppressed = new Map(
    suppressions.map(({ kind, address, sender, reason }) => [`${keyOf(kind, address)}:${sender}`, reason]),
  );
  return {
    names: { contacts: contacts.map(({ name }) => name), groups: groups.map(({ name }) => name) },
    timeZone,
    contact: (name) => byName.get(name.toLowerCase()),
    contactAt: (kind, address) => byAddress.get(keyOf(kind, address)),
    group: (name) =>
      groupByName
        .get(name.toLowerCase())
        ?.members.map((member) => byName.get(member.toLowerCase()))
        .filter((contact) => contact !== undefined),
    suppression: (kind, address, sender = '') => {
      const key = keyOf(kind, address);
      return (
        suppressed.get(`${key}:`) ??
        suppressed.get(`${key}:${sender}`) ??
        consentFault(kind, consentOf.get(key), policy)
      );
    },
  };
}

/** The hours of a contact; undefined when messages may go at any time. */
export function hoursOf(contact: Contact, timeZone: string): Hours | undefined {
  const { quiet, digest, snoozedUntil } = contact;
  if (quiet === undefined && digest === undefined && snoozedUntil === undefined) return undefined;
  return { timeZone: contact.timeZone ?? timeZone, quiet, digest, snoozedUntil };
}

function addressesOf(contacts: readonly Contact[]): Map<string, Contact> {
  const found = new Map<string, Contact>();
  for (const contact of [...contacts].reverse()) {
    if (contact.email !== undefined) found.set(keyOf('email', contact.email), contact);
    if (contact.phone !== undefined) found.set(keyOf('sms', contact.phone), contact);
  }
  return found;
}

function keyOf(kind: ChannelKind, address: string): string {
  return `${kind}:${address.toLowerCase()}`;
}
