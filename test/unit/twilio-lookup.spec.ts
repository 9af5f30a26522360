import { describe, expect, it } from '@jest/globals';
import { findSent, type ListedMessage } from '../../src/channels/sms/twilio-lookup.js';
import { HOUR, MINUTE, SECOND } from '../../src/duration.js';

const START = 1_780_000_000_000;
const SENT = {
  to: '+14155552671',
  text: "It's ready: https://h.example/t/1",
  startedAt: START,
  now: START + 10 * MINUTE,
};
const message = (over: Partial<ListedMessage> = {}): ListedMessage => ({
  sid: 'SM1',
  to: SENT.to,
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

  it('is unsure when two messages fit, or one cannot be read', () => {
    expect(find([message(), message({ sid: 'SM2' })])).toBe('unsure');
    expect(find([message({ body: '' })])).toBe('unsure');
    expect(find([message({ createdAt: NaN })])).toMatchObject({ providerMessageId: 'SM1' });
  });
});
