import type { Channel, ChannelKind, Recipient } from '../channels/channel.js';
import { RecipientInvalidError, RuleInvalidError } from '../errors.js';
import type { ContentLevel } from '../recipients/content-level.js';
import { hoursOf, type Contact, type Directory } from '../recipients/directory.js';
import { dueAt, WAITS, type Due } from '../recipients/hours.js';
import type { Facts } from '../transcripts/facts.js';
import { togetherStepwise } from './merge.js';
import { absentPaths, isExpression, parseRecipientExpression, resolve } from './recipient-expression.js';
import type { Action, AttachmentFormat, RuleMatch, SpeechMatch } from './rule.js';
import { throttledBy, type ThrottledBy } from './throttle.js';

/** What the planner needs of a channel. */
export type PlanChannel = Pick<Channel, 'name' | 'kind' | 'sender' | 'parseRecipient' | 'permit'>;

/** One planned send: one recipient, one channel, one template. Becomes a delivery when it is stored. */
export interface Notification {
  ruleId: string;
  ruleName: string;
  ruleVersion: number;
  /** Index into the actions of the rule. */
  action: number;
  channel: string;
  kind: ChannelKind;
  /** Normalised address; as it came when it is `dead`. */
  to: string;
  recipient: Pick<Recipient, 'name' | 'locale' | 'timeZone'> & { content?: ContentLevel };
  template: string;
  attach: AttachmentFormat[];
  /** SMS: at most this many segments. */
  previewSegments?: number;
  /**
   * `waiting`: for the hours of the recipient, then it goes together with what else waits; `dead`: the address is no recipient, kept so
   * that it is seen and can be retried; `suppressed`: must not be contacted; `held`: waits for a person.
   */
  state: 'queued' | 'waiting' | 'dead' | 'suppressed' | 'held';
  /** Why it is not queued; never holds the address. */
  reason?: string;
  /** Waits for no quiet hours and no digest. */
  urgent?: boolean;
  /** Epoch milliseconds. */
  dueAt: number;
  /** Job, rule, version, step and action, kind and address: the same notification is stored once. */
  dedupeKey: string;
  /** The words that made the rule match. */
  matches: SpeechMatch[];
  /** Of a rule that escalates: 0 for its own actions, then the step. */
  step?: number;
  /** Its rule may have told of enough calls already: decided when it is stored. */
  throttle?: ThrottledBy;
  /** Its rule wants a message of its own. */
  alone?: true;
  /** Set when it speaks for several rules or actions: what each of them planned, the leading one first. */
  parts?: readonly Notification[];
}

/** A recipient of an action that nothing was planned for. */
export interface SkippedRecipient {
  ruleId: string;
  /** Index into the actions of the rule. */
  action: number;
  /** As the rule names it: an expression, `contact:` or `group:`; never an address that was looked up. */
  to: string;
  reason: string;
}

export interface Plan {
  notifications: Notification[];
  skipped: SkippedRecipient[];
}

/** Somebody to send to, before the channel has looked at the address. */
interface Candidate {
  address: string;
  contact?: Contact;
}

/** The action that is being planned, and what came of it. */
interface Work {
  match: RuleMatch;
  index: number;
  action: Action;
  channel: PlanChannel;
  facts: Facts;
  directory: Directory;
  now: number;
  plan: Plan;
  /** Addresses that this action reached already. */
  reached: Set<string>;
  /** Of people with the same hours: a group may be large. */
  dues: Map<string, Due>;
}

// Longer than any address; a tag may hold a whole page.
const ADDRESS_MAX = 320;
// eslint-disable-next-line no-control-regex -- that is what must not be kept
const CONTROLS = /[\u0000-\u001f\u007f\u2028\u2029]+/g;

/**
 * Who gets what, for the rules that matched: one message for each recipient and template (see merge.ts). Nothing is looked up outside the arguments; nothing throws for bad data:
 * an address that is none becomes a dead notification, and a recipient that leads nowhere is skipped with its reason.
 * @param now epoch milliseconds, when the notifications are due
 */
