/** A value that JSON can carry. Facts, options and stored documents are of this type: no class instances, no functions. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Thrown by {@link parseJson}; `message` never holds a part of the text. */
export class JsonLimitError extends Error {}

/**
 * Parses JSON and refuses what a later recursive walk could not survive.
 * The depth is checked in a loop over the text, before `JSON.parse` sees it, so a 10 MB of brackets costs one pass.
 * @throws SyntaxError when the text is not JSON, JsonLimitError when it nests deeper than `maxDepth`
 */
export function parseJson(text: string, maxDepth = 64): unknown {
  if (nestingDepth(text, maxDepth) > maxDepth) {
    throw new JsonLimitError(`JSON nests deeper than ${String(maxDepth)} levels`);
  }
  return JSON.parse(text) as unknown;
}

/** Depth of brackets outside strings; stops counting just above `limit`. */
function nestingDepth(text: string, limit: number): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (inString) {
      if (code === 0x5c) i++;
      else if (code === 0x22) inString = false;
    } else if (code === 0x22) {
      inString = true;
    } else if (code === 0x7b || code === 0x5b) {
      depth++;
      if (depth > deepest) deepest = depth;
      if (deepest > limit) return deepest;
    } else if (code === 0x7d || code === 0x5d) {
      depth--;
    }
  }
  return deepest;
}

/** JSON with object keys in sorted order: equal values give equal text. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    isObject(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
      : inner,
  );
}
