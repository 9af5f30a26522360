import type { Stock } from '../../src/code/stock.js';
import { stockedContact, stockedGroup, stockedRedaction, stockedRule, stockedTemplate } from '../../src/code/stock.js';
import type { RuleDefinition } from '../../src/rules/rule.js';
import { rule } from './rules.js';

const AT = '2026-01-05T12:00:00.000Z';
const TIMES = { createdAt: AT, updatedAt: AT };

/** A running Herald with a redaction, a contact, a group, a saved template, a file template and one rule. */
export function smallStock(changes: Partial<RuleDefinition> = {}): Stock {
  const {
    id: _id,
    version: _version,
    createdAt: _created,
    updatedAt: _updated,
    ...definition
  } = rule({
    name: 'refund-risk',
    when: "speech.says('refund')",
    actions: [{ channel: 'email', to: ['group:billing'], template: 'short' }],
    ...changes,
  });
  return {
    channels: [
      { name: 'email', kind: 'email' },
      { name: 'sms', kind: 'sms' },
    ],
    redactions: [
      stockedRedaction({
        channel: 'email',
        version: 4,
        enabled: true,
        rules: [{ kind: 'cards' }, { kind: 'numbers', minDigits: 6 }],
        author: 'admin',
        updatedAt: AT,
      }),
    ],
    contacts: [
      stockedContact({ id: 'c1', name: 'on-call', email: 'on-call@example.com', phone: '+12125550145', ...TIMES }),
    ],
    groups: [stockedGroup({ id: 'g1', name: 'billing', members: ['on-call'], ...TIMES })],
    templates: [
      template('short', 'stored', {
        'email.subject': 'A call',
        'email.html': '<p>{{preview}}</p>',
        sms: '{{preview}}',
      }),
      template('transcript-ready', 'file', { sms: '{{preview}}' }),
    ],
    rules: [stockedRule({ ...definition, id: 'r1', version: 3, ...TIMES })],
  };
}

function template(name: string, source: 'file' | 'stored', parts: Record<string, string>) {
  return stockedTemplate({ name, version: source === 'file' ? 0 : 2, description: 'A text', kinds: [], source, parts });
}
