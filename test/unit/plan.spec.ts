import { describe, expect, it } from '@jest/globals';
import { RecipientInvalidError } from '../../src/errors.js';
import { toDirectory } from '../../src/recipients/directory.js';
import { compileRule, evaluateRules } from '../../src/rules/evaluate.js';
import { planNotifications, type Plan, type PlanChannel } from '../../src/rules/plan.js';
import type { Action, RuleMatch } from '../../src/rules/rule.js';
import { atStep, withSteps } from '../../src/rules/steps.js';
import type { Facts } from '../../src/transcripts/facts.js';
import { callSpeech, completedFacts, rule } from '../support/rules.js';

const NOW = 1_700_000_000_000;

const DIRECTORY = toDirectory(
  [
    {
      id: 'c1',
      name: 'On-Call',
      phone: '+14155550100',
      email: 'oncall@example.com',
      locale: 'de',
      timeZone: 'Europe/Berlin',
    },
    { id: 'c2', name: 'ann', email: 'ann@example.com' },
    {
      id: 'c3',
      name: 'night',
      email: 'night@example.com',
      phone: '+14155550103',
      timeZone: 'UTC',
      // NOW is 22:13:20 in UTC.
      quiet: { from: '21:00', until: '07:00' },
      content: 'link',
    },
    { id: 'c4', name: 'daily', email: 'daily@example.com', timeZone: 'UTC', digest: { at: '08:00' } },
    { id: 'c5', name: 'away', email: 'away@example.com', snoozedUntil: NOW + 60_000 },
    { id: 'c6', name: 'no-sms', email: 'no-sms@example.com', phone: '+14155550106', channels: ['email'] },
    { id: 'c7', name: 'same as night', email: 'NIGHT@example.com' },
  ],
  [
    { id: 'g1', name: 'billing', members: ['ann', 'on-call', 'gone'] },
    { id: 'g2', name: 'empty', members: ['gone'] },
  ],
  [{ kind: 'email', address: 'stopped@example.com', sender: '', reason: 'asked to stop' }],
);

// The rules of real channels are tested with them: here an address needs an @, or a plus and digits, and nothing else.
const EMAIL: PlanChannel = {
  name: 'email',
  kind: 'email',
  parseRecipient: (address) => {
    if (!/^[^@\s,]+@[^@\s,]+$/.test(address)) throw new RecipientInvalidError('not exactly one address');
    const [local = '', domain = ''] = address.split('@');
    return { address: `${local}@${domain.toLowerCase()}`, name: 'from the address' };
  },
};
const SMS: PlanChannel = {
  name: 'sms',
  kind: 'sms',
  parseRecipient: (address) => {
    if (!/^\+\d+$/.test(address.replaceAll(' ', ''))) throw new RecipientInvalidError('write the country code');
    return { address: address.replaceAll(' ', '') };
  },
};

function plan(actions: Partial<Action>[], tags: Record<string, string> = {}, changes: Partial<Facts> = {}): Plan {
  const complete = actions.map((action) => ({ channel: 'email', to: [], template: 'transcript-ready', ...action }));
  const stored = rule({ name: 'r', id: 'rule-1', version: 3, when: "speech.says('refund')", actions: complete });
  const facts = { ...completedFacts({ job: { tags } }), ...changes };
  const { matches } = evaluateRules([compileRule(stored)], facts, callSpeech());
  return planNotifications(matches, facts, DIRECTORY, [EMAIL, SMS], NOW);
}

