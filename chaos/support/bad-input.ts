import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { hookPassword } from '../../src/callbacks/hook-credential.js';
import { isObject } from '../../src/json.js';
import { fixtures, readFixture } from '../../test/fixtures/deepgram/index.js';
import { ADMIN_KEY, basic, HOOK_PASSWORD, SECRET } from '../../test/support/server.js';
import { sharedBodies, sharedErrors, sharedRead, sharedStreaming } from '../../test/support/shared-deepgram.js';

/** A request as it goes over the wire. */
export interface BadInput {
  method: string;
  /** Percent-encoded or not, as it stands. */
  path: string;
  headers: Record<string, string>;
  body: Buffer;
}

/** What exists on the server, by the name of the path parameter that takes it. */
export type Known = Record<string, string[]>;

/** Some vendors' errors are plain text. */
function parsedOrText(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8')) as unknown;
  } catch {
    return bytes.toString('utf8');
  }
}

/** One that is no repeat, and whose job is told to somebody. */
function asAnotherRequest(body: unknown, requestId: string): unknown {
  if (!isObject(body) || !isObject(body.metadata)) return body;
  return { ...body, metadata: { ...body.metadata, request_id: requestId, extra: { email: 'dana@clinic.example' } } };
}

interface Operation {
  method: string;
  path: string;
  queries: string[];
  example: unknown;
}

/** Larger real bodies have suites of their own; of these a machine takes hundreds a second. */
const SMALL = 16_000;

/** Not asked: an event stream has no end. */
const ENDLESS = ['/v1/events'];

const real = [...sharedBodies(), ...sharedErrors(), ...sharedRead(), ...sharedStreaming()].map(({ bytes }) => bytes);
const COMPOSED = fixtures.map(({ file }) => readFixture(file));
const BODIES = [...COMPOSED, ...COMPOSED, ...real].filter(({ length }) => length < SMALL);

/** Texts that stand in the place of a value, as JSON: some cannot be said by `JSON.stringify`. */
const VALUES = [
  ...[
    'null',
    'true',
    '-1',
    '0.1',
    '1e400',
    '-1e400',
    '1e-400',
    '9007199254740993',
    '[]',
    '{}',
    '""',
    '" "',
    '"\\u0000"',
  ],
  ...[
    '"\\ud800"',
    '"\\udc00x"',
    '"\\u202e\\u200b\\ufeff"',
    '"{{constructor}}"',
    '"{{#each this}}"',
    '"%s%n$(7*7)<%= 7 %>"',
  ],
  ...[
    `"' or 1=1 --"`,
    '"<script>alert(1)</script>"',
    '"../../etc/passwd"',
    '"a@b.example\\r\\nBcc: c@d.example"',
    '"é\u0301👩‍👩‍👧"',
  ],
  ...[
    '{"__proto__":{"polluted":1}}',
    '{"constructor":{"prototype":{"polluted":1}}}',
    '[[[[[[[[[[1]]]]]]]]]]',
    '"(a+)+$"',
  ],
  ...[
    `"${'x'.repeat(20_000)}"`,
    `${'['.repeat(3_000)}${']'.repeat(3_000)}`,
    '"2026-02-31T25:61:00Z"',
    '"job.tags[\'a\'] == 1"',
  ],
  ...[
    'NaN',
    'undefined',
    "'single'",
    '01',
    '1 2',
    '// no',
    '"\\x"',
    '"open',
    '[1,]',
    '{"a":1,"a":2}',
    '"\t"',
    '9'.repeat(400),
  ],
];

const PIECES = [
  '\0',
  '\ufeff',
  '"',
  '\\',
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '\u2028',
  '\ud83d',
  '__proto__',
  '1e999',
  '\r\n',
];

const IDS = [
  ...[
    '0',
    '-1',
    'null',
    'undefined',
    '%00',
    '%ff',
    '%E0%A4',
    '..%2f..%2fetc%2fpasswd',
    '%252e%252e',
    'a%20b',
    '%F0%9F%92%A9',
  ],
  ...[
    '__proto__',
    'constructor',
    '00000000-0000-0000-0000-000000000000',
    "'--",
    '*',
    '{}',
    '%',
    '%zz',
    'a'.repeat(5_000),
  ],
];

const TEXTS = [
  ...[
    '',
    '0',
    '-1',
    '1e9',
    'NaN',
    '1e400',
    'null',
    '%00',
    '%ff',
    "' or 1=1--",
    '[object Object]',
    'true',
    '2026-13-45',
    '*',
  ],
  ...[
    'completed',
    'dead',
    'eyJvcmRlciI6MX0',
    '%7B%22%24ne%22%3A1%7D',
    'é',
    'x'.repeat(3_000),
    '"',
    '(',
    'a b',
    '%E2%80%AE',
  ],
];

