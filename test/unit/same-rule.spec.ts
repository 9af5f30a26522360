import { describe, expect, it } from '@jest/globals';
import type { RuleDefinition } from '../../src/rules/rule.js';
import { sameAsSaved } from '../../src/rules/same-rule.js';

const SAVED: RuleDefinition = {
  name: 'refund',
  enabled: true,
  on: 'transcript.completed',
  when: 'true',
  actions: [{ channel: 'email', to: ['contact:gone'], template: 'gone' }],
  stop: false,
  order: 100,
};
const saved = (name: string) => (name === SAVED.name ? SAVED : undefined);

describe('a rule that says the same as the saved one', () => {
  it('is the saved one, whatever the order of its fields, with its usual values left out, and when what it names is gone', () => {
    const { actions, name } = SAVED;
    expect(sameAsSaved({ actions, name }, saved)).toBe(SAVED);
    expect(sameAsSaved({ order: 100, name, actions, when: 'true' }, saved)).toBe(SAVED);
  });

  it.each([
    ['another field', { ...SAVED, order: 99 }],
    ['another name', { ...SAVED, name: 'other' }],
    ['a field that is not known', { ...SAVED, wehn: 'true' }],
    ['no name', { actions: SAVED.actions }],
    ['no object', 'refund'],
    ['nothing', null],
  ])('is none with %s', (_what, input) => {
    expect(sameAsSaved(input, saved)).toBeUndefined();
  });
});
