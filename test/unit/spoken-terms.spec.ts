import { describe, expect, it } from '@jest/globals';
import type { JsonObject } from '../../src/json.js';
import { compileRule } from '../../src/rules/evaluate.js';
import { termsOf, withTerms } from '../../src/rules/spoken-terms.js';
import { rule } from '../support/rules.js';

const compiled = (...conditions: string[]) =>
  conditions.map((when, i) => compileRule(rule({ name: `rule ${String(i)}`, when })));

describe('phrases of rules as terms of a request', () => {
  it('are the literal ones, those of most rules first, each once however it is written', () => {
    const rules = compiled(
      "speech.says('Refund') || speech.saysAny(['money back', 'cancel'])",
      "speech.by('1').near('cancel', 'contract', 5) && speech.count('refund') > 1",
      "!speech.says('cancel') && transcript.utterances.exists(u, speech.says(u.text))",
    );
    expect(termsOf(rules, 'keyterm')).toEqual(['cancel', 'Refund', 'contract', 'money back']);
  });

  it('leave out wildcards, negations and what heard() asks for', () => {
    const rules = compiled(
      "speech.says('refund*') || speech.saysWithout('cancel', ['not'], 3) || speech.heard('ACME')",
    );
    expect(termsOf(rules, 'keyterm')).toEqual(['cancel']);
    expect(termsOf(rules, 'search')).toEqual(['ACME']);
  });

  it('are nothing for a rule that does not compile any more', () => {
    expect(termsOf(compiled('gone.fact == 1'), 'keyterm')).toEqual([]);
  });

  it("follow the job's own terms, within what Deepgram takes", () => {
    const many = Array.from({ length: 200 }, (_, i) => `t${String(i)}`);
    const options = { model: 'nova-3', keyterm: ['ours', 't0'] };
    const { keyterm } = withTerms(options, 'keyterm', many) as { keyterm: string[] };
    expect(keyterm.slice(0, 3)).toEqual(['ours', 't0', 't1']);
    expect(keyterm).toHaveLength(100);
    expect(withTerms({}, 'search', many).search).toHaveLength(50);
    const long = withTerms(
      { model: 'nova-3' },
      'keyterm',
      Array<string>(50)
        .fill('a very long phrase of many words')
        .map((t, i) => `${t} ${String(i)}`),
    );
    expect((long.keyterm as string[]).join(' ').length).toBeLessThan(1500);
  });

  it.each<JsonObject>([
    { model: 'nova-2' },
    { model: 'nova-3', language: 'multi' },
    { model: 'nova-3', detect_language: true },
    {},
  ])('are not sent as key terms with %j', (options) => {
    expect(withTerms(options, 'keyterm', ['refund'])).toEqual(options);
  });

  it('change nothing when there are none', () => {
    expect(withTerms({ model: 'nova-3' }, 'keyterm', [])).toEqual({ model: 'nova-3' });
  });
});
