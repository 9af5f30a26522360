import type { Notification } from '../../src/rules/plan.js';
import type { TestDatabase } from './database.js';

/** An SMS that a rule planned, due now. */
export function notificationOf(
  { clock }: TestDatabase,
  to: string,
  over: Partial<Notification> & Pick<Notification, 'dedupeKey'>,
): Notification {
  return {
    ruleId: 'rule',
    ruleName: 'Rule',
    ruleVersion: 1,
    action: 0,
    channel: 'sms',
    kind: 'sms',
    to,
    recipient: {},
    template: 'sms-alert',
    attach: [],
    state: 'queued',
    dueAt: clock.now(),
    matches: [],
    ...over,
  };
}
