import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parsePhoneNumber } from '../../src/channels/sms/phone-number.js';
import { RecipientInvalidError } from '../../src/errors.js';

function refusal(text: string): RecipientInvalidError {
  try {
    parsePhoneNumber(text);
  } catch (error) {
    if (error instanceof RecipientInvalidError) return error;
    throw error;
  }
  throw new Error(`accepted ${JSON.stringify(text)}`);
}

describe('parsePhoneNumber', () => {
  it.each([
    ['+14155552671', '+14155552671'],
    ['+1 (415) 555-2671', '+14155552671'],
    [' +44 7911 123456 ', '+447911123456'],
    ['+33.6.12.34.56.78', '+33612345678'],
    ['\uff0b44 7911 123456', '+447911123456'],
    ['+15005550006', '+15005550006'],
  ])('takes %j as %j without a warning', (text, address) => {
    expect(parsePhoneNumber(text)).toEqual({ address });
  });

  it.each([
    ['+33172345678', /landline/],
    ['+18005551234', /toll-free/],
    ['+12015550000'.replace('201', '001'), /No operator/],
  ])('takes %j with a warning', (text, warning) => {
    expect(parsePhoneNumber(text).warnings).toEqual([expect.stringMatching(warning)]);
  });

  it.each([
    ['(415) 555-2671', /no country code; write it like \+44 7911 123456/],
    ['0044 7911 123456', /no country code/],
    ['12345', /no country code/],
    ['+1 415 555 2671 ext. 5', /extension/],
    ['+1 415 555 2671 x5', /extension/],
    ['+14155552671;ext=5', /extension/],
    ['+14155552671,,5', /comma/],
    ['+14155552671, +447911123456', /comma/],
    ['text +14155552671 me', /no country code/],
    ['+1 800 FLOWERS', /other than digits/],
    ['+14155552671\r\n+447911123456', /line break/],
    ['+1415555\u200b2671', /invisible/],
    ['+999 1234 5678', /country code that exists/],
    ['+1 415', /too short|length/],
    ['+1 415 555 2671 415 555 2671', /too long|length/],
    ['+', /not a telephone number|too short/],
    ['', /no country code/],
  ])('refuses %j and says how to mend it', (text, what) => {
    expect(refusal(text).message).toMatch(what);
  });

  it('never repeats the number in the message', () => {
    for (const text of ['5551234567', '+1415555267141555', '+14155552671 ext. 98765']) {
      expect(refusal(text).message.replace('+44 7911 123456', '')).not.toMatch(/\d{3}/);
    }
  });

  it('gives, for any text, E.164 or a refusal', () => {
    const part = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('+', '1', '44', '415', '555 2671', ' ', '-', 'x'),
    );
    fc.assert(
      fc.property(
        fc.array(part, { maxLength: 8 }).map((parts) => parts.join('')),
        (text) => {
          try {
            expect(parsePhoneNumber(text).address).toMatch(/^\+[1-9]\d{3,14}$/);
          } catch (error) {
            expect(error).toBeInstanceOf(RecipientInvalidError);
          }
        },
      ),
    );
  });
});
