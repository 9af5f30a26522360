import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { z } from 'zod';
import { jsonPointer, parameterName, toFieldErrors } from '../../src/http/schema-issues.js';

function errorsOf(schema: z.ZodType, value: unknown) {
  const result = schema.safeParse(value);
  return result.success ? [] : toFieldErrors(result.error.issues, schema, jsonPointer);
}

describe('field errors of a schema', () => {
  it('finds the known names through optional, default, lazy, pipe, record, array and union', () => {
    const inner = z.strictObject({ diarize: z.boolean().optional() });
    const wrappers: [z.ZodType, unknown, string][] = [
      [z.strictObject({ a: inner.optional() }), { a: { diarise: 1 } }, '/a/diarise'],
      [z.strictObject({ a: inner.default({}) }), { a: { diarise: 1 } }, '/a/diarise'],
      [z.strictObject({ a: z.lazy(() => inner) }), { a: { diarise: 1 } }, '/a/diarise'],
      [z.strictObject({ a: inner.transform((value) => value) }), { a: { diarise: 1 } }, '/a/diarise'],
      [z.strictObject({ a: z.record(z.string(), inner) }), { a: { x: { diarise: 1 } } }, '/a/x/diarise'],
      [z.strictObject({ a: z.array(inner) }), { a: [{}, { diarise: 1 }] }, '/a/1/diarise'],
      [z.strictObject({ a: z.union([z.string(), inner]) }), { a: { diarise: 1 } }, '/a/diarise'],
      [z.intersection(z.strictObject({ other: z.string().optional() }), inner), { diarise: 1 }, '/diarise'],
    ];
    for (const [schema, value, pointer] of wrappers) {
      const message = 'is not known here: did you mean diarize?';
      expect(errorsOf(schema, value)).toEqual([{ pointer, message, suggestion: 'diarize' }]);
    }
  });

  it('ends on a schema that holds itself', () => {
    interface Node {
      child?: Node | undefined;
    }
    const node: z.ZodType<Node> = z.lazy(() => z.strictObject({ child: node.optional() }));
    expect(errorsOf(node, { child: { chld: {} } })).toMatchObject([{ pointer: '/child/chld', suggestion: 'child' }]);
  });

  it('tells the alternative of a union that the value came nearest to', () => {
    const action = z.union([
      z.strictObject({ channel: z.literal('email'), to: z.array(z.string()) }),
      z.strictObject({ channel: z.literal('sms'), to: z.array(z.string()), preview: z.number() }),
    ]);
    expect(errorsOf(action, { channel: 'email', to: 'x' })).toMatchObject([{ pointer: '/to' }]);
  });

  it('suggests nothing when nothing is near', () => {
    const errors = errorsOf(z.strictObject({ name: z.string() }), { name: 'a', zzzzzzzz: 1 });
    expect(errors).toEqual([{ pointer: '/zzzzzzzz', message: 'is not known here' }]);
  });

  it('escapes pointers, and names parameters plainly', () => {
    expect(jsonPointer(['a/b', 'c~d', 0])).toBe('/a~1b/c~0d/0');
    expect(jsonPointer([])).toBe('');
    expect(parameterName(['limit'])).toBe('limit');
  });

  it('keeps a hostile body to 50 errors of bounded names', () => {
    const keys = Object.fromEntries(Array.from({ length: 5_000 }, (_, i) => [`${'k'.repeat(300)}${String(i)}`, 1]));
    const errors = errorsOf(z.strictObject({ name: z.string().optional() }), keys);
    expect(errors).toHaveLength(50);
    expect(Math.max(...errors.map((error) => error.pointer.length))).toBeLessThanOrEqual(101);
  });

  it('never repeats a value', () => {
    const schema = z.strictObject({
      name: z.string().max(3).regex(/^a/),
      kind: z.enum(['email', 'sms']),
      count: z.number().int(),
      at: z.iso.datetime(),
      id: z.uuid(),
      one: z.union([z.strictObject({ a: z.literal(1) }), z.number().max(2)]),
    });
    fc.assert(
      fc.property(fc.constantFrom('name', 'kind', 'count', 'at', 'id', 'one'), fc.anything(), (field, other) => {
        const value = {
          name: 'canary',
          kind: 'canary',
          count: 'canary',
          at: 'canary',
          id: 'canary',
          one: 'canary',
          [field]: other,
        };
        const messages = errorsOf(schema, value).map((error) => error.message);
        expect(messages.length).toBeGreaterThan(0);
        expect(messages.join()).not.toContain('canary');
      }),
    );
  });
});
