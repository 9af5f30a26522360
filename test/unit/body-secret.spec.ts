import { describe, expect, it } from '@jest/globals';
import { holdsCallbackSecret } from '../../src/callbacks/body-secret.js';

const PASSWORD = 'pass "word" \\ of é';
const holds = (value: unknown): boolean => holdsCallbackSecret(Buffer.from(JSON.stringify(value)), PASSWORD);
const given = (secret: unknown, more: object = {}) => ({ metadata: { extra: { callback_secret: secret } }, ...more });

describe('the secret in a body', () => {
  it('is the value of metadata.extra.callback_secret, and of no other field', () => {
    expect(holds(given(PASSWORD))).toBe(true);
    expect(holdsCallbackSecret(Buffer.from(JSON.stringify(given(PASSWORD), null, 2)), PASSWORD)).toBe(true);
    expect(holds(given('wrong', { callback_secret: PASSWORD }))).toBe(false);
    expect(holds({ metadata: { extra: PASSWORD }, callback_secret: PASSWORD })).toBe(false);
    for (const wrong of ['', 'wrong', [PASSWORD], { a: PASSWORD }, null, 7]) expect(holds(given(wrong))).toBe(false);
  });

  it.each([
    '',
    '"callback_secret"',
    '{"callback_secret":',
    '{"callback_secret":"',
    '{"callback_secret":"\\',
    '{"callback_secret":"\\x"}',
    `{"callback_secret":${JSON.stringify(PASSWORD)}`,
  ])('is not in what is no JSON: %s', (text) => {
    expect(holdsCallbackSecret(Buffer.from(text), PASSWORD)).toBe(false);
  });

  it('is looked for without parsing what a stranger sends', () => {
    const deep = Buffer.from(`{"callback_secret":"wrong","x":${'['.repeat(20_000_000)}`);
    const many = Buffer.from('"callback_secret":"'.repeat(1_000_000));
    const started = performance.now();
    expect([holdsCallbackSecret(deep, PASSWORD), holdsCallbackSecret(many, PASSWORD)]).toEqual([false, false]);
    expect(performance.now() - started).toBeLessThan(1_000);
  });
});
