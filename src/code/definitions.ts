import type { ChannelKind } from '../channels/channel.js';
import { parseEmailAddress } from '../channels/email/email-address.js';
import { parsePhoneNumber } from '../channels/sms/phone-number.js';
import type { ContactBody, GroupBody } from '../recipients/recipients.schema.js';
import type { PolicyBody } from '../redaction/redactions.schema.js';
import type { RuleDefinition } from '../rules/rule.js';
import type { TemplateParts } from '../templates/template.js';

/** What a folder says of a contact. A snooze is of the moment, and stays with the contact. */
export type ContactDefinition = Omit<ContactBody, 'snoozedUntil'>;
export type GroupDefinition = GroupBody;
/** What is masked in a channel; it has no other name. */
export type RedactionDefinition = PolicyBody & { channel: string };

export interface TemplateDefinition {
  name: string;
  description: string;
  parts: TemplateParts;
}

/** In the order in which they are made: each may name those before it, and what is to be masked is so before anything new is sent. */
export const KINDS = ['redaction', 'contact', 'group', 'template', 'rule'] as const;
export type Kind = (typeof KINDS)[number];

/** Where the things of a kind stand, in a folder and under `/v1`. */
export const PLACES: Record<Kind, string> = {
  redaction: 'redactions',
  contact: 'contacts',
  group: 'groups',
  template: 'templates',
  rule: 'rules',
};

/** What tells two things of a kind apart: case does, but for contacts and groups. */
export function keyOf(kind: Kind, name: string): string {
  return kind === 'contact' || kind === 'group' ? name.toLowerCase() : name;
}

/** As Herald would store it. @throws RecipientInvalidError with the field in `pointer` of its only error where it has one */
export function normalAddress(kind: ChannelKind, address: string): string {
  return (kind === 'email' ? parseEmailAddress(address) : parsePhoneNumber(address)).address;
}

const CONTACT_ORDER = [
  'name',
  'email',
  'phone',
  'locale',
  'timeZone',
  'channels',
  'quiet',
  'digest',
  'content',
] as const;
const RULE_ORDER = [
  'name',
  'description',
  'enabled',
  'order',
  'on',
  'when',
  'actions',
  'escalate',
  'throttle',
  'merge',
  'stop',
] as const satisfies readonly (keyof RuleDefinition)[];
const REDACTION_RULE_ORDER = ['kind', 'minDigits', 'pattern', 'replacement'] as const;
const ACTION_ORDER = ['channel', 'to', 'template', 'attach', 'preview', 'urgent'] as const;

/** Only what is set, in the order in which people read it: the same definition gives the same text. */
export function writtenContact(contact: ContactDefinition): object {
  return picked(contact, CONTACT_ORDER);
}

export function writtenGroup({ name, members }: GroupDefinition): object {
  return { name, members };
}

export function writtenRedaction({ channel, enabled, rules }: RedactionDefinition): object {
  return {
    channel,
    ...(enabled ? {} : { enabled }),
    rules: rules.map((rule) => picked(rule, REDACTION_RULE_ORDER)),
  };
}

/** What has its usual value is left out. */
export function writtenRule(rule: RuleDefinition): object {
  const { enabled, order, stop, actions, escalate, ...rest } = rule;
  return picked(
    {
      ...rest,
      ...(enabled ? {} : { enabled }),
      ...(order === 100 ? {} : { order }),
      ...(stop ? { stop } : {}),
      actions: actions.map((action) => picked(action, ACTION_ORDER)),
      ...(escalate && {
        escalate: escalate.map((step) => ({
          after: step.after,
          actions: step.actions.map((action) => picked(action, ACTION_ORDER)),
        })),
      }),
    },
    RULE_ORDER,
  );
}

/** Names that the list does not hold come last, by name: nothing is dropped in silence. */
function picked(value: object, order: readonly string[]): object {
  const rank = (name: string) => (order.includes(name) ? order.indexOf(name) : order.length);
  const set = Object.entries(value).filter(([, one]) => one !== undefined);
  return Object.fromEntries(set.sort(([a], [b]) => rank(a) - rank(b) || (a < b ? -1 : 1)));
}