export function planNotifications(...args: Parameters<typeof planStepwise>): Plan {
  const steps = planStepwise(...args);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** {@link planNotifications}, to be put down after each rule. */
export function* planStepwise(
  matches: readonly RuleMatch[],
  facts: Facts,
  directory: Directory,
  channels: readonly PlanChannel[],
  now: number,
): Generator<void, Plan> {
  const plan: Plan = { notifications: [], skipped: [] };
  const dues = new Map<string, Due>();
  for (const match of matches) {
    yield;
    match.rule.actions.forEach((action, index) => {
      const channel = channels.find(({ name }) => name === action.channel);
      if (channel) {
        planAction({ match, index, action, channel, facts, directory, now, plan, reached: new Set(), dues });
        return;
      }
      const reason = `there is no channel "${action.channel}"`;
      for (const to of action.to) plan.skipped.push({ ruleId: match.rule.id, action: index, to, reason });
    });
  }
  return { ...plan, notifications: yield* togetherStepwise(plan.notifications) };
}

function planAction(work: Work): void {
  for (const to of work.action.to) {
    for (const candidate of candidatesFor(to, work)) planRecipient(candidate, to, work);
  }
}

function candidatesFor(to: string, work: Work): Candidate[] {
  if (to.startsWith('contact:')) return contactCandidates(to, work);
  if (to.startsWith('group:')) return groupCandidates(to, work);
  if (isExpression(to)) return expressionCandidates(to, work);
  return [{ address: to }];
}

function contactCandidates(to: string, work: Work): Candidate[] {
  const contact = work.directory.contact(nameIn(to));
  if (contact) return reachable(contact, to, work);
  return skip(work, to, `there is no contact "${nameIn(to)}"`);
}

function groupCandidates(to: string, work: Work): Candidate[] {
  const members = work.directory.group(nameIn(to));
  if (!members) return skip(work, to, `there is no group "${nameIn(to)}"`);
  if (members.length === 0) return skip(work, to, `the group "${nameIn(to)}" has no members`);
  return members.flatMap((contact) => reachable(contact, to, work));
}

function reachable(contact: Contact, to: string, work: Work): Candidate[] {
  const { kind } = work.channel;
  if (contact.channels?.includes(kind) === false) return skip(work, to, refusal(contact, kind));
  const isEmail = kind === 'email';
  const address = isEmail ? contact.email : contact.phone;
  if (address) return [{ address, contact }];
  return skip(work, to, `the contact "${contact.name}" has no ${isEmail ? 'e-mail address' : 'phone number'}`);
}

function expressionCandidates(to: string, work: Work): Candidate[] {
  try {
    const expression = parseRecipientExpression(to, work.match.rule.on);
    const absent = absentPaths(expression, work.facts);
    if (absent.length > 0) return skip(work, to, `${absent.join(', ')} ${absent.length === 1 ? 'is' : 'are'} absent`);
    const address = resolve(expression, work.facts);
    return address === '' ? skip(work, to, 'the expression gives no address') : [{ address }];
  } catch (error) {
    if (error instanceof RuleInvalidError) return skip(work, to, error.message);
    throw error;
  }
}

function skip({ plan, match, index }: Work, to: string, reason: string): Candidate[] {
  plan.skipped.push({ ruleId: match.rule.id, action: index, to, reason });
  return [];
}

function refusal(contact: Contact, kind: ChannelKind): string {
  return `the contact "${contact.name}" is not to be sent ${kind === 'email' ? 'e-mail' : 'SMS'}`;
}

/** An address that a job or a rule gives is a contact's when a contact has it: what the person asked for holds whoever names them. */
function planRecipient({ address, contact: named }: Candidate, source: string, work: Work): void {
  const parsed = parse(address, work.channel);
  const to = parsed.recipient?.address ?? address.replace(CONTROLS, ' ').slice(0, ADDRESS_MAX);
  if (work.reached.has(to.toLowerCase())) return;
  work.reached.add(to.toLowerCase());
  const { kind, sender } = work.channel;
  const contact = named ?? work.directory.contactAt(kind, to);
  if (contact?.channels?.includes(kind) === false) {
    skip(work, source, refusal(contact, kind));
    return;
  }
  const suppression = work.directory.suppression(kind, to, sender);
  work.plan.notifications.push({
    ...common(work, to, source),
    recipient: personal(contact, parsed.recipient),
    ...(parsed.fault === undefined ? outcomeOf(suppression, contact, work) : { state: 'dead', reason: parsed.fault }),
  });
}

function common({ match, index, action, channel, facts, now }: Work, to: string, named: string) {
  const { rule, evaluation } = match;
  const step = match.step ?? (rule.escalate === undefined ? undefined : 0);
  const place = step === undefined || step === 0 ? String(index) : `s${String(step)}.${String(index)}`;
  const throttle = throttledBy(rule, facts.job.tags, { kind: channel.kind, to, named });
  const { kind } = channel;
  // Two deliveries of one job may die: each is worth its own notification.
  const subject = facts.delivery === undefined ? facts.job.id : `${facts.job.id}:${facts.delivery.id}`;
  const segments = action.preview?.segments;
  return {
    ruleId: rule.id,
    ruleName: rule.name,
    ruleVersion: rule.version,
    action: index,
    channel: channel.name,
    kind,
    to,
    template: action.template,
    attach: action.attach ?? [],
    ...(segments === undefined ? {} : { previewSegments: segments }),
    ...(action.urgent === true && { urgent: true }),
    dueAt: now,
    dedupeKey: [subject, rule.id, `v${String(rule.version)}`, place, kind, to].join(':'),
    matches: evaluation.matches,
    ...(step === undefined ? {} : { step }),
    ...(throttle && { throttle }),
    // What asks for an acknowledgement speaks for nobody else.
    ...((rule.merge === false || step !== undefined) && { alone: true as const }),
  };
}

type Outcome = Pick<Notification, 'state' | 'reason' | 'dueAt'>;

function outcomeOf(suppression: string | undefined, contact: Contact | undefined, work: Work): Outcome {
  const { now } = work;
  if (suppression !== undefined) return { state: 'suppressed', reason: suppression, dueAt: now };
  const { at, why } = contact ? dueFor(contact, work) : { at: now };
  return why === undefined ? { state: 'queued', dueAt: now } : { state: 'waiting', reason: WAITS[why], dueAt: at };
}

function dueFor(contact: Contact, { directory, now, action, dues }: Work): Due {
  const hours = hoursOf(contact, directory.timeZone);
  if (!hours) return { at: now };
  const urgent = action.urgent === true;
  const key = JSON.stringify([hours, urgent]);
  const known = dues.get(key) ?? dueAt(now, hours, urgent);
  dues.set(key, known);
  return known;
}

/** What the contact says goes before what the address says. */
function personal(contact: Contact | undefined, parsed: Recipient | undefined): Notification['recipient'] {
  const name = contact?.name ?? parsed?.name;
  const locale = contact?.locale ?? parsed?.locale;
  const timeZone = contact?.timeZone ?? parsed?.timeZone;
  const content = contact?.content;
  return {
    ...(name && { name }),
    ...(locale && { locale }),
    ...(timeZone && { timeZone }),
    ...(content && { content }),
  };
}

/** @returns `fault`: why it gets nothing; it may have a normalised address all the same */
function parse(address: string, channel: PlanChannel): { recipient?: Recipient; fault?: string } {
  let recipient: Recipient | undefined;
  try {
    recipient = channel.parseRecipient(address);
    channel.permit?.(recipient);
    return { recipient };
  } catch (error) {
    if (error instanceof RecipientInvalidError)
      return { ...(recipient && { recipient }), fault: `rejected: ${error.message}` };
    throw error;
  }
}

function nameIn(to: string): string {
  return to.slice(to.indexOf(':') + 1).trim();
}