describe('planning notifications', () => {
  it('plans one for an address, with all that a delivery needs', () => {
    const { notifications, skipped } = plan([{ to: ['{{job.tags.email}}'], attach: ['vtt'] }], {
      email: 'Bob@Example.com',
    });
    expect(skipped).toEqual([]);
    expect(notifications).toEqual([
      {
        ruleId: 'rule-1',
        ruleName: 'r',
        ruleVersion: 3,
        action: 0,
        channel: 'email',
        kind: 'email',
        to: 'Bob@example.com',
        recipient: { name: 'from the address' },
        template: 'transcript-ready',
        attach: ['vtt'],
        state: 'queued',
        dueAt: NOW,
        dedupeKey: 'job-1:rule-1:v3:0:email:Bob@example.com',
        matches: [{ text: 'Refund,', speaker: '1', channel: 0, start: 18, end: 18.8 }],
      },
    ]);
  });

  it('sends to a contact over the channel of the action, with what the contact says of itself', () => {
    const { notifications } = plan([{ channel: 'sms', to: ['contact:on-call'], preview: { segments: 2 } }]);
    expect(notifications).toMatchObject([
      {
        to: '+14155550100',
        kind: 'sms',
        previewSegments: 2,
        recipient: { name: 'On-Call', locale: 'de', timeZone: 'Europe/Berlin' },
      },
    ]);
  });

  it('sends to each member of a group, in its order', () => {
    const { notifications } = plan([{ to: ['group:BILLING'] }]);
    expect(notifications.map(({ to }) => to)).toEqual(['ann@example.com', 'oncall@example.com']);
  });

  it('reaches an address once in an action, however often it is named', () => {
    const { notifications } = plan(
      [{ to: ['group:billing', 'contact:ann', 'ANN@example.com', '{{job.tags.email}}'] }],
      { email: 'ann@EXAMPLE.com' },
    );
    expect(notifications.map(({ to }) => to)).toEqual(['ann@example.com', 'oncall@example.com']);
  });

  it('plans the same address again for another action with another template', () => {
    const { notifications } = plan([{ to: ['a@b.co'] }, { to: ['a@b.co'], template: 'other' }]);
    expect(notifications.map(({ dedupeKey }) => dedupeKey)).toEqual([
      'job-1:rule-1:v3:0:email:a@b.co',
      'job-1:rule-1:v3:1:email:a@b.co',
    ]);
  });

  it('sends a recipient one message for two actions that say the same, and keeps what each of them planned', () => {
    const { notifications } = plan([
      { to: ['a@b.co'], attach: ['vtt'] },
      { to: ['a@b.co'], attach: ['txt'] },
    ]);
    expect(notifications).toMatchObject([{ action: 0, attach: ['vtt', 'txt'] }]);
    expect(notifications[0]?.parts?.map(({ dedupeKey, attach }) => [dedupeKey, attach])).toEqual([
      ['job-1:rule-1:v3:0:email:a@b.co', ['vtt']],
      ['job-1:rule-1:v3:1:email:a@b.co', ['txt']],
    ]);
  });

  it.each([
    [{ to: ['{{job.tags.email}}'] }, '{{job.tags.email}}', 'job.tags.email is absent'],
    [{ to: ['{{job.tags.a}}@{{job.tags.b}}'] }, '{{job.tags.a}}@{{job.tags.b}}', 'job.tags.a, job.tags.b are absent'],
    [{ to: ['contact:nobody'] }, 'contact:nobody', 'there is no contact "nobody"'],
    [{ to: ['group:none'] }, 'group:none', 'there is no group "none"'],
    [{ to: ['group:empty'] }, 'group:empty', 'the group "empty" has no members'],
    [{ channel: 'sms', to: ['contact:ann'] }, 'contact:ann', 'the contact "ann" has no phone number'],
    [{ channel: 'fax', to: ['contact:ann'] }, 'contact:ann', 'there is no channel "fax"'],
    [{ to: ['{{job.gone}}'] }, '{{job.gone}}', 'The recipient is not valid: job has no field "gone"'],
  ])('skips a recipient that leads nowhere, with the reason: %j', (action, to, reason) => {
    expect(plan([action])).toEqual({ notifications: [], skipped: [{ ruleId: 'rule-1', action: 0, to, reason }] });
  });

  it('plans the others of a group when one member cannot be reached', () => {
    const { notifications, skipped } = plan([{ channel: 'sms', to: ['group:billing'] }]);
    expect(notifications.map(({ to }) => to)).toEqual(['+14155550100']);
    expect(skipped.map(({ reason }) => reason)).toEqual(['the contact "ann" has no phone number']);
  });

  it.each([
    ['email', 'a@b.co,c@d.co', 'a@b.co,c@d.co', 'rejected: not exactly one address'],
    ['email', 'a@b.co\r\nBcc: c@d.co', 'a@b.co Bcc: c@d.co', 'rejected: not exactly one address'],
    ['email', 'contact:ann', 'contact:ann', 'rejected: not exactly one address'],
    ['sms', '0151 123', '0151 123', 'rejected: write the country code'],
  ])('keeps an address that is none as a dead notification: %s %j', (channel, address, to, reason) => {
    const { notifications, skipped } = plan([{ channel, to: ['{{job.tags.address}}'] }], { address });
    expect(notifications).toMatchObject([{ state: 'dead', to, reason, recipient: {} }]);
    expect(skipped).toEqual([]);
  });

  it('keeps no more of a wrong address than an address can be long', () => {
    const { notifications } = plan([{ to: ['{{job.tags.address}}'] }], { address: 'x '.repeat(10_000) });
    expect(notifications[0]?.to).toHaveLength(320);
  });

  it('marks an address that must not be contacted', () => {
    const { notifications } = plan([{ to: ['stopped@EXAMPLE.com'] }]);
    expect(notifications).toMatchObject([{ state: 'suppressed', reason: 'asked to stop', to: 'stopped@example.com' }]);
  });

  it.each([
    ['contact:night', '2023-11-15T07:00:00.000Z', 'waits for the end of the quiet hours'],
    ['contact:daily', '2023-11-15T08:00:00.000Z', 'waits for the digest'],
    ['contact:away', '2023-11-14T22:14:20.000Z', 'waits for the end of the snooze'],
  ])('lets a message to %s wait for the hours of the person, until %s', (to, until, reason) => {
    const { notifications } = plan([{ to: [to] }]);
    expect(notifications).toMatchObject([{ state: 'waiting', dueAt: Date.parse(until), reason }]);
  });

  it('sends what is urgent in quiet hours and before a digest, and not in a snooze', () => {
    const { notifications } = plan([{ to: ['contact:night', 'contact:daily', 'contact:away'], urgent: true }]);
    expect(notifications).toMatchObject([
      { state: 'queued', dueAt: NOW, urgent: true },
      { state: 'queued', dueAt: NOW, urgent: true },
      { state: 'waiting', dueAt: NOW + 60_000, urgent: true },
    ]);
  });

  it('gives an address the hours, the level and the language of the contact whose it is, whoever names it', () => {
    const { notifications } = plan([{ to: ['{{job.tags.email}}'] }], { email: 'Night@Example.com' });
    expect(notifications).toMatchObject([{ state: 'waiting', recipient: { name: 'night', content: 'link' } }]);
  });

  it('sends nothing over a channel that the person does not want, and says so', () => {
    const { notifications, skipped } = plan([{ channel: 'sms', to: ['contact:no-sms', '+14155550106'] }]);
    expect(notifications).toEqual([]);
    expect(skipped.map(({ to, reason }) => [to, reason])).toEqual([
      ['contact:no-sms', 'the contact "no-sms" is not to be sent SMS'],
      ['+14155550106', 'the contact "no-sms" is not to be sent SMS'],
    ]);
    expect(plan([{ to: ['contact:no-sms'] }]).notifications).toHaveLength(1);
  });

  it('tells the deaths of two deliveries of one job apart', () => {
    const delivery = { id: 'delivery-1', channel: 'sms', ruleName: 'x', reason: 'rejected' };
    const { notifications } = plan([{ to: ['a@b.co'] }], {}, { delivery });
    expect(notifications[0]?.dedupeKey).toBe('job-1:delivery-1:rule-1:v3:0:email:a@b.co');
  });

  it('plans nothing when no rule matched', () => {
    expect(planNotifications([], completedFacts(), DIRECTORY, [EMAIL], NOW)).toEqual({
      notifications: [],
      skipped: [],
    });
  });

  it('lets a fault of a channel through: it is no fault of the address', () => {
    const broken: PlanChannel = {
      ...EMAIL,
      parseRecipient: () => {
        throw new TypeError('broken');
      },
    };
    const stored = rule({ actions: [{ channel: 'email', to: ['a@b.co'], template: 't' }] });
    const { matches } = evaluateRules([compileRule(stored)], completedFacts(), callSpeech());
    expect(() => planNotifications(matches, completedFacts(), DIRECTORY, [broken], NOW)).toThrow('broken');
  });
});

