import { z } from 'zod';
import { isObject } from '../json.js';
import { PROBLEM_TYPE } from './problem.js';

/** The schema of one page of a list, for the description of an answer. */
export function pageOf<Item extends z.ZodType>(item: Item) {
  return z.object({ items: z.array(item), nextCursor: z.string().optional() });
}

/**
 * A zod schema in OpenAPI 3.0's dialect, whole: what it refers to is written out, and a schema that holds itself ends as "anything".
 * @param schemaType `input` for what is sent, `output` for what is answered
 * @returns undefined for a schema of another library
 */
export function toOpenApiSchema(schema: unknown, schemaType: 'input' | 'output'): { schema: unknown } | undefined {
  if (!(schema instanceof z.ZodType)) return undefined;
  const {
    $schema: _dialect,
    $defs,
    ...rest
  }: Record<string, unknown> = z.toJSONSchema(schema, {
    target: 'openapi-3.0',
    io: schemaType,
    // A transformed or self-checked value has no form of its own to show; what it is made from is shown.
    unrepresentable: 'any',
    reused: 'inline',
  });
  return { schema: writtenOut(rest, isObject($defs) ? $defs : {}, []) };
}

function writtenOut(value: unknown, definitions: Record<string, unknown>, inside: readonly string[]): unknown {
  if (Array.isArray(value)) return value.map((item) => writtenOut(item, definitions, inside));
  if (!isObject(value)) return value;
  const { $ref: reference, ...rest } = value;
  if (typeof reference !== 'string') {
    return mapValues(value, (inner) => writtenOut(inner, definitions, inside));
  }
  const target = definitions[reference.replace(/^#\/(\$defs|definitions)\//, '')];
  if (inside.includes(reference) || !isObject(target)) return rest;
  return { ...(writtenOut(target, definitions, [...inside, reference]) as object), ...rest };
}

const PROBLEM_SCHEMA = {
  type: 'object',
  required: ['type', 'title', 'status', 'code'],
  properties: {
    type: { type: 'string', example: '/docs/errors#REQUEST_INVALID' },
    title: { type: 'string', example: 'The request is not of the form that the route takes' },
    status: { type: 'integer', example: 400 },
    code: { type: 'string', example: 'REQUEST_INVALID' },
    detail: { type: 'string', example: 'The body is not as this route takes it; see errors' },
    requestId: { type: 'string', example: '0199a3c2-7d10-7c44-9f3e-5b1f0c8a2d11' },
    errors: {
      type: 'array',
      items: {
        type: 'object',
        required: ['pointer', 'message'],
        properties: {
          pointer: { type: 'string', example: '/options/diarise' },
          message: { type: 'string', example: 'is not known here: did you mean diarize?' },
          line: { type: 'integer' },
          column: { type: 'integer' },
          suggestion: { type: 'string', example: 'diarize' },
        },
      },
    },
  },
};

/** What is read and changed of an OpenAPI document. */
export interface OpenApiDocument {
  paths: Record<string, object>;
  components?: { schemas?: object; responses?: object } | undefined;
}

const METHODS = new Set(['get', 'put', 'post', 'delete', 'patch', 'head', 'options']);

/** Every operation may answer with a problem: told once in the components, and referred to from each of them. */
export function describeProblems<Document extends OpenApiDocument>(document: Document): Document {
  const reference = { $ref: '#/components/responses/Problem' };
  const paths = mapValues(document.paths, (item) =>
    mapValues(item as object, (operation, key) =>
      METHODS.has(key) && isObject(operation)
        ? { ...operation, responses: { ...(operation.responses as object), default: reference } }
        : operation,
    ),
  );
  const content = { [PROBLEM_TYPE]: { schema: { $ref: '#/components/schemas/Problem' } } };
  const { components = {} } = document;
  return {
    ...document,
    paths,
    components: {
      ...components,
      schemas: { ...components.schemas, Problem: PROBLEM_SCHEMA },
      responses: { ...components.responses, Problem: { description: 'What went wrong (RFC 9457)', content } },
    },
  };
}

function mapValues<Value>(record: object, change: (value: unknown, key: string) => Value): Record<string, Value> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value, key)]));
}
