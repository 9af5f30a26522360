import type { ChannelKind } from '../channels/channel.js';
import { etagOf } from '../http/etag.js';
import type { ShownContact, ShownGroup } from '../recipients/recipients.schema.js';
import type { ShownPolicy } from '../redaction/redactions.schema.js';
import type { RuleDefinition } from '../rules/rule.js';
import type { ShownRule } from '../rules/rule-view.js';
import type { ShownTemplateWithParts } from '../templates/templates.schema.js';
import {
  keyOf,
  type ContactDefinition,
  type GroupDefinition,
  type Kind,
  type RedactionDefinition,
  type TemplateDefinition,
} from './definitions.js';

/** A thing that a running Herald has. */
export interface Stocked<T> {
  name: string;
  definition: T;
  /** Path of it under `/v1`. */
  path: string;
  /** What If-Match takes. */
  etag: string;
}

export interface StockedContact extends Stocked<ContactDefinition> {
  /** ISO 8601; a change of the contact must not end it. */
  snoozedUntil?: string;
}

export interface StockedTemplate extends Stocked<TemplateDefinition> {
  /** False for files of the server, which nobody can delete over the API. */
  isSaved: boolean;
}

/** What a running Herald has, as it was read. */
export interface Stock {
  channels: { name: string; kind: ChannelKind }[];
  redactions: Stocked<RedactionDefinition>[];
  contacts: StockedContact[];
  groups: Stocked<GroupDefinition>[];
  templates: StockedTemplate[];
  rules: Stocked<RuleDefinition>[];
}

export function stockedRedaction({ channel, version, enabled, rules }: ShownPolicy): Stocked<RedactionDefinition> {
  return {
    name: channel,
    definition: { channel, enabled, rules },
    path: `/v1/redactions/${encodeURIComponent(channel)}`,
    etag: etagOf(version),
  };
}

export function stockedContact(shown: ShownContact): StockedContact {
  const { id, createdAt: _created, updatedAt, warnings: _warnings, snoozedUntil, ...definition } = shown;
  const { name } = definition;
  return {
    name,
    definition,
    path: `/v1/contacts/${id}`,
    etag: etagOf(Date.parse(updatedAt)),
    ...(snoozedUntil === undefined ? {} : { snoozedUntil }),
  };
}

export function stockedGroup({ id, name, members, updatedAt }: ShownGroup): Stocked<GroupDefinition> {
  return { name, definition: { name, members }, path: `/v1/groups/${id}`, etag: etagOf(Date.parse(updatedAt)) };
}

export function stockedTemplate({
  name,
  description,
  parts,
  version,
  source,
}: ShownTemplateWithParts): StockedTemplate {
  return {
    name,
    definition: { name, description, parts },
    path: `/v1/templates/${name}`,
    etag: etagOf(version),
    isSaved: source === 'stored',
  };
}

export function stockedRule(shown: ShownRule): Stocked<RuleDefinition> {
  const { id, version, createdAt: _created, updatedAt: _updated, problem: _problem, ...definition } = shown;
  return { name: definition.name, definition, path: `/v1/rules/${id}`, etag: etagOf(version) };
}

/** All of a kind. */
export function stockOf(stock: Stock, kind: Kind): readonly Stocked<object>[] {
  const { redactions, contacts, groups, templates, rules } = stock;
  return { redaction: redactions, contact: contacts, group: groups, template: templates, rule: rules }[kind];
}

/** The thing of a name. */
export function stocked(stock: Stock, kind: Kind, name: string): Stocked<object> | undefined {
  return stockOf(stock, kind).find((one) => keyOf(kind, one.name) === keyOf(kind, name));
}
