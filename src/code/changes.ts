import { fieldChanges, type FieldChange } from '../rules/rule-diff.js';
import type { CheckedFolder, Known } from './check.js';
import { keyOf, KINDS, type Kind } from './definitions.js';
import type { Folder } from './folder.js';
import { stocked, stockOf, type Stock, type Stocked } from './stock.js';

/** One request that brings a Herald nearer to a folder. */
export interface Change {
  kind: Kind;
  name: string;
  action: 'create' | 'update' | 'delete';
  /** Empty unless it is an update. */
  fields: FieldChange[];
  /** What is to be there then; absent for a delete. */
  definition?: object;
  /** What is there now; absent for a create. */
  before?: Stocked<object>;
}

/**
 * What has to be done, in the order in which it can be: redactions, contacts, groups, templates, rules, and then what goes, the other way round.
 * @param prune whether what the folder does not have goes
 */
export function changesTo(folder: CheckedFolder, stock: Stock, prune: boolean): Change[] {
  const saves = KINDS.flatMap((kind) =>
    itemsOf(folder, kind).flatMap(({ name, definition }) => saveOf(kind, name, definition, stocked(stock, kind, name))),
  );
  return prune ? [...saves, ...surplus(folder, stock)] : saves;
}

/**
 * What there is on the server that the folder does not have, in the order in which it can go. A kind of which the folder has nothing is
 * not kept in it, and so nothing of that kind is surplus.
 */
export function surplus(folder: CheckedFolder, stock: Stock): Change[] {
  return [...KINDS].reverse().flatMap((kind) => {
    if (itemsOf(folder, kind).length === 0) return [];
    const kept = new Set(itemsOf(folder, kind).map(({ name }) => keyOf(kind, name)));
    return stockOf(stock, kind)
      .filter((one) => !kept.has(keyOf(kind, one.name)) && !isFile(kind, stock, one.name))
      .map((before): Change => ({ kind, name: before.name, action: 'delete', fields: [], before }));
  });
}

/** What is there and stays unless the folder says otherwise: all of it, or with `prune` what {@link surplus} leaves. */
export function staying(folder: Folder, stock: Stock, prune: boolean): Known {
  const goes = (items: readonly unknown[]) => prune && items.length > 0;
  const templates = stock.templates.filter(({ isSaved }) => !isSaved || !goes(folder.templates));
  return {
    channels: stock.channels,
    contacts: goes(folder.contacts) ? [] : stock.contacts.map(({ definition }) => definition),
    groups: goes(folder.groups) ? [] : stock.groups.map(({ definition }) => definition),
    templates: templates.map(({ definition }) => definition),
  };
}

function saveOf(kind: Kind, name: string, definition: object, before: Stocked<object> | undefined): Change[] {
  if (!before) return [{ kind, name, action: 'create', fields: [], definition }];
  const fields = fieldChanges(before.definition, definition);
  return fields.length === 0 ? [] : [{ kind, name, action: 'update', fields, definition, before }];
}

function isFile(kind: Kind, stock: Stock, name: string): boolean {
  return kind === 'template' && stock.templates.some((one) => one.name === name && !one.isSaved);
}

function itemsOf(folder: CheckedFolder, kind: Kind): readonly { name: string; definition: object }[] {
  const { redactions, contacts, groups, templates, rules } = folder;
  return { redaction: redactions, contact: contacts, group: groups, template: templates, rule: rules }[kind];
}
