import type { ChannelKind } from '../channels/channel.js';
import { RecipientInvalidError, RuleInvalidError } from '../errors.js';
import type { Contact, Directory } from '../recipients/directory.js';
import { toDirectory } from '../recipients/directory.js';
import { fieldChanges } from '../rules/rule-diff.js';
import type { RuleDefinition } from '../rules/rule.js';
import { parseRule, type RuleContext } from '../rules/rule.schema.js';
import { sameAsSaved } from '../rules/same-rule.js';
import { nearest } from '../suggestion.js';
import { kindsOf } from '../templates/template.js';
import {
  keyOf,
  normalAddress,
  type ContactDefinition,
  type GroupDefinition,
  type RedactionDefinition,
  type TemplateDefinition,
} from './definitions.js';
import type { Folder, Item, TemplateItem } from './folder.js';
import type { FolderProblem } from './problem-place.js';

/** What rules and groups may refer to. */
export interface Known {
  channels: readonly { name: string; kind: ChannelKind }[];
  contacts: readonly ContactDefinition[];
  groups: readonly GroupDefinition[];
  templates: readonly TemplateDefinition[];
}

/** Without a server there are the two channels that every Herald has. */
export const USUAL_CHANNELS: Known['channels'] = [
  { name: 'email', kind: 'email' },
  { name: 'sms', kind: 'sms' },
];

/** A folder whose every part is right. */
export interface CheckedFolder {
  redactions: Item<RedactionDefinition>[];
  contacts: Item<ContactDefinition>[];
  groups: Item<GroupDefinition>[];
  templates: TemplateItem[];
  rules: Item<RuleDefinition>[];
}

/** What there is once the folder has been applied: what it says goes before what is there. */
export function merged(folder: Pick<Folder, 'contacts' | 'groups' | 'templates'>, there: Known): Known {
  return {
    channels: there.channels,
    contacts: over('contact', folder.contacts, there.contacts),
    groups: over('group', folder.groups, there.groups),
    templates: over('template', folder.templates, there.templates),
  };
}

/**
 * Checks what groups and rules mean.
 * @param there what is there without the folder, and stays
 * @param saved rules that are there: what says the same as one is not looked at, for it is not changed
 * @returns `problems` with those that the folder had before; the rest is of use only without any
 */
export function checkFolder(
  folder: Folder,
  there: Known,
  saved: readonly { name: string; definition: RuleDefinition }[] = [],
): { checked: CheckedFolder; problems: FolderProblem[] } {
  const known = merged(folder, there);
  const problems = [...folder.problems];
  const groups = folder.groups.map((item) => {
    const { definition, faults } = withKnownMembers(item, known.contacts);
    problems.push(...faults);
    return { ...item, definition };
  });
  const context = ruleContext(known);
  const inForce = new Map(saved.map(({ name, definition }) => [name, definition]));
  const rules = folder.rules.flatMap((item) => {
    const same = sameAsSaved(item.definition, (name) => inForce.get(name));
    if (same) return [{ ...item, definition: same }];
    try {
      return [{ ...item, definition: parseRule(item.definition, context) }];
    } catch (error) {
      if (!(error instanceof RuleInvalidError)) throw error;
      problems.push(...error.errors.map((fault) => item.source.problem(fault)));
      return [];
    }
  });
  const { redactions, contacts, templates } = folder;
  return { checked: { redactions, contacts, groups, templates, rules }, problems };
}

/**
 * Policies for channels that there are not: they would protect nobody.
 * @param saved policies that are there: one that stays as it is may be of a channel that is gone
 */
export function channelProblems(
  { redactions }: Pick<Folder, 'redactions'>,
  channels: Known['channels'],
  saved: readonly { name: string; definition: RedactionDefinition }[],
): FolderProblem[] {
  const names = channels.map(({ name }) => name);
  return redactions.flatMap(({ name, definition, source }) => {
    const there = saved.find((one) => one.name === name);
    if (names.includes(name) || (there && fieldChanges(there.definition, definition).length === 0)) return [];
    const suggestion = nearest(name, names);
    const fault = { pointer: '/channel', message: `there is no channel "${name}"; there is ${names.join(', ')}` };
    return [source.problem(suggestion === undefined ? fault : { ...fault, suggestion })];
  });
}

/** True when the rule could be saved as things are: it names nothing that is still to be made. */
export function isValidOn(rule: RuleDefinition, known: Known): boolean {
  try {
    parseRule(rule, ruleContext(known));
    return true;
  } catch (error) {
    if (error instanceof RuleInvalidError) return false;
    throw error;
  }
}

/** The people and groups as the planner knows them. @param timeZone of people who have none of their own */
export function directoryOf({ contacts, groups }: Pick<Known, 'contacts' | 'groups'>, timeZone = 'UTC'): Directory {
  const people = contacts.map((contact): Contact => ({ id: contact.name, ...contact }));
  return toDirectory(
    people,
    groups.map((group) => ({ id: group.name, ...group })),
    [],
    { timeZone },
  );
}

function ruleContext(known: Known): RuleContext {
  const kindOf = new Map(known.channels.map(({ name, kind }) => [name, kind]));
  return {
    channels: known.channels,
    templates: known.templates.map(({ name, parts }) => ({ name, kinds: kindsOf(parts) })),
    directory: directoryOf(known),
    parseRecipient: (channel, address) => {
      const kind = kindOf.get(channel);
      if (kind === undefined) throw new RecipientInvalidError('The channel is not known');
      return { address: normalAddress(kind, address) };
    },
  };
}

/** Members as their contacts spell them, each once: so does the server. */
function withKnownMembers(
  { definition, source }: Item<GroupDefinition>,
  contacts: readonly ContactDefinition[],
): { definition: GroupDefinition; faults: FolderProblem[] } {
  const names = new Map(contacts.map(({ name }) => [keyOf('contact', name), name]));
  const faults = definition.members.flatMap((member, i) => {
    if (names.has(keyOf('contact', member))) return [];
    const suggestion = nearest(member, names.values());
    const fault = { pointer: `/members/${String(i)}`, message: `there is no contact "${member}"` };
    return [source.problem(suggestion === undefined ? fault : { ...fault, suggestion })];
  });
  const members = definition.members.map((member) => names.get(keyOf('contact', member)) ?? member);
  return { definition: { ...definition, members: [...new Set(members)] }, faults };
}

function over<T extends { name: string }>(
  kind: 'contact' | 'group' | 'template',
  items: readonly { name: string; definition: T }[],
  there: readonly T[],
): T[] {
  const names = new Set(items.map(({ name }) => keyOf(kind, name)));
  return [...items.map(({ definition }) => definition), ...there.filter(({ name }) => !names.has(keyOf(kind, name)))];
}
