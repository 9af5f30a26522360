import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseEmailAddress, parseMailbox } from '../../src/channels/email/email-address.js';
import { RecipientInvalidError } from '../../src/errors.js';

function refusal(text: string): RecipientInvalidError {
  try {
    parseEmailAddress(text);
  } catch (error) {
    if (error instanceof RecipientInvalidError) return error;
    throw error;
  }
  throw new Error(`accepted ${JSON.stringify(text)}`);
}

describe('parseEmailAddress', () => {
  it.each([
    ['ada@example.com', 'ada@example.com'],
    ['  ada@example.com ', 'ada@example.com'],
    ['Ada.Lovelace+calls@EXAMPLE.Com', 'Ada.Lovelace+calls@example.com'],
    ['user+tag@exämple.de', 'user+tag@xn--exmple-cua.de'],
    ['user@EXÄMPLE.de', 'user@xn--exmple-cua.de'],
    ["o'brien@example.com", "o'brien@example.com"],
    [`${'a'.repeat(64)}@example.com`, `${'a'.repeat(64)}@example.com`],
  ])('takes %j as %j', (text, address) => {
    expect(parseEmailAddress(text)).toEqual({ address });
  });

  it.each([
    ['u@y.example\r\nBcc: evil@z.example', /line break/],
    ['u@y.example\nX: y', /line break/],
    ['u@y.example\u2028evil@z.example', /line separator/],
    ['u@y.example\u0000', /control character/],
    ['u\u007f@y.example', /control character/],
    ['u@y\u200bz.example', /zero-width/],
    ['u\u200d@yz.example', /zero-width/],
    ['u\u00ad@y.example', /zero-width/],
    ['\ufeffu@y.example', /zero-width/],
    ['a@b.co, c@d.co', /comma/],
    ['a@b.co,c@d.co', /comma/],
    ['a@b.co;c@d.co', /semicolon/],
    ['G: a@x.example, b@z.example;', /comma/],
    ['mailto:a@b.co', /colon/],
    ['@relay.example:u@y.example', /colon/],
    ['"quoted local"@example.com', /quote/],
    ['"a@evil.example, b"@example.com', /comma/],
    ['Ada <ada@example.com>', /angle bracket/],
    ['ada(comment)@example.com', /parentheses/],
    ['ada @example.com', /white space/],
    ['ada\u00a0@example.com', /white space/],
    ['ada@[127.0.0.1]', /IP address/],
    ['ada\uff20example.com', /full-width/],
    ['ada@\uff45xample.com', /full-width/],
    ['ada@e\ufb01n.com', /look-alike/],
    ['ada@\u2460.com', /look-alike/],
    ['ada\ud800@example.com', /broken character/],
    ['', /no @/],
    ['ada', /no @/],
    ['ada@', /no domain/],
    ['@example.com', /nothing before/],
    ['a@b@example.com', /more than one @/],
    ['üser@example.com', /outside ASCII/],
    ['ada@localhost', /without a dot/],
    ['ada@exa mple.com', /white space/],
    ['ada@-example.com', /not a valid/],
    ['ada..b@example.com', /not a valid/],
    ['.ada@example.com', /not a valid/],
    ['ada@example..com', /not a valid/],
    ['ada@example.com.', /not a valid/],
    ['ada@127.0.0.1', /not a valid/],
    [`${'a'.repeat(65)}@example.com`, /more than 64/],
    [`a@${`${'b'.repeat(60)}.`.repeat(5)}com`, /more than 253|not a valid name/],
    [`${'a'.repeat(64)}@${`${'b'.repeat(45)}.`.repeat(4)}comcomc`, /longer than 254/],
  ])('refuses %j and says what is wrong', (text, what) => {
    expect(refusal(text).message).toMatch(what);
  });

  it('never repeats the address in the message', () => {
    for (const text of ['canary@x.example, other@z.example', 'canary@@x.example', 'canary', 'canary@localhost']) {
      const error = refusal(text);
      expect(JSON.stringify([error.message, error.errors])).not.toContain('canary');
    }
  });

  it('gives, for any text, one plain address or a refusal', () => {
    const part = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('@', ',', '\r\n', '"', 'a', 'b.co', '<', '>', ' '),
    );
    fc.assert(
      fc.property(
        fc.array(part, { maxLength: 6 }).map((parts) => parts.join('')),
        (text) => {
          let address: string;
          try {
            address = parseEmailAddress(text).address;
          } catch (error) {
            expect(error).toBeInstanceOf(RecipientInvalidError);
            return;
          }
          expect(address).toMatch(/^[!-~]+@[a-z0-9.-]+$/);
          expect(address.split('@')).toHaveLength(2);
          expect(address).not.toMatch(/[",;:<>()[\]\\]/);
          expect(parseEmailAddress(address)).toEqual({ address });
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

describe('parseMailbox', () => {
  it.each([
    ['herald@example.com', { address: 'herald@example.com', domain: 'example.com' }],
    ['Herald <herald@example.com>', { address: 'herald@example.com', name: 'Herald', domain: 'example.com' }],
    [
      '"Herald, Ltd." <herald@example.com>',
      { address: 'herald@example.com', name: 'Herald, Ltd.', domain: 'example.com' },
    ],
    ['<herald@localhost>', { address: 'herald@localhost', domain: 'localhost' }],
  ])('reads %j', (text, mailbox) => {
    expect(parseMailbox(text)).toEqual(mailbox);
  });

  it.each(['Herald', 'Herald <a@b.co, c@d.co>', 'Herald <a@b.co> <c@d.co>', 'He\u0007rald <a@b.co>', 'a@b.co, c@d.co'])(
    'refuses %j',
    (text) => {
      expect(() => parseMailbox(text)).toThrow(RecipientInvalidError);
    },
  );
});
