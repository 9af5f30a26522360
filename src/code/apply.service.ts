import { z } from 'zod';
import type { Change } from './changes.js';
import { PLACES, type Kind, type RedactionDefinition } from './definitions.js';
import { templateFile, type Folder } from './folder.js';
import { HeraldRefusal, type HeraldClient } from './herald-client.service.js';
import { messageOf, problemLine } from './problem-place.js';
import type { StockedContact } from './stock.js';

/** What another did, by the answer: gone, of another version, there although it was not. */
const OVERTAKEN: Readonly<Record<number, string>> = { 404: 'deleted', 412: 'changed', 428: 'made' };

const DONE = { create: 'made', update: 'changed', delete: 'deleted' } as const;

/** What of an answer is told: rules and contacts that are taken, but worth a look. */
const told = z.object({
  warnings: z.array(z.union([z.string(), z.object({ pointer: z.string(), message: z.string() })])).optional(),
});

/**
 * Does the changes one after the other, each only on what was read: what somebody else changed since is refused, and ends it.
 * @param tell a line for each that is done
 * @returns what was refused; all before it is done, and the next apply goes on from there
 */
export async function applyChanges(
  client: HeraldClient,
  changes: readonly Change[],
  tell: (line: string) => void,
): Promise<{ change: Change; refusal: HeraldRefusal } | undefined> {
  for (const change of changes) {
    let answer: unknown;
    try {
      answer = await requested(client, change);
    } catch (error) {
      if (error instanceof HeraldRefusal) return { change, refusal: error };
      throw error;
    }
    tell(`${change.kind} ${change.name}: ${DONE[change.action]}`);
    const { data } = told.safeParse(answer ?? {});
    for (const warning of data?.warnings ?? [])
      tell(`  note: ${typeof warning === 'string' ? warning : `${warning.pointer.slice(1)}: ${warning.message}`}`);
  }
  return undefined;
}

/** Why a change was refused, at its place in the folder. */
export function refusalLines(refusal: HeraldRefusal, change: Change, folder: Folder): string[] {
  const { errors, message, status } = refusal;
  const what = `${change.kind} ${change.name}`;
  const overtaken = OVERTAKEN[status];
  if (overtaken !== undefined) return [`${what}: somebody else ${overtaken} it meanwhile. Plan again.`];
  if (errors.length === 0 || change.action === 'delete') return [`${what}: ${message}`];
  return errors.map((fault) => {
    if (change.kind === 'template') {
      const { line, column } = fault;
      const place = line === undefined ? {} : { line, column: column ?? 1 };
      return problemLine({ file: templateFile(change.name, fault.pointer), ...place, message: messageOf(fault) });
    }
    const source = sourceOf(folder, change.kind, change.name);
    return source ? problemLine(source.problem(fault)) : `${what}: ${messageOf(fault)}`;
  });
}

async function requested(client: HeraldClient, change: Change): Promise<unknown> {
  const { kind, name, action, before } = change;
  const collection = `/v1/${PLACES[kind]}`;
  const body = bodyOf(change);
  if (action === 'delete')
    return client.ask('DELETE', before?.path ?? collection, z.unknown(), before ? { ifMatch: before.etag } : {});
  if (kind === 'template' || kind === 'redaction') {
    const match = before === undefined ? {} : { ifMatch: before.etag };
    return client.ask('PUT', `${collection}/${encodeURIComponent(name)}`, z.unknown(), { body, ...match });
  }
  if (before === undefined) return client.ask('POST', collection, z.unknown(), { body });
  return client.ask('PUT', before.path, z.unknown(), { body, ifMatch: before.etag });
}

function bodyOf({ kind, definition, before }: Change): unknown {
  if (definition === undefined) return undefined;
  if (kind === 'contact') {
    const { snoozedUntil } = (before ?? {}) as Partial<StockedContact>;
    return { ...definition, ...(snoozedUntil === undefined ? {} : { snoozedUntil }) };
  }
  if (kind === 'redaction') {
    const { enabled, rules } = definition as RedactionDefinition;
    return { enabled, rules };
  }
  if (kind !== 'template') return definition;
  const { description, parts } = definition as { description: string; parts: object };
  return { description, parts };
}

function sourceOf(folder: Folder, kind: Exclude<Kind, 'template'>, name: string) {
  const { redactions, contacts, groups, rules } = folder;
  const items = { redaction: redactions, contact: contacts, group: groups, rule: rules }[kind];
  return items.find((item) => item.name === name)?.source;
}
