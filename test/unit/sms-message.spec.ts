import { describe, expect, it } from '@jest/globals';
import { composeSms } from '../../src/channels/sms/sms-message.js';
import { PluginError } from '../../src/errors.js';

const compose = (text: string) => composeSms({ kind: 'sms', parts: { text } }, { address: '+14155552671' });

describe('composeSms', () => {
  it.each([
    ['160 plain letters', 'a'.repeat(160), 1, 'GSM-7'],
    ['161 plain letters', 'a'.repeat(161), 2, 'GSM-7'],
    ['307 plain letters', 'a'.repeat(307), 3, 'GSM-7'],
    ['80 euro signs', '€'.repeat(80), 1, 'GSM-7'],
    ['81 euro signs', '€'.repeat(81), 2, 'GSM-7'],
    ['70 Cyrillic letters', 'я'.repeat(70), 1, 'UCS-2'],
    ['71 Cyrillic letters', 'я'.repeat(71), 2, 'UCS-2'],
    ['36 emoji', '😀'.repeat(36), 2, 'UCS-2'],
    ['curly quotes, which Smart Encoding makes plain', 'It’s “ok”… — yes', 1, 'GSM-7'],
  ])('counts the segments of %s', (_name, text, segments, encoding) => {
    expect(compose(text)).toEqual({ kind: 'sms', to: '+14155552671', text, segments, encoding });
  });

  it('sends LF for CR LF, trims, and mends half a surrogate pair', () => {
    expect(compose(' one\r\ntwo\rthree \ud83d ').text).toBe('one\ntwo\nthree \ufffd');
  });

  it('estimates a text that Twilio refuses anyway instead of counting it for seconds', () => {
    const start = performance.now();
    const message = compose('word '.repeat(20_000));
    expect(performance.now() - start).toBeLessThan(250);
    expect(message.segments).toBeGreaterThan(600);
  });

  it('refuses parts that were rendered for e-mail', () => {
    const parts = { subject: 's', html: '<p>h</p>', text: 't' };
    expect(() => composeSms({ kind: 'email', parts }, { address: '+14155552671' })).toThrow(PluginError);
  });
});
