import { stringify } from 'yaml';
import { fieldChanges } from '../rules/rule-diff.js';
import type { RuleDefinition } from '../rules/rule.js';
import { sameAsSaved } from '../rules/same-rule.js';
import {
  keyOf,
  writtenContact,
  writtenGroup,
  writtenRedaction,
  writtenRule,
  type Kind,
  type TemplateDefinition,
} from './definitions.js';
import type { Folder, FolderFile, Item } from './folder.js';
import type { Stock } from './stock.js';

/** A folder as it would be written: what is there already, and says the same, is left as somebody wrote it. */
export interface Export {
  files: FolderFile[];
  /** Files of a kind whose thing the server does not have. */
  leftOver: string[];
}

/** @param existing what the folder has by now */
export function exported(stock: Stock, existing: Folder): Export {
  const files: FolderFile[] = [];
  const leftOver: string[] = [];
  const write = (
    kind: Exclude<Kind, 'template'>,
    items: { name: string; definition: object; written: object }[],
  ): void => {
    const { redactions, contacts, groups, rules } = existing;
    const there = { redaction: redactions, contact: contacts, group: groups, rule: rules }[kind];
    const itemOf = new Map<string, Item<unknown>>(there.map((item) => [keyOf(kind, item.name), item] as const));
    const taken = new Set(there.map(({ source }) => source.file.toLowerCase()));
    for (const { name, definition, written } of items) {
      const item = itemOf.get(keyOf(kind, name));
      itemOf.delete(keyOf(kind, name));
      if (item && saysTheSame(kind, item.definition, definition)) continue;
      const path = item?.source.file ?? freePath(`${kind}s`, fileName(name), taken);
      files.push({ path, text: yamlText(written) });
    }
    leftOver.push(...[...itemOf.values()].map(({ source }) => source.file));
  };
  write(
    'redaction',
    sorted(stock.redactions).map(({ name, definition }) => ({
      name,
      definition,
      written: writtenRedaction(definition),
    })),
  );
  write(
    'contact',
    sorted(stock.contacts).map(({ name, definition }) => ({ name, definition, written: writtenContact(definition) })),
  );
  write(
    'group',
    sorted(stock.groups).map(({ name, definition }) => ({ name, definition, written: writtenGroup(definition) })),
  );
  write(
    'rule',
    sorted(stock.rules).map(({ name, definition }) => ({ name, definition, written: writtenRule(definition) })),
  );
  const saved = sorted(stock.templates).filter(({ isSaved }) => isSaved);
  for (const { name, definition } of saved) {
    for (const [part, source] of Object.entries(definition.parts))
      files.push({ path: `templates/${name}/${part}.hbs`, text: `${source}\n` });
    if (definition.description !== '') {
      const text = `${JSON.stringify({ description: definition.description }, null, 2)}\n`;
      files.push({ path: `templates/${name}/template.json`, text });
    }
  }
  leftOver.push(...existing.templates.flatMap(({ name, definition }) => leftParts(name, definition, saved)));
  return { files, leftOver: leftOver.sort() };
}

/** In the normal form of both: a usual value that is written out, or an address in another spelling, is no difference. */
function saysTheSame(kind: Kind, written: unknown, saved: object): boolean {
  if (kind === 'rule') return sameAsSaved(written, () => saved as RuleDefinition) !== undefined;
  return fieldChanges(written as object, saved).length === 0;
}

/** Parts that the folder has and the server has not: they would come back with the next apply. */
function leftParts(name: string, { parts, description }: TemplateDefinition, saved: Stock['templates']): string[] {
  const there = saved.find((one) => one.name === name)?.definition;
  if (!there) return [`templates/${name}/`];
  const more = Object.keys(parts).filter((part) => !(part in there.parts));
  return [
    ...more.map((part) => `templates/${name}/${part}.hbs`),
    ...(description !== '' && there.description === '' ? [`templates/${name}/template.json`] : []),
  ];
}

/**
 * A name as a file may be called on every system: what is not a letter, digit, blank, `_`, `-` or `.` of ASCII is written as bytes, and so
 * is what would make it hidden, a way to another folder, or a test.
 */
export function fileName(name: string): string {
  return encodeURIComponent(name)
    .replaceAll('%20', ' ')
    .replace(/[!'()*~]/g, byteOf)
    .replace(/^\./, byteOf)
    .replace(/[. ]$/, byteOf)
    .replace(/\.test$/i, (text) => `%2E${text.slice(1)}`);
}

function byteOf(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}

/** Two names may differ by case only, which not every file system can tell apart. */
function freePath(place: string, name: string, taken: Set<string>): string {
  for (let i = 1; ; i++) {
    const path = `${place}/${i === 1 ? name : `${name}~${String(i)}`}.yaml`;
    if (taken.has(path.toLowerCase())) continue;
    taken.add(path.toLowerCase());
    return path;
  }
}

function yamlText(value: object): string {
  return stringify(value, { lineWidth: 0 });
}

function sorted<T extends { name: string }>(items: readonly T[]): T[] {
  return [...items].sort((a, b) => (a.name < b.name ? -1 : 1));
}
