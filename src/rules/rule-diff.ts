import difference from 'microdiff';
import { jsonPointer } from '../http/schema-issues.js';
import type { RuleDefinition } from './rule.js';

/** One field that differs between two versions of a rule. */
export interface FieldChange {
  /** JSON pointer into the rule (`/actions/0/to/1`); empty for the whole of it. */
  path: string;
  /** null: it was, or is, not there. */
  before: unknown;
  after: unknown;
}

/** What differs, field by field; items of lists are compared by their place. @param before null: the version deleted the rule */
export function ruleChanges(before: RuleDefinition | null, after: RuleDefinition | null): FieldChange[] {
  if (before === null || after === null) return before === after ? [] : [{ path: '', before, after }];
  return fieldChanges(before, after);
}

/** {@link ruleChanges} of anything else that JSON can carry. */
export function fieldChanges(before: object, after: object): FieldChange[] {
  return difference(before, after).map((change) => ({
    path: jsonPointer(change.path),
    before: change.type === 'CREATE' ? null : (change.oldValue as unknown),
    after: change.type === 'REMOVE' ? null : (change.value as unknown),
  }));
}
