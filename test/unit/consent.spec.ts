import { describe, expect, it } from '@jest/globals';
import { afterWish, consentFault } from '../../src/recipients/consent.js';
import { lowerLevel } from '../../src/recipients/content-level.js';
import { toDirectory } from '../../src/recipients/directory.js';

describe('consent', () => {
  it.each([
    ['sms', undefined, 'off', undefined],
    ['sms', 'pending', 'off', undefined],
    ['sms', 'withdrawn', 'off', 'consent was withdrawn'],
    ['sms', undefined, 'required', 'there is no consent on record'],
    ['sms', 'pending', 'double', 'consent is pending: the person has not answered'],
    ['sms', 'given', 'double', undefined],
    ['sms', 'withdrawn', 'required', 'consent was withdrawn'],
    ['email', undefined, 'double', undefined],
    ['email', 'withdrawn', 'off', 'consent was withdrawn'],
  ] as const)('for %s that is %s under the policy %s gives: %s', (kind, state, policy, fault) => {
    expect(consentFault(kind, state, policy)).toBe(fault);
  });

  it('changes by the words of a person who is in the ledger, and of nobody else', () => {
    expect(afterWish('pending', 'start')).toBe('given');
    expect(afterWish('withdrawn', 'start')).toBe('given');
    expect(afterWish('given', 'start')).toBeUndefined();
    expect(afterWish('given', 'stop')).toBe('withdrawn');
    expect(afterWish('withdrawn', 'stop')).toBeUndefined();
    expect(afterWish(undefined, 'start')).toBeUndefined();
    expect(afterWish(undefined, 'stop')).toBeUndefined();
  });

  it('that is missing suppresses an address, after a suppression that says more', () => {
    const consents = [{ kind: 'sms', address: '+14155550100', state: 'given' }] as const;
    const suppressions = [{ kind: 'sms' as const, address: '+14155550102', sender: '', reason: 'STOP' }];
    const directory = toDirectory([], [], suppressions, { consents, policy: 'required' });
    expect(directory.suppression('sms', '+14155550100')).toBeUndefined();
    expect(directory.suppression('sms', '+14155550101')).toBe('there is no consent on record');
    expect(directory.suppression('sms', '+14155550102')).toBe('STOP');
    expect(directory.suppression('email', 'a@example.com')).toBeUndefined();
  });
});

describe('content levels', () => {
  it('meet at the one that shows less', () => {
    expect(lowerLevel(undefined, undefined)).toBe('full');
    expect(lowerLevel('preview', undefined)).toBe('preview');
    expect(lowerLevel('link', 'preview')).toBe('link');
    expect(lowerLevel('full', 'fact')).toBe('fact');
  });
});