const TYPES = [
  'text/plain',
  'application/json; charset=utf-16',
  'multipart/form-data',
  'audio/wav',
  'x',
  '',
  '*/*; q=',
  'a/b;'.repeat(50),
];

const HEADERS: [name: string, values: string[]][] = [
  ['content-encoding', ['gzip', 'br', 'zstd', 'gzip, gzip', '', 'identity']],
  ['if-match', ['*', '"v1"', 'W/"v1"', '"v999999999999999999999"', 'v1', '""']],
  ['idempotency-key', ['', 'k', ' ', '"k"', 'x'.repeat(4_000), '{}']],
  ['accept', ['', 'text/html', '*/*', ';;;']],
  ['x-forwarded-for', ['127.0.0.1', "' or 1=1", 'x'.repeat(2_000)]],
  ['x-request-id', ['x'.repeat(3_000), '<b>', '\u00e9']],
  ['range', ['bytes=0-', 'bytes=9-1']],
  ['expect', ['200-ok']],
];

/** Every operation of the committed OpenAPI document, with a body that it takes. */
function operations(): Operation[] {
  const document = JSON.parse(readFileSync(new URL('../../docs/openapi.json', import.meta.url), 'utf8')) as {
    paths: Record<string, Record<string, OperationObject>>;
  };
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    ENDLESS.includes(path)
      ? []
      : Object.entries(methods).map(([method, operation]) => ({
          method: method.toUpperCase(),
          path,
          queries: (operation.parameters ?? []).flatMap((one) => (one.in === 'query' ? [one.name] : [])),
          example: exampleOf(operation.requestBody?.content?.['application/json']),
        })),
  );
}

interface Example {
  example?: unknown;
}
interface OperationObject {
  parameters?: { name: string; in: string }[];
  requestBody?: { content?: Record<string, Example & { schema?: Example & { oneOf?: Schema[] } & Schema }> };
}
interface Schema extends Example {
  properties?: Record<string, Schema>;
}

function exampleOf(json: (Example & { schema?: Schema & { oneOf?: Schema[] } }) | undefined): unknown {
  if (!json) return undefined;
  const schema = json.schema?.oneOf?.[0] ?? json.schema;
  const made = Object.entries(schema?.properties ?? {}).map(([name, { example }]) => [name, example ?? 'x'] as const);
  return json.example ?? schema?.example ?? Object.fromEntries(made);
}

/** A body of the same form with something else in up to three places. */
function mutatedJson(value: unknown): fc.Arbitrary<Buffer> {
  return fc.array(fc.tuple(fc.nat(), fc.constantFrom(...VALUES), fc.boolean()), { maxLength: 3 }).map((changes) => {
    const copy = [structuredClone(value)];
    const raw: string[] = [];
    for (const [pick, text, asKey] of changes) replaceSomewhere(copy, pick, `@@${String(raw.push(text) - 1)}@@`, asKey);
    return Buffer.from(JSON.stringify(copy[0]).replace(/"@@(\d)@@"/g, (_, i: string) => raw[Number(i)] ?? 'null'));
  });
}

function replaceSomewhere(root: unknown[], pick: number, by: string, asKey: boolean): void {
  const places: [holder: Record<string, unknown>, key: string][] = [];
  const walk = (holder: Record<string, unknown>): void => {
    for (const [key, value] of Object.entries(holder)) {
      places.push([holder, key]);
      if (typeof value === 'object' && value !== null) walk(value as Record<string, unknown>);
    }
  };
  walk(root as unknown as Record<string, unknown>);
  const [holder, key] = places[pick % places.length] ?? [root as unknown as Record<string, unknown>, '0'];
  if (asKey && !Array.isArray(holder)) holder[`${key}x`] = by;
  else holder[key] = by;
}

/** The same bytes, broken off, overwritten, repeated or with something in between. */
function mutatedBytes(bytes: Buffer): fc.Arbitrary<Buffer> {
  return fc
    .tuple(fc.nat(bytes.length), fc.nat(bytes.length), fc.nat(3), fc.constantFrom(...PIECES), fc.nat(255))
    .map(([a, b, how, piece, byte]) => {
      const [from, to] = a < b ? [a, b] : [b, a];
      if (how === 0) return bytes.subarray(0, from);
      if (how === 1) return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]);
      if (how === 2) return Buffer.concat([bytes.subarray(0, from), Buffer.from(piece), bytes.subarray(from)]);
      const changed = Buffer.from(bytes);
      if (from < changed.length) changed[from] = byte;
      return changed;
    });
}

