import Handlebars from 'handlebars';
import type { FieldError } from '../errors.js';
import { RuleInvalidError } from '../errors.js';
import { nearest } from '../suggestion.js';
import type { Facts, Trigger } from '../transcripts/facts.js';
import { FACTS_BY_TRIGGER, fieldNames, fieldOf, pathsTo, triggersKnowing } from './condition-facts.js';

/**
 * `{{job.tags.email}}` as a recipient: literal text and plain paths over the facts. Handlebars only parses it; nothing of it
 * ever runs, so there is no helper, block or prototype to reach.
 */

type Part = { text: string } | { path: readonly string[] };

export interface RecipientExpression {
  source: string;
  parts: readonly Part[];
}

/** True for a recipient that is looked up in the facts of each job. */
export function isExpression(to: string): boolean {
  return to.includes('{{');
}

/**
 * @throws RuleInvalidError with every problem; pointers are empty, for the caller to fill, and columns count in `source`
 */
export function parseRecipientExpression(source: string, on: Trigger): RecipientExpression {
  const errors: FieldError[] = [];
  const parts = programOf(source).body.map((statement) => toPart(statement, on, errors));
  if (errors.length > 0) throw invalid(errors);
  return { source, parts: parts.filter((part) => part !== undefined) };
}

/** The address for one job; a path that leads nowhere gives `""`. The result is trimmed. */
export function resolve(expression: RecipientExpression, facts: Facts): string {
  const texts = expression.parts.map((part) => ('text' in part ? part.text : (valueAt(facts, part.path) ?? '')));
  return texts.join('').trim();
}

/** Paths of the expression that lead nowhere for one job, for the reason why nothing was sent. */
export function absentPaths(expression: RecipientExpression, facts: Facts): string[] {
  return expression.parts
    .filter((part) => 'path' in part)
    .filter(({ path }) => !valueAt(facts, path))
    .map(({ path }) => path.join('.'));
}

function programOf(source: string): hbs.AST.Program {
  try {
    return Handlebars.parse(source);
  } catch {
    throw invalid([problem('an expression is written {{job.tags.email}}: two braces, a path, two braces', 0)]);
  }
}

function toPart(statement: hbs.AST.Statement, on: Trigger, errors: FieldError[]): Part | undefined {
  const { column } = statement.loc.start;
  if (statement.type === 'ContentStatement') return { text: (statement as hbs.AST.ContentStatement).value };
  if (statement.type !== 'MustacheStatement') {
    errors.push(
      problem('only paths can stand in a recipient, as in {{job.tags.email}}: no blocks, partials or comments', column),
    );
    return undefined;
  }
  const mustache = statement as hbs.AST.MustacheStatement;
  const { path } = mustache;
  if (!mustache.escaped) errors.push(problem('write two braces, not three: nothing is escaped in a recipient', column));
  if (path.type !== 'PathExpression' || mustache.params.length > 0 || hasPairs(mustache)) {
    errors.push(problem('helpers cannot be used in a recipient, only a path as in {{job.tags.email}}', column));
    return undefined;
  }
  return toPath(path as hbs.AST.PathExpression, on, errors);
}

function hasPairs(mustache: hbs.AST.MustacheStatement): boolean {
  const hash = mustache.hash as hbs.AST.Hash | undefined;
  return (hash?.pairs.length ?? 0) > 0;
}

function toPath(path: hbs.AST.PathExpression, on: Trigger, errors: FieldError[]): Part {
  const { column } = path.loc.start;
  // Typings of Handlebars leave out that a part may itself be a sub-expression.
  const names = path.parts.map(String);
  const fault = path.data || path.depth > 0 ? undefined : pathFault(names, on);
  if (path.data || path.depth > 0)
    errors.push(problem('a path starts with the name of a fact, as in {{job.tags.email}}', column));
  if (fault) errors.push(problem(fault.message, column, fault.suggestion));
  return { path: names };
}

/** Why a path cannot be an address or a part of one. */
function pathFault(names: string[], on: Trigger): { message: string; suggestion?: string } | undefined {
  const [root = '', ...rest] = names;
  const roots = Object.entries(FACTS_BY_TRIGGER[on]).filter(([name]) => name !== 'speech');
  let type = roots.find(([name]) => name === root)?.[1];
  if (type === undefined)
    return unknownRoot(
      names,
      on,
      roots.map(([name]) => name),
    );
  for (const [i, name] of rest.entries()) {
    const owner = names.slice(0, i + 1).join('.');
    const field = fieldOf(type, name);
    if (!field) {
      const near = nearest(name, fieldNames(type));
      const suggestion = near && `{{${[owner, near, ...rest.slice(i + 1)].join('.')}}}`;
      return { message: `${owner} has no field "${name}"`, ...(suggestion && { suggestion }) };
    }
    ({ type } = field);
  }
  if (['string', 'double', 'dyn'].includes(type)) return undefined;
  return {
    message: `${names.join('.')} is not a text: name a field of it`,
    ...(type.startsWith('map') && { suggestion: `{{${names.join('.')}.email}}` }),
  };
}

function unknownRoot(names: string[], on: Trigger, roots: string[]): { message: string; suggestion?: string } {
  const [root = '', ...rest] = names;
  const elsewhere = triggersKnowing(root).filter(() => root !== 'speech');
  if (elsewhere.length > 0) return { message: `${root} is not known on ${on}; it is known on ${elsewhere.join(', ')}` };
  const near = pathsTo(on).get(root) ?? nearest(root, roots);
  const message = `"${root}" is not known here; known are ${roots.join(', ')}`;
  return near === undefined ? { message } : { message, suggestion: `{{${[near, ...rest].join('.')}}}` };
}

/** undefined when it is absent, and for what cannot be an address: lists, maps, true and false. */
function valueAt(facts: Facts, path: readonly string[]): string | undefined {
  let value: unknown = facts;
  for (const name of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Record<string, unknown>)[name];
  }
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' ? value : undefined;
}

function problem(message: string, column: number, suggestion?: string): FieldError {
  return { pointer: '', message, line: 1, column: column + 1, ...(suggestion === undefined ? {} : { suggestion }) };
}

function invalid(errors: FieldError[]): RuleInvalidError {
  return new RuleInvalidError(`The recipient is not valid: ${errors[0]?.message ?? ''}`, { errors });
}
