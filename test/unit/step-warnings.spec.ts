import { describe, expect, it } from '@jest/globals';
import type { RuleDefinition } from '../../src/rules/rule.js';
import { stepWarnings, type AckContext } from '../../src/rules/step-warnings.js';
import { rule } from '../support/rules.js';

const KNOWN: AckContext = {
  hasLinks: true,
  channels: [
    { name: 'email', kind: 'email' },
    { name: 'sms', kind: 'sms' },
  ],
  templates: [
    { name: 'both', parts: { 'email.html': '<p>{{> frame}}</p>', sms: '{{#if ack}}{{ack}}{{/if}}' } },
    { name: 'mail', parts: { 'email.html': '<a href="{{link ack}}">x</a>', sms: '{{preview}} {{back}} ack' } },
    { name: 'none', parts: { 'email.html': '{{job.tags.ack}} {{> loop}}', sms: '{{preview}}' } },
  ],
  partials: { frame: '{{#> inner}}{{/inner}}', inner: '{{~#if ack}}x{{/if}}', loop: '{{> loop}}' },
};

const action = (channel: string, template: string) => ({ channel, template, to: ['a@b.co'] });
const definition = (own: string, step: string, channel = 'email'): RuleDefinition =>
  rule({ actions: [action('email', own)], escalate: [{ after: '1h', actions: [action(channel, step)] }] });
const pointers = (of: RuleDefinition, known = KNOWN) => stepWarnings(of, known).map(({ pointer }) => pointer);

describe('a rule with steps that nobody could acknowledge', () => {
  it('is warned of at each template that shows no link, for its kind of channel, also through partials', () => {
    expect(pointers(definition('both', 'both', 'sms'))).toEqual([]);
    expect(pointers(definition('mail', 'mail', 'sms'))).toEqual(['/escalate/0/actions/0/template']);
    expect(pointers(definition('none', 'both'))).toEqual(['/actions/0/template']);
    expect(pointers(definition('none', 'none', 'sms'))).toHaveLength(2);
  });

  it('is warned of once where messages have no links at all', () => {
    const [warning] = stepWarnings(definition('none', 'none'), { ...KNOWN, hasLinks: false });
    expect(warning).toMatchObject({ pointer: '/escalate', message: expect.stringContaining('HERALD_PUBLIC_URL') });
    expect(pointers(definition('none', 'none'), { ...KNOWN, hasLinks: false })).toHaveLength(1);
  });

  it('is only one with steps', () => {
    expect(pointers(rule({ actions: [action('email', 'none')] }))).toEqual([]);
  });
});
