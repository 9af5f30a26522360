import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { toDirectory } from '../../src/recipients/directory.js';
import { compileRule, evaluateRules } from '../../src/rules/evaluate.js';
import { apart, together } from '../../src/rules/merge.js';
import { planNotifications, type Notification, type PlanChannel } from '../../src/rules/plan.js';
import type { Action, RuleDefinition } from '../../src/rules/rule.js';
import { callSpeech, completedFacts, rule } from '../support/rules.js';

const CHANNELS: PlanChannel[] = (['email', 'sms'] as const).map((kind) => ({
  name: kind,
  kind,
  parseRecipient: (address) => ({ address }),
}));
const DIRECTORY = toDirectory(
  [
    { id: 'c1', name: 'Ann', email: 'ann@example.com', locale: 'de' },
    { id: 'c2', name: 'Cleo', email: 'cleo@example.com', digest: { at: '08:00' } },
  ],
  [],
  [{ kind: 'email', address: 'stopped@example.com', sender: '', reason: 'asked to stop' }],
);

type Written = Partial<Omit<RuleDefinition, 'actions'>> & { actions: Partial<Action>[] };

function plan(...rules: Written[]): Notification[] {
  const compiled = rules.map(({ actions, ...definition }, i) => {
    const whole = actions.map((action) => ({
      channel: 'email',
      to: ['ann@example.com'],
      template: 'ready',
      ...action,
    }));
    return compileRule(rule({ name: `rule ${String(i)}`, ...definition, actions: whole }));
  });
  const facts = completedFacts();
  const { matches } = evaluateRules(compiled, facts, callSpeech());
  return planNotifications(matches, facts, DIRECTORY, CHANNELS, 0).notifications;
}

describe('one call, one message', () => {
  it('makes one of what several rules tell a person; the first rule leads, words and attachments are those of all', () => {
    const [message, ...others] = plan(
      { when: "speech.says('resolved')", actions: [{ attach: ['vtt'] }] },
      { when: "speech.says('refund') && speech.says('resolved')", actions: [{ attach: ['txt', 'vtt'] }] },
    );
    expect(others).toEqual([]);
    expect(message).toMatchObject({
      ruleName: 'rule 0',
      attach: ['vtt', 'txt'],
      dedupeKey: message?.parts?.[0]?.dedupeKey,
    });
    expect(message?.matches.map(({ text }) => text)).toEqual(['Refund,', 'resolved']);
    expect(message?.parts?.map(({ ruleName }) => ruleName)).toEqual(['rule 0', 'rule 1']);
  });

  it.each<[string, Written, Written]>([
    ['another template', { actions: [{}] }, { actions: [{ template: 'late' }] }],
    ['another recipient', { actions: [{}] }, { actions: [{ to: ['bob@example.com'] }] }],
    ['another channel', { actions: [{}] }, { actions: [{ channel: 'sms' }] }],
    ['a rule that wants its own message', { actions: [{}] }, { merge: false, actions: [{}] }],
    ['two rules that want their own', { merge: false, actions: [{}] }, { merge: false, actions: [{}] }],
  ])('keeps apart: %s', (_, a, b) => {
    const messages = plan(a, b);
    expect(messages).toHaveLength(2);
    expect(messages.every(({ parts }) => parts === undefined)).toBe(true);
  });

  it('knows a person whose address is written in capitals, and by name when one of the rules names the contact', () => {
    const messages = plan({ actions: [{ to: ['ANN@example.com'] }] }, { actions: [{ to: ['contact:ann'] }] });
    expect(messages).toMatchObject([{ to: 'ANN@example.com', recipient: { name: 'Ann', locale: 'de' } }]);
  });

  it('lets an SMS be as long as the most generous rule allows', () => {
    const sms = (segments?: number): Written => ({
      actions: [{ channel: 'sms', to: ['+1'], ...(segments === undefined ? {} : { preview: { segments } }) }],
    });
    expect(plan(sms(1), sms(3), sms())).toMatchObject([{ previewSegments: 3 }]);
    expect(plan(sms(), sms())[0]).not.toHaveProperty('previewSegments');
  });

  it('goes at once when one of the rules is urgent, and takes along what would have waited', () => {
    const to = ['contact:cleo'];
    const [message, ...others] = plan({ actions: [{ to }] }, { actions: [{ to, urgent: true }] });
    expect(others).toEqual([]);
    expect(message).toMatchObject({ ruleName: 'rule 0', state: 'queued', urgent: true });
    expect(message).not.toHaveProperty('reason');
    expect(plan({ actions: [{ to }] }, { actions: [{ to }] })).toMatchObject([{ state: 'waiting' }]);
  });

  it('shows once that somebody must not be contacted', () => {
    const to = ['stopped@example.com'];
    expect(plan({ actions: [{ to }] }, { actions: [{ to }] })).toMatchObject([{ state: 'suppressed' }]);
  });

  it('holds for any rules: nobody gets the same template twice, nothing planned is lost, and merging again changes nothing', () => {
    const action = fc.record({
      channel: fc.constantFrom('email', 'sms'),
      to: fc.uniqueArray(fc.constantFrom('ann@example.com', 'ANN@example.com', 'bob@example.com', 'contact:ann'), {
        minLength: 1,
      }),
      template: fc.constantFrom('ready', 'late'),
    });
    const written = fc.record({
      actions: fc.array(action, { minLength: 1, maxLength: 3 }),
      order: fc.integer({ min: 0, max: 3 }),
    });
    fc.assert(
      fc.property(fc.array(written, { maxLength: 6 }), (rules) => {
        const messages = plan(...rules);
        const told = messages.map(({ kind, to, template }) => `${kind} ${to.toLowerCase()} ${template}`);
        expect(new Set(told).size).toBe(told.length);
        const alone = plan(...rules.map((one) => ({ ...one, merge: false as const })));
        const keys = (list: readonly Notification[]): string[] => list.map(({ dedupeKey }) => dedupeKey).sort();
        expect(keys(messages.flatMap(apart))).toEqual(keys(alone));
        expect(together(messages)).toEqual(messages);
      }),
    );
  });
});
