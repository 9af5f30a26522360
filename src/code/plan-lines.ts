import type { FieldChange } from '../rules/rule-diff.js';
import type { Change } from './changes.js';

/** Characters of a value that a line shows; a template is longer than anybody reads here. */
const VALUE_MAX = 120;

const SIGNS = { create: '+', update: '~', delete: '-' } as const;

/** A line a change, and below it one a field. */
export function changeLines(changes: readonly Change[]): string[] {
  return changes.flatMap((change) => [
    `${SIGNS[change.action]} ${change.kind} ${change.name}`,
    ...change.fields.map((field) => `    ${fieldLine(field)}`),
  ]);
}

/** `2 to make, 1 to change, 0 to delete` */
export function countLine(changes: readonly Change[]): string {
  const count = (action: Change['action']) => String(changes.filter((change) => change.action === action).length);
  return `${count('create')} to make, ${count('update')} to change, ${count('delete')} to delete.`;
}

function fieldLine({ path, before, after }: FieldChange): string {
  const name = path.replace(/^\//, '');
  if (before === null) return `${name}: + ${valueText(after)}`;
  if (after === null) return `${name}: - ${valueText(before)}`;
  return `${name}: ${valueText(before)} -> ${valueText(after)}`;
}

function valueText(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > VALUE_MAX ? `${text.slice(0, VALUE_MAX)}… (${String(text.length)} characters)` : text;
}