const anyBytes = fc.oneof(
  fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  fc.json({ maxDepth: 5 }).map((text) => Buffer.from(text)),
  fc.constantFrom(...VALUES).map((text) => Buffer.from(text)),
);

const oddHeaders = fc
  .array(
    fc
      .constantFrom(...HEADERS)
      .chain(([name, values]) => fc.constantFrom(...values).map((value) => [name, value] as const)),
    { maxLength: 2 },
  )
  .map((pairs) => Object.fromEntries(pairs));

function headersOf(authorization: string): fc.Arbitrary<Record<string, string>> {
  return fc
    .tuple(
      fc.oneof(
        { weight: 4, arbitrary: fc.constant('application/json') },
        { weight: 1, arbitrary: fc.constantFrom(...TYPES) },
      ),
      fc.oneof({ weight: 4, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: oddHeaders }),
    )
    .map(([type, odd]) => ({ authorization, 'content-type': type, ...odd }));
}

/** Callbacks with the right credential. */
function callbacks(jobIds: string[]): fc.Arbitrary<BadInput> {
  const body = fc.tuple(fc.constantFrom(...BODIES), fc.uuid()).chain(([bytes, requestId]) => {
    const parsed = asAnotherRequest(parsedOrText(bytes), requestId);
    return fc.oneof(
      { weight: 5, arbitrary: mutatedJson(parsed) },
      { weight: 3, arbitrary: mutatedBytes(bytes) },
      { weight: 1, arbitrary: anyBytes },
    );
  });
  const target = fc.oneof(
    fc.constantFrom(...jobIds).map((id) => ({ path: `/hook/${id}`, authorization: basic(hookPassword(id, SECRET)) })),
    fc.uuid({ version: 7 }).map((id) => ({ path: `/hook/${id}`, authorization: basic(hookPassword(id, SECRET)) })),
    fc.constant({ path: '/hook', authorization: basic(HOOK_PASSWORD) }),
  );
  return target.chain(({ path, authorization }) =>
    fc
      .tuple(fc.constantFrom('POST', 'PUT'), headersOf(authorization), body)
      .map(([method, headers, bytes]) => ({ method, path, headers, body: bytes })),
  );
}

function requests(known: Known): fc.Arbitrary<BadInput> {
  const query = (names: string[]): fc.Arbitrary<string> =>
    fc
      .array(
        fc.tuple(fc.constantFrom('limit', 'cursor', 'x[$ne]', '__proto__[a]', ...names), fc.constantFrom(...TEXTS)),
        {
          maxLength: 3,
        },
      )
      .map((pairs) =>
        pairs.length === 0 ? '' : `?${pairs.map(([name, text]) => `${name}=${escaped(text)}`).join('&')}`,
      );
  const pathOf = (path: string): fc.Arbitrary<string> => {
    const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name ?? '');
    const values = names.map((name) =>
      fc.oneof(fc.constantFrom(...(known[name] ?? ['x'])), fc.constantFrom(...IDS), fc.uuid({ version: 7 })),
    );
    return fc
      .tuple(...values)
      .map((chosen) => chosen.reduce((rest, value) => rest.replace(/\{\w+\}/, () => value), path));
  };
  const bodyOf = ({ method, example }: Operation): fc.Arbitrary<Buffer> => {
    if (method === 'GET') return fc.constant(Buffer.alloc(0));
    if (example === undefined) return fc.oneof(fc.constant(Buffer.alloc(0)), anyBytes);
    return fc.oneof(
      { weight: 6, arbitrary: mutatedJson(example) },
      { weight: 2, arbitrary: mutatedBytes(Buffer.from(JSON.stringify(example))) },
      { weight: 1, arbitrary: anyBytes },
    );
  };
  return fc.constantFrom(...operations()).chain((operation) =>
    fc
      .tuple(pathOf(operation.path), query(operation.queries), headersOf(`Bearer ${ADMIN_KEY}`), bodyOf(operation))
      .map(([path, search, headers, body]) => ({
        method: operation.method,
        path: `${path}${search}`,
        headers,
        body,
      })),
  );
}

/** As it may stand in a request line: what is encoded already stays as it is. */
function escaped(text: string): string {
  return text.replace(/[^\u0021-\u007e]|[#&+]/gu, (character) => encodeURIComponent(character));
}

/** Callbacks, and requests on every documented route, about as many of each. */
export function badInputs(known: Known, jobIds: string[]): fc.Arbitrary<BadInput> {
  return fc.oneof({ weight: 2, arbitrary: callbacks(jobIds) }, { weight: 3, arbitrary: requests(known) });
}
