import { describe, expect, it } from '@jest/globals';
import type { Notification } from '../../src/rules/plan.js';
import { differenceOf } from '../../src/rules/plan-difference.js';

const planned = (over: Partial<Notification> = {}): Notification => ({
  ruleId: 'rule',
  ruleName: 'Rule',
  ruleVersion: 1,
  action: 0,
  channel: 'email',
  kind: 'email',
  to: 'ann@clinic.example',
  recipient: {},
  template: 'transcript-ready',
  attach: [],
  state: 'queued',
  dueAt: 1,
  dedupeKey: 'job:rule:v1:0:email:ann@clinic.example',
  matches: [],
  ...over,
});

describe('the difference of two plans', () => {
  it('does not count a new version of a rule, its name, or other words that matched', () => {
    const after = planned({
      ruleVersion: 2,
      ruleName: 'Renamed',
      dedupeKey: 'job:rule:v2:0:email:ann@clinic.example',
      matches: [{ text: 'refund', channel: 0, start: 1, end: 2 }],
    });
    expect(differenceOf([planned()], [after])).toEqual({ added: [], removed: [], changed: [] });
  });

  it.each([
    ['another recipient', { to: 'bob@clinic.example' }],
    ['another kind of channel', { kind: 'sms' as const }],
    ['another action', { action: 1 }],
    ['another rule', { ruleId: 'other' }],
  ])('counts %s as one added and one removed', (_what, over) => {
    const [before, after] = [planned(), planned(over)];
    expect(differenceOf([before], [after])).toEqual({ added: [after], removed: [before], changed: [] });
  });

  it.each([
    ['another template', { template: 'other' }],
    ['another attachment', { attach: ['vtt' as const] }],
    ['another length', { previewSegments: 2 }],
    ['another time', { dueAt: 2 }],
    ['another channel of the kind', { channel: 'second-email' }],
  ])('counts %s for the same recipient as changed', (_what, over) => {
    const [before, after] = [planned(), planned(over)];
    expect(differenceOf([before], [after])).toEqual({ added: [], removed: [], changed: [{ before, after }] });
  });
});
