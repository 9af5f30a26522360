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
  kind: 'email' | 'sms';
  /** Normalised address. */
  address: string;
  /** Empty: every sender. */
  sender: string;
  reason: string;
}

export interface Directory {
  /** Names as they were given, for "did you mean". */
  readonly names: { readonly contacts: readonly string[]; readonly groups: readonly string[] };
  contact(name: string): Contact | undefined;
  /** Members that exist, in the group's order; undefined when there is no such group. */
  group(name: string): Contact[] | undefined;
  /** The reason when the address is suppressed for this sender, or for every one. */
  suppression(kind: 'email' | 'sms', address: string, sender?: string): string | undefined;
}

export function toDirectory(contacts: Contact[], groups: Group[], suppressions: Suppression[]): Directory {
  const byName = new Map(contacts.map((contact) => [contact.name.toLowerCase(), contact]));
  const groupByName = new Map(groups.map((group) => [group.name.toLowerCase(), group]));
  const suppressed = new Map(
    suppressions.map(({ kind, address, sender, reason }) => [`${kind}:${address.toLowerCase()}:${sender}`, reason]),
  );
  return {
    names: { contacts: contacts.map(({ name }) => name), groups: groups.map(({ name }) => name) },
    contact: (name) => byName.get(name.toLowerCase()),
    group: (name) =>
      groupByName
        .get(name.toLowerCase())
        ?.members.map((member) => byName.get(member.toLowerCase()))
        .filter((contact) => contact !== undefined),
    suppression: (kind, address, sender = '') => {
      const key = `${kind}:${address.toLowerCase()}:`;
      return suppressed.get(key) ?? suppressed.get(key + sender);
    },
  };
}
