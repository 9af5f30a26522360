import type { FieldError } from '../errors.js';
import { nearest } from '../suggestion.js';

/** One failure of a Standard Schema; zod adds the rest to it. */
export interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
  readonly code?: string;
  /** `unrecognized_keys`: the names that the schema does not know. */
  readonly keys?: readonly string[];
  /** `invalid_union`: the issues of each alternative. */
  readonly errors?: readonly (readonly SchemaIssue[])[];
}

/** What is read of a zod schema to find the names that it knows. */
interface ZodLike {
  readonly _zod?: {
    readonly def: {
      readonly shape?: Readonly<Record<string, ZodLike>>;
      readonly innerType?: ZodLike;
      readonly element?: ZodLike;
      readonly valueType?: ZodLike;
      readonly in?: ZodLike;
      readonly left?: ZodLike;
      readonly right?: ZodLike;
      readonly options?: readonly ZodLike[];
      readonly getter?: () => ZodLike;
    };
  };
}

type Path = readonly PropertyKey[];

/** A hostile body can be wrong in a million places; a person reads the first few. */
const MAX_ERRORS = 50;
const MAX_NAME = 100;

/**
 * Field errors of what a schema refused. Messages name the field and what would be right, never the value.
 * @param schema where the names that would have been right are looked up, for "did you mean"
 * @param pointTo turns the path of a value into the pointer of a field error
 */
export function toFieldErrors(
  issues: readonly SchemaIssue[],
  schema: unknown,
  pointTo: (path: Path) => string,
): FieldError[] {
  const found: FieldError[] = [];
  const collect = (list: readonly SchemaIssue[], under: Path): void => {
    for (const issue of list) {
      if (found.length >= MAX_ERRORS) return;
      const path = [...under, ...pathOf(issue)];
      const alternative = issue.code === 'invalid_union' ? nearestAlternative(issue.errors ?? []) : undefined;
      if (alternative) collect(alternative, path);
      else if (issue.code === 'unrecognized_keys')
        found.push(...unknownFields(issue.keys ?? [], path, schema, pointTo));
      else found.push({ pointer: pointTo(path), message: messageOf(issue) });
    }
  };
  collect(issues, []);
  return found.slice(0, MAX_ERRORS);
}

/** RFC 6901; the empty pointer is the whole body. */
export function jsonPointer(path: Path): string {
  return path.map((step) => `/${nameOf(step).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}

/** Name of a query or path parameter. */
export function parameterName(path: Path): string {
  return path.map(nameOf).join('.');
}

function pathOf(issue: SchemaIssue): PropertyKey[] {
  return (issue.path ?? []).map((step) => (typeof step === 'object' ? step.key : step));
}

function nameOf(step: PropertyKey): string {
  return String(step).slice(0, MAX_NAME);
}

function messageOf(issue: SchemaIssue): string {
  return issue.message.replace(/^Invalid input: expected (.*), received undefined$/, 'is missing: expected $1');
}

/** The alternative that the value came nearest to: the fewest things wrong with it, and those deepest. */
function nearestAlternative(alternatives: readonly (readonly SchemaIssue[])[]): readonly SchemaIssue[] | undefined {
  const depth = (list: readonly SchemaIssue[]) => Math.max(...list.map((issue) => pathOf(issue).length));
  return alternatives
    .filter((list) => list.length > 0)
    .toSorted((a, b) => depth(b) - depth(a) || a.length - b.length)[0];
}

function unknownFields(
  keys: readonly string[],
  path: Path,
  schema: unknown,
  pointTo: (path: Path) => string,
): FieldError[] {
  const known = knownNames(schema, path);
  return keys.slice(0, MAX_ERRORS).map((key) => {
    const suggestion = nearest(key, known);
    const message = suggestion === undefined ? 'is not known here' : `is not known here: did you mean ${suggestion}?`;
    return { pointer: pointTo([...path, key]), message, ...(suggestion !== undefined && { suggestion }) };
  });
}

/** Names that an object at `path` may have, over all alternatives of the schema. */
function knownNames(schema: unknown, path: Path): string[] {
  let schemas = variants(schema as ZodLike);
  for (const step of path) schemas = schemas.flatMap((inner) => variants(child(inner, step)));
  return [...new Set(schemas.flatMap((inner) => Object.keys(inner._zod?.def.shape ?? {})))];
}

function child(schema: ZodLike, step: PropertyKey): ZodLike | undefined {
  const def = schema._zod?.def;
  if (def?.shape) return Object.hasOwn(def.shape, step) ? def.shape[String(step)] : undefined;
  return def?.element ?? def?.valueType;
}

/** The schema without its wrappers (optional, default, lazy, pipe), a union as its alternatives. */
function variants(schema: ZodLike | undefined, seen = new Set<ZodLike>()): ZodLike[] {
  if (!schema?._zod || seen.has(schema)) return [];
  seen.add(schema);
  const { def } = schema._zod;
  const inner = [def.innerType, def.in, def.left, def.right, def.getter?.(), ...(def.options ?? [])];
  const unwrapped = inner.filter((one) => one !== undefined).flatMap((one) => variants(one, seen));
  return unwrapped.length > 0 ? unwrapped : [schema];
}