describe('planning for a rule that escalates', () => {
  const actions = [{ channel: 'email', to: ['a@b.co'], template: 'transcript-ready' }];
  const match = (): RuleMatch => {
    const escalate = [
      { after: '15m', actions },
      { after: '1h', actions: [...actions, { channel: 'sms', to: ['contact:on-call'], template: 'transcript-ready' }] },
    ];
    const stored = rule({ name: 'r', id: 'rule-1', version: 3, actions, escalate });
    const [found] = evaluateRules([compileRule(stored)], completedFacts(), callSpeech()).matches;
    if (!found) throw new Error('the rule has no condition');
    return found;
  };
  const planned = (matches: RuleMatch[]) =>
    planNotifications(matches, completedFacts(), DIRECTORY, [EMAIL, SMS], NOW).notifications;

  it('marks its own actions as step 0, under the same key as those of any rule', () => {
    expect(planned([match()])).toMatchObject([{ step: 0, dedupeKey: 'job-1:rule-1:v3:0:email:a@b.co' }]);
    expect(plan([{ to: ['a@b.co'] }]).notifications[0]).not.toHaveProperty('step');
  });

  it('lets each step write to the same person once more', () => {
    expect(planned(withSteps(match())).map(({ step, action, dedupeKey }) => [step, action, dedupeKey])).toEqual([
      [0, 0, 'job-1:rule-1:v3:0:email:a@b.co'],
      [1, 0, 'job-1:rule-1:v3:s1.0:email:a@b.co'],
      [2, 0, 'job-1:rule-1:v3:s2.0:email:a@b.co'],
      [2, 1, 'job-1:rule-1:v3:s2.1:sms:+14155550100'],
    ]);
  });

  it('has no step after the last', () => {
    expect(atStep(match(), 2)?.rule.actions).toHaveLength(2);
    expect([atStep(match(), 3), atStep(match(), 0)]).toEqual([undefined, undefined]);
  });
});
