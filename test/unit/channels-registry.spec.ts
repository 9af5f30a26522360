import { describe, expect, it } from '@jest/globals';
import { CaptureChannel } from '../../src/channels/capture/capture.channel.service.js';
import { ChannelsRegistry, makeChannels } from '../../src/channels/channels.registry.service.js';
import { redact } from '../../src/channels/redact.js';
import { PluginError, RecipientInvalidError } from '../../src/errors.js';

const SMTP = { url: 'smtp://127.0.0.1:1', from: 'herald@example.com' };
const TWILIO = { accountSid: 'AC1', authToken: 't', from: '+15551234567' };

describe('makeChannels', () => {
  it.each([
    ['nothing', {}, [true, true]],
    ['SMTP', { smtp: SMTP }, [false, true]],
    ['Twilio', { twilio: TWILIO }, [true, false]],
    ['both', { smtp: SMTP, twilio: TWILIO }, [false, false]],
  ])('captures what is not configured, with %s set', async (_name, settings, captures) => {
    const registry = new ChannelsRegistry(makeChannels(settings));
    expect(registry.all().map(({ name, kind }) => [name, kind])).toEqual([
      ['email', 'email'],
      ['sms', 'sms'],
    ]);
    expect(registry.all().map((channel) => channel.captures)).toEqual(captures);
    await registry.close();
  });
});

describe('ChannelsRegistry', () => {
  const email = new CaptureChannel('email', 'email');

  it('finds a channel by the name that rules use', () => {
    const registry = new ChannelsRegistry([email]);
    expect(registry.get('email')).toBe(email);
    expect(registry.get('fax')).toBeUndefined();
  });

  it('refuses two channels of one name and names both', () => {
    expect(() => new ChannelsRegistry([email, new CaptureChannel('email', 'sms')])).toThrow(
      new PluginError(
        'Two channels are called "email": CaptureChannel and CaptureChannel. Give one of them another name.',
      ),
    );
  });

  it('refuses a channel without a name or of an unknown kind', () => {
    expect(() => new ChannelsRegistry([new CaptureChannel('', 'sms')])).toThrow(PluginError);
    expect(() => new ChannelsRegistry([new CaptureChannel('fax', 'fax' as 'sms')])).toThrow(/must be email or sms/);
  });

  it('checks an address as the channel of its kind does', () => {
    const registry = new ChannelsRegistry(makeChannels({}));
    expect(registry.parseRecipient('email', 'Ada@EXAMPLE.com').address).toBe('Ada@example.com');
    expect(registry.parseRecipient('sms', '+1 415 555 2671').address).toBe('+14155552671');
    expect(() => registry.parseRecipient('sms', 'ada@example.com')).toThrow(RecipientInvalidError);
    expect(() => new ChannelsRegistry([email]).parseRecipient('sms', '+14155552671')).toThrow(/No channel sends sms/);
  });

  it('closes every channel even when one of them cannot', async () => {
    const closed: string[] = [];
    const closing = (name: string, fail: boolean) =>
      Object.assign(new CaptureChannel(name, 'sms'), {
        close: () => {
          closed.push(name);
          if (fail) throw new Error('stuck');
          return Promise.resolve();
        },
      });
    await new ChannelsRegistry([closing('a', true), closing('b', false), email]).close();
    expect(closed).toEqual(['a', 'b']);
  });
});

describe('redact', () => {
  it.each([
    ['550 5.1.1 <ada@x.example> unknown', '550 5.1.1 <[address]> unknown'],
    ["The 'To' number +1 415 555-2671 is bad", "The 'To' number [number] is bad"],
    ['id 1234567 at 421 4.7.0', 'id [number] at 421 4.7.0'],
    ['two\r\nlines\u0000 and\u2028more', 'two lines and more'],
    ['reply 250 2.0.0 ok', 'reply 250 2.0.0 ok'],
  ])('makes of %j %j', (text, line) => {
    expect(redact(text)).toBe(line);
  });

  it('masks the parts of a known address wherever they stand', () => {
    expect(redact('Ada.L is not at X.example (ada.l@x.example)', ['ada.l@x.example'])).toBe(
      '[address] is not at [address] ([address])',
    );
    expect(redact('anything (a+b)', ['(a+b)@x.example'])).toBe('anything [address]');
  });

  it('is at most 160 characters', () => {
    expect(redact('x '.repeat(500))).toHaveLength(160);
  });
});
