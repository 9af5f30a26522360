import { describe, expect, it } from '@jest/globals';
import { RuleInvalidError, type FieldError } from '../../src/errors.js';
import { absentPaths, isExpression, parseRecipientExpression, resolve } from '../../src/rules/recipient-expression.js';
import type { Trigger } from '../../src/transcripts/facts.js';
import { completedFacts } from '../support/rules.js';

const ON: Trigger = 'transcript.completed';

function errorsOf(source: string, on: Trigger = ON): FieldError[] {
  try {
    parseRecipientExpression(source, on);
  } catch (error) {
    if (error instanceof RuleInvalidError) return error.errors;
    throw error;
  }
  return [];
}

describe('a recipient expression', () => {
  it.each([
    ['{{job.tags.email}}', 'ann@example.com'],
    ['  {{ job.tags.email }}  ', 'ann@example.com'],
    ['{{job.tags.tier}}-desk@example.com', 'gold-desk@example.com'],
    ['{{job.tags.[no-such]}}@example.com', '@example.com'],
    ['{{job.tags.absent}}', ''],
    ['{{job.options.model}}@example.com', 'nova-3@example.com'],
    ['{{transcript.channels}}@example.com', '1@example.com'],
    ['{{job.tags.constructor}}', ''],
  ])('%s becomes %s', (source, address) => {
    expect(resolve(parseRecipientExpression(source, ON), completedFacts())).toBe(address);
  });

  it('takes the value of a tag as it is, also when it looks like an expression', () => {
    const facts = completedFacts({ job: { tags: { email: '{{job.id}}<b>&' } } });
    expect(resolve(parseRecipientExpression('{{job.tags.email}}', ON), facts)).toBe('{{job.id}}<b>&');
  });

  it('names the paths that are absent', () => {
    const expression = parseRecipientExpression('{{job.tags.user}}@{{job.tags.domain}}.{{job.tags.tier}}', ON);
    expect(absentPaths(expression, completedFacts())).toEqual(['job.tags.user', 'job.tags.domain']);
  });

  it('is told from an address', () => {
    expect(isExpression('{{job.tags.email}}')).toBe(true);
    expect(isExpression('a@b.co')).toBe(false);
  });

  it.each([
    ['{{job.tag.email}}', 3, 'no field "tag"', '{{job.tags.email}}'],
    ['to {{tags.email}}', 6, '"tags" is not known', '{{job.tags.email}}'],
    ['{{jobs.tags.email}}', 3, '"jobs" is not known', '{{job.tags.email}}'],
    ['{{job.tags}}', 3, 'not a text', '{{job.tags.email}}'],
    ['{{transcript.speakers}}', 3, 'not a text', ''],
    ['{{speech}}', 3, '"speech" is not known', ''],
    ['{{failure.code}}', 3, 'failure is not known on transcript.completed', ''],
    ['{{email}}', 3, '"email" is not known', ''],
    ['{{{job.tags.email}}}', 1, 'two braces', ''],
    ['{{&job.tags.email}}', 1, 'two braces', ''],
    ['{{upper job.tags.email}}', 1, 'helpers', ''],
    ['{{job.tags.email x=1}}', 1, 'helpers', ''],
    ['{{"a@b.co"}}', 1, 'helpers', ''],
    ['{{#if job.tags.email}}a@b.co{{/if}}', 1, 'only paths', ''],
    ['{{> partial}}', 1, 'only paths', ''],
    ['{{! comment }}', 1, 'only paths', ''],
    ['{{../job.tags.email}}', 3, 'starts with the name of a fact', ''],
    ['{{@root.job.tags.email}}', 3, 'starts with the name of a fact', ''],
    ['{{job.__proto__}}', 3, 'no field "__proto__"', ''],
    ['{{constructor}}', 3, '"constructor" is not known', ''],
    ['{{job.tags.email', 1, 'two braces, a path, two braces', ''],
    ['{{}}', 1, 'two braces, a path, two braces', ''],
  ])('%s is refused', (source, column, message, suggestion) => {
    const [first] = errorsOf(source);
    expect(first?.message).toContain(message);
    expect(first).toMatchObject({ line: 1, column });
    expect(first?.suggestion ?? '').toBe(suggestion);
  });

  it('knows the facts of its trigger', () => {
    expect(errorsOf('{{failure.code}}@example.com', 'transcript.failed')).toEqual([]);
  });

  it('reads own members only', () => {
    const expression = { source: '', parts: [{ path: ['job', 'constructor', 'name'] }] };
    expect(resolve(expression, completedFacts())).toBe('');
  });
});
