import { describe, expect, it } from '@jest/globals';
import { parseTwilioInbound } from '../../src/channels/sms/twilio-inbound.js';

const SID = `SM${'a'.repeat(32)}`;
const read = (over: Record<string, string | string[]> = {}) =>
  parseTwilioInbound({ MessageSid: SID, From: '+14155552671', To: '+15551234567', Body: 'STOP', ...over });

describe('parseTwilioInbound', () => {
  it.each(['STOP', 'STOPALL', 'UNSUBSCRIBE', 'CANCEL', 'END', 'QUIT', 'OPTOUT', 'REVOKE', ' stop\n', 'Stop'])(
    'reads %j as stop',
    (Body) => {
      expect(read({ Body })).toEqual({ sid: SID, wish: 'stop', from: '+14155552671', senders: ['+15551234567'] });
    },
  );

  it.each([
    ['START', 'start'],
    ['yes', 'start'],
    ['UNSTOP', 'start'],
    ['HELP', 'help'],
    ['info', 'help'],
  ])('reads %j as %s', (Body, wish) => {
    expect(read({ Body })).toMatchObject({ wish });
  });

  it.each(['', 'please stop', 'STOP it', 'STOP STOP', 'constructor', '__proto__'])('reads no wish from %j', (Body) => {
    expect(read({ Body })).toBeUndefined();
  });

  it('believes what Twilio has understood before the text', () => {
    expect(read({ Body: 'arrêt', OptOutType: 'STOP' })).toMatchObject({ wish: 'stop' });
    expect(read({ Body: 'STOP', OptOutType: 'START' })).toMatchObject({ wish: 'start' });
    expect(read({ Body: 'STOP', OptOutType: 'HELP' })).toMatchObject({ wish: 'help' });
    expect(read({ Body: 'STOP', OptOutType: 'NEWS' })).toMatchObject({ wish: 'stop' });
  });

  it('takes the Messaging Service beside the number', () => {
    const service = `MG${'1'.repeat(32)}`;
    expect(read({ MessagingServiceSid: service })?.senders).toEqual(['+15551234567', service]);
  });

  it.each([
    ['no id', { MessageSid: '' }],
    ['a sender that is no telephone number', { From: 'whatsapp:+14155552671' }],
    ['a repeated field', { From: ['+14155552671', '+14155552672'] }],
    ['no number of ours', { To: '' }],
  ])('reads nothing from a message with %s', (_what, over) => {
    expect(read(over)).toBeUndefined();
  });
});
