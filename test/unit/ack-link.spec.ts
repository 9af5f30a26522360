import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { makeAckToken, readAckToken } from '../../src/escalations/ack-link.js';
import { makeLinkToken, readLinkToken } from '../../src/transcripts/link.js';

const DELIVERY = '01990000-1111-7222-8333-444455556666';

describe('links to acknowledge', () => {
  it('are 32 characters that need no escaping, and lead back to the delivery', () => {
    fc.assert(
      fc.property(fc.uuid(), fc.string({ minLength: 1 }), (id, secret) => {
        const token = makeAckToken(id, secret);
        expect(token).toMatch(/^[A-Za-z0-9_-]{32}$/);
        expect(readAckToken(token, secret)).toBe(id);
      }),
    );
  });

  it('stay the same from release to release: messages that were sent hold them', () => {
    expect(makeAckToken(DELIVERY, 'secret')).toBe('AZkAABERciKDM0REVVVmZtTWba9HWgwM');
  });

  it('open no transcript, and a link to a transcript acknowledges nothing', () => {
    expect(readLinkToken(makeAckToken(DELIVERY, 'secret'), 'secret')).toBeUndefined();
    expect(readAckToken(makeLinkToken(DELIVERY, 'secret'), 'secret')).toBeUndefined();
  });

  it('are refused with any character changed, under another secret, and as any other text', () => {
    const token = makeAckToken(DELIVERY, 'secret');
    for (let at = 0; at < token.length; at++) {
      const other = token[at] === 'A' ? 'B' : 'A';
      expect(readAckToken(token.slice(0, at) + other + token.slice(at + 1), 'secret')).toBeUndefined();
    }
    expect(readAckToken(token, 'other')).toBeUndefined();
    for (const text of ['', DELIVERY, token.slice(1), `${token}A`, `${token}=`, '\0'.repeat(32), 'é'.repeat(32)]) {
      expect(readAckToken(text, 'secret')).toBeUndefined();
    }
  });
});
