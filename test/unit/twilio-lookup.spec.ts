import { describe, expect, it } from '@jest/globals';
import { findSent, type ListedMessage } from '../../src/channels/sms/twilio-lookup.js';
import { HOUR, MINUTE, SECOND } from '../../src/duration.js';

const START = 1_780_000_000_000;
const SENT = {
  to: '+14155552671',
  sender: '+15551234567',
  taken: [] as string[],
  text: "It's ready: https://h.example/t/1",
  startedAt: START,
  now: START + 10 * MINUTE,
};
const message = (over: Partial<ListedMessage> = {}): ListedMessage => ({
  sid: 'SM1',
  to: SENT.to,
  senders: [SENT.sender],
  errorCode: null,
  body: SENT.text,
  direction: 'outbound-api',
  status: 'sent',
  createdAt: START + SECOND,
  ...over,
});
const find = (messages: ListedMessage[], over: Partial<typeof SENT> = {}, complete = true) =>
  findSent({ messages, complete }, { ...SENT, ...over });

describe('findSent', () => {
  it('finds the message by recipient, text, direction and time', () => {
    expect(find([message({ sid: 'SM0', body: 'another' }), message()])).toMatchObject({ providerMessageId: 'SM1' });
  });

  it.each([
    ['look-alikes that Smart Encoding replaced', { body: SENT.text }, { text: 'It’s ready: https://h.example/t/1' }],
    ['text that a trial account puts in front', { body: `Sent from your Twilio trial account - ${SENT.text}` }, {}],
    ['clocks that differ by a minute', { createdAt: START - MINUTE }, {}],
  ])('finds it in spite of %s', (_name, listed, sent) => {
    expect(find([message(listed)], sent)).toMatchObject({ providerMessageId: 'SM1' });
  });

  it.each([
    ['another text', { body: 'another' }],
    ['an inbound message', { direction: 'inbound' }],
    ['an older message of the same text', { createdAt: START - HOUR }],
    ['a later message of the same text', { createdAt: START + HOUR }],
    ['another recipient', { to: '+447911123456' }],
  ])('takes %s for absent', (_name, listed) => {
    expect(find([message(listed)])).toBe('absent');
  });

  it('is sure of an absence only with the whole list and after a minute', () => {
    expect(find([])).toBe('absent');
    expect(find([], {}, false)).toBe('unsure');
    expect(find([], { now: START + 59 * SECOND })).toBe('unsure');
  });

  it('finds a message at once, without waiting a minute', () => {
    expect(find([message()], { now: START + 2 * SECOND }, false)).toMatchObject({ providerMessageId: 'SM1' });
  });

  it('takes the oldest when two fit, and none that belongs to another send', () => {
    const two = [message({ sid: 'SM2', createdAt: START + 2 * SECOND }), message()];
    expect(find(two)).toMatchObject({ providerMessageId: 'SM1' });
    expect(find(two, { taken: ['SM1'] })).toMatchObject({ providerMessageId: 'SM2' });
    expect(find(two, { taken: ['SM1', 'SM2'] })).toBe('absent');
  });

  it.each([
    ['another number', ['+15550009999'], '+15551234567'],
    ['another service', ['+15551234567', `MG${'1'.repeat(32)}`], `MG${'2'.repeat(32)}`],
  ])('does not take a message from %s for its own', (_name, senders, sender) => {
    expect(find([message({ senders })], { sender })).toBe('absent');
  });

  it('takes a message whose sender Twilio does not know yet', () => {
    expect(find([message({ senders: [] })])).toMatchObject({ providerMessageId: 'SM1' });
    const service = `MG${'1'.repeat(32)}`;
    expect(find([message({ senders: [service] })], { sender: service })).toMatchObject({ providerMessageId: 'SM1' });
  });

  it('tells what became of the message meanwhile', () => {
    const sid = `SM${'1'.repeat(32)}`;
    const found = find([message({ sid, status: 'undelivered', errorCode: 30_006 })]);
    expect(found).toMatchObject({ report: { providerMessageId: sid, status: 'undelivered', code: '30006' } });
  });

  it('is unsure when a message cannot be read', () => {
    expect(find([message({ body: '' })])).toBe('unsure');
    expect(find([message({ createdAt: NaN })])).toMatchObject({ providerMessageId: 'SM1' });
  });
});
