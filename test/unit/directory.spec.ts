import { describe, expect, it } from '@jest/globals';
import { toDirectory } from '../../src/recipients/directory.js';

const directory = toDirectory(
  [
    { id: '1', name: 'Ann', email: 'ann@example.com' },
    { id: '2', name: 'bob', phone: '+14155550100' },
  ],
  [{ id: '3', name: 'Team', members: ['BOB', 'nobody', 'ann'] }],
  [
    { kind: 'sms', address: '+14155550100', sender: '', reason: 'STOP' },
    { kind: 'sms', address: '+14155550101', sender: '+15551234567', reason: 'STOP' },
  ],
);

describe('the directory', () => {
  it('finds contacts and groups whatever the case of their names', () => {
    expect(directory.contact('ANN')?.id).toBe('1');
    expect(directory.contact('nobody')).toBeUndefined();
    expect(directory.group('team')?.map(({ id }) => id)).toEqual(['2', '1']);
    expect(directory.group('nobody')).toBeUndefined();
  });

  it('knows suppressions by kind of channel', () => {
    expect(directory.suppression('sms', '+14155550100')).toBe('STOP');
    expect(directory.suppression('email', '+14155550100')).toBeUndefined();
  });

  it('knows suppressions for one sender, which leave the others free', () => {
    expect(directory.suppression('sms', '+14155550101', '+15551234567')).toBe('STOP');
    expect(directory.suppression('sms', '+14155550101', '+15559999999')).toBeUndefined();
    expect(directory.suppression('sms', '+14155550101')).toBeUndefined();
    expect(directory.suppression('sms', '+14155550100', '+15559999999')).toBe('STOP');
  });

  it('lists names as they were given', () => {
    expect(directory.names).toEqual({ contacts: ['Ann', 'bob'], groups: ['Team'] });
  });
});
