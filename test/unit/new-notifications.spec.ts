import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { newNotifications, type Planned } from '../../src/settle/new-notifications.js';

const one = (changes: Partial<Planned> = {}): Planned => ({
  ruleId: 'refund-risk',
  kind: 'email',
  to: 'ann@example.com',
  template: 'transcript-ready',
  ...changes,
});

describe('what is new in a plan', () => {
  it('is nothing when it was planned before, by whatever version and action', () => {
    expect(newNotifications([one()], [one()])).toEqual([]);
    expect(newNotifications([one()], [one({ to: 'ANN@example.com' })])).toEqual([]);
  });

  it('is a message to another person, over another channel, or of another rule', () => {
    const plan = [one({ to: 'bob@example.com' }), one({ kind: 'sms', to: '+12125550143' }), one({ ruleId: 'other' })];
    expect(newNotifications(plan, [one()])).toEqual(plan);
  });

  it('is not a message whose template was changed since', () => {
    expect(newNotifications([one({ template: 'short' })], [one()])).toEqual([]);
  });

  it('is the second message to a person when the rule has got a second action, the one that is not the first', () => {
    const plan = [one({ template: 'short' }), one()];
    expect(newNotifications(plan, [one()])).toEqual([plan[0]]);
  });

  it('is nothing once it has been planned, and all of it for a job without deliveries', () => {
    const planned = fc.record({
      ruleId: fc.constantFrom('a', 'b'),
      kind: fc.constantFrom('email' as const, 'sms' as const),
      to: fc.constantFrom('x', 'y', 'Y'),
      template: fc.constantFrom('t', 'u'),
    });
    fc.assert(
      fc.property(fc.array(planned), fc.array(planned), (plan, before) => {
        const fresh = newNotifications(plan, before);
        expect(newNotifications(plan, [...before, ...fresh])).toEqual([]);
        expect(newNotifications(plan, [])).toEqual(plan);
      }),
    );
  });
});
