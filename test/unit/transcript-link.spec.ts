import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { makeLinkToken, readLinkToken } from '../../src/transcripts/link.js';

const JOB = '01990000-1111-7222-8333-444455556666';

describe('links to the transcript page', () => {
  it('are 32 characters that need no escaping, and lead back to the job', () => {
    fc.assert(
      fc.property(fc.uuid(), fc.string({ minLength: 1 }), (jobId, secret) => {
        const token = makeLinkToken(jobId, secret);
        expect(token).toMatch(/^[A-Za-z0-9_-]{32}$/);
        expect(readLinkToken(token, secret)).toBe(jobId);
      }),
    );
  });

  it('stay the same from release to release: messages that were sent hold them', () => {
    expect(makeLinkToken(JOB, 'secret')).toBe('AZkAABERciKDM0REVVVmZru3ISYyHrFv');
  });

  it('are refused with any character changed, under another secret, and as any other text', () => {
    const token = makeLinkToken(JOB, 'secret');
    for (let at = 0; at < token.length; at++) {
      const other = token[at] === 'A' ? 'B' : 'A';
      expect(readLinkToken(token.slice(0, at) + other + token.slice(at + 1), 'secret')).toBeUndefined();
    }
    expect(readLinkToken(token, 'other')).toBeUndefined();
    for (const text of ['', JOB, token.slice(1), `${token}A`, `${token}=`, '\0'.repeat(32), 'é'.repeat(32)]) {
      expect(readLinkToken(text, 'secret')).toBeUndefined();
    }
  });
});
