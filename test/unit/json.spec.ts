import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { canonicalJson, isObject, JsonLimitError, parseJson } from '../../src/json.js';

describe('parseJson', () => {
  it('parses what JSON.parse parses', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(parseJson(JSON.stringify(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it('takes the depth allowed and refuses one more', () => {
    const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
    expect(parseJson(nested(64))).toHaveLength(1);
    expect(() => parseJson(nested(65))).toThrow(JsonLimitError);
    expect(() => parseJson('{"a":{"b":1}}', 1)).toThrow('deeper than 1 levels');
    expect(parseJson('[[],[],[[]]]', 3)).toEqual([[], [], [[]]]);
  });

  it('counts no bracket inside a text, escaped quotes or not', () => {
    expect(parseJson('{"a":"[[[[","b":"\\"[[[[","c":"\\\\"}', 1)).toEqual({ a: '[[[[', b: '"[[[[', c: '\\' });
  });

  it('refuses ten million brackets at once, without walking into them', () => {
    const started = performance.now();
    expect(() => parseJson('['.repeat(10_000_000))).toThrow(JsonLimitError);
    expect(performance.now() - started).toBeLessThan(500);
  });

  it('throws SyntaxError for what is no JSON', () => {
    for (const text of ['', '{', '[1,]', "{'a':1}", 'undefined']) expect(() => parseJson(text)).toThrow('JSON');
  });
});

describe('canonicalJson', () => {
  it('gives equal values equal text, whatever the order of their keys', () => {
    expect(canonicalJson({ b: 1, a: [{ d: 1, c: 2 }] })).toBe('{"a":[{"c":2,"d":1}],"b":1}');
    const reversed = (value: unknown): unknown =>
      isObject(value)
        ? Object.fromEntries(
            Object.entries(value)
              .reverse()
              .map(([k, v]) => [k, reversed(v)]),
          )
        : value;
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(canonicalJson(reversed(value))).toBe(canonicalJson(value));
      }),
    );
  });

  it('keeps the order of lists', () => {
    expect(canonicalJson([2, 1])).not.toBe(canonicalJson([1, 2]));
  });
});

describe('isObject', () => {
  it('is true for objects alone', () => {
    expect([{}, Object.create(null), [], null, 'x', 1, undefined].map(isObject)).toEqual([
      true,
      true,
      false,
      false,
      false,
      false,
      false,
    ]);
  });
});
