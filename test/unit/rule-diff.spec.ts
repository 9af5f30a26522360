import { describe, expect, it } from '@jest/globals';
import { ruleChanges } from '../../src/rules/rule-diff.js';
import type { RuleDefinition } from '../../src/rules/rule.js';

const RULE: RuleDefinition = {
  name: 'refund-risk',
  enabled: true,
  on: 'transcript.completed',
  when: "speech.says('refund')",
  actions: [{ channel: 'email', to: ['a@example.com'], template: 'transcript-ready' }],
  stop: false,
  order: 100,
};

describe('what differs between two versions of a rule', () => {
  it('is nothing when they are equal', () => {
    expect(ruleChanges(RULE, structuredClone(RULE))).toEqual([]);
    expect(ruleChanges(null, null)).toEqual([]);
  });

  it('is told field by field, with what was there and what is', () => {
    const after: RuleDefinition = {
      ...RULE,
      when: "speech.says('refund*')",
      description: 'Money back',
      actions: [
        { channel: 'email', to: ['a@example.com', 'group:billing'], template: 'transcript-ready', attach: ['vtt'] },
        { channel: 'sms', to: ['contact:on-call'], template: 'transcript-ready' },
      ],
    };
    expect(ruleChanges(RULE, after)).toEqual(
      expect.arrayContaining([
        { path: '/when', before: RULE.when, after: after.when },
        { path: '/description', before: null, after: 'Money back' },
        { path: '/actions/0/to/1', before: null, after: 'group:billing' },
        { path: '/actions/0/attach', before: null, after: ['vtt'] },
        { path: '/actions/1', before: null, after: after.actions[1] },
      ]),
    );
    expect(ruleChanges(RULE, after)).toHaveLength(5);
    expect(ruleChanges(after, RULE)).toContainEqual({ path: '/description', before: 'Money back', after: null });
  });

  it('is the whole rule where one of them is its deletion', () => {
    expect(ruleChanges(RULE, null)).toEqual([{ path: '', before: RULE, after: null }]);
  });
});
