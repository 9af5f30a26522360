import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import type { z } from 'zod';
import { consentBody } from '../../src/recipients/consents.schema.js';
import { contactBody, snoozeBody } from '../../src/recipients/recipients.schema.js';
import { resolveBody } from '../../src/rules/resolve.schema.js';

const SCHEMAS: Record<string, z.ZodType> = {
  '/v1/contacts': contactBody,
  '/v1/consents': consentBody,
  '/v1/recipients/resolve': resolveBody,
};

describe.each(['README.md', 'docs/people.md'])('%s', (file) => {
  const text = readFileSync(file, 'utf8');
  const requests = [...text.matchAll(/^herald (\/v1\/[a-z/]+) --json '(\{[^']*\})'$/gms)]
    .map(([, route = '', json = '']) => ({ route, body: JSON.parse(json) as unknown }))
    .filter(({ route }) => SCHEMAS[route] !== undefined);

  it('shows requests about people that are taken as they stand', () => {
    expect(requests.length).toBeGreaterThan(1);
    for (const { route, body } of requests)
      expect([route, SCHEMAS[route]?.safeParse(body).error]).toEqual([route, undefined]);
  });
});

describe('docs/people.md', () => {
  const text = readFileSync('docs/people.md', 'utf8');

  it('names every field of a contact that says when, how and how much', () => {
    const fields = Object.keys(contactBody.shape).filter((name) => !['name', 'email', 'phone'].includes(name));
    for (const name of fields) expect(text).toContain(`| \`${name}\``);
  });

  it('shows a snooze that is taken, and its end', () => {
    for (const body of ['{"until": "2026-12-01T08:00:00Z"}', '{"until": null}']) {
      expect(text).toContain(body);
      expect(snoozeBody.safeParse(JSON.parse(body)).success).toBe(true);
    }
  });
});
