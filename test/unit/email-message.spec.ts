import { describe, expect, it } from '@jest/globals';
import { composeEmail } from '../../src/channels/email/email-message.js';
import { PluginError } from '../../src/errors.js';

const compose = (subject: string) =>
  composeEmail({ kind: 'email', parts: { subject, html: '<p>h</p>', text: 't' } }, { address: 'ada@example.com' }, []);

describe('composeEmail', () => {
  it('makes a message for exactly the recipient', () => {
    const attachment = { filename: 'a.vtt', contentType: 'text/vtt', content: 'WEBVTT' };
    const message = composeEmail(
      { kind: 'email', parts: { subject: 'Your transcript', html: '<p>h</p>', text: 't' } },
      { address: 'ada@example.com', name: 'Ada' },
      [attachment],
    );
    expect(message).toEqual({
      kind: 'email',
      to: 'ada@example.com',
      subject: 'Your transcript',
      html: '<p>h</p>',
      text: 't',
      attachments: [attachment],
    });
  });

  it.each([
    ['a\r\nBcc: evil@z.example', 'a Bcc: evil@z.example'],
    ['a\u2028b\u0000c\td', 'a b c d'],
    ['  a  ', 'a'],
    ['half \ud83d', 'half \ufffd'],
  ])('makes the subject %j one line', (subject, line) => {
    expect(compose(subject).subject).toBe(line);
  });

  it('cuts a subject of thousands of characters, never inside one', () => {
    const { subject } = compose('😀'.repeat(3_000));
    expect(subject.length).toBeLessThanOrEqual(255);
    expect(subject).toMatch(/^(😀)+…$/u);
  });

  it('refuses parts that were rendered for SMS', () => {
    expect(() => composeEmail({ kind: 'sms', parts: { text: 't' } }, { address: 'a@b.co' }, [])).toThrow(PluginError);
  });
});
