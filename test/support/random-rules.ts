import fc from 'fast-check';
import { RuleInvalidError } from '../../src/errors.js';
import { checkCondition } from '../../src/rules/language.js';
import type { Action, RuleDefinition } from '../../src/rules/rule.js';

/** Few words, so that rules meet what was said. */
export const WORDS = ['refund', 'invoice', 'cancel', 'thanks', 'lawyer', 'parcel'] as const;

const word = fc.constantFrom(...WORDS);

/** Every kind of condition: of words, figures, tags, and one that fails on some jobs. */
const leaf = fc.oneof(
  word.map((said) => `speech.says('${said}')`),
  fc.tuple(word, word).map(([a, b]) => `speech.says('${a} ${b}')`),
  fc.tuple(word, fc.constantFrom('0', '1')).map(([said, who]) => `speech.by('${who}').says('${said}')`),
  fc.tuple(word, word).map(([a, b]) => `speech.near('${a}', '${b}', 2)`),
  word.map((said) => `speech.last(4).saysAny(['${said}', 'par*'])`),
  fc.integer({ min: 1, max: 30 }).map((seconds) => `transcript.duration > ${String(seconds)}`),
  fc.constantFrom(
    "job.tags.tier == 'gold'",
    'has(job.tags.email)',
    'int(job.tags.amount) > 3',
    "regex(transcript.text, 'l.wyer')",
    "transcript.utterances.exists(one, one.confidence > 0.5 && one.text.contains('thanks'))",
    'true',
  ),
);

/** Whether the condition can be saved: of two parts that are drawn, one may rule out the other. */
function isSound(condition: string): boolean {
  try {
    checkCondition(condition, 'transcript.completed');
    return true;
  } catch (error) {
    if (error instanceof RuleInvalidError) return false;
    throw error;
  }
}

const when = fc
  .letrec<{ condition: string }>((tie) => ({
    condition: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      leaf,
      leaf.map((one) => `!(${one})`),
      fc
        .tuple(tie('condition'), fc.constantFrom('&&', '||'), tie('condition'))
        .map(([a, operator, b]) => `(${a} ${operator} ${b})`),
    ),
  }))
  .condition.filter(isSound);

const email: fc.Arbitrary<Action> = fc.record(
  {
    channel: fc.constant('email'),
    to: fc.uniqueArray(
      fc.constantFrom(
        '{{job.tags.email}}',
        'contact:ann',
        'group:team',
        'boss@clinic.example',
        'stopped@clinic.example',
      ),
      { minLength: 1, maxLength: 3 },
    ),
    template: fc.constant('transcript-ready'),
    attach: fc.constantFrom(['vtt' as const], ['txt' as const, 'srt' as const]),
  },
  { requiredKeys: ['channel', 'to', 'template'] },
);
const sms: fc.Arbitrary<Action> = fc.record(
  {
    channel: fc.constant('sms'),
    to: fc.uniqueArray(fc.constantFrom('{{job.tags.phone}}', 'contact:ann', 'group:team', '+12125550143'), {
      minLength: 1,
      maxLength: 2,
    }),
    template: fc.constant('transcript-ready'),
    preview: fc.record({ segments: fc.integer({ min: 1, max: 3 }) }),
  },
  { requiredKeys: ['channel', 'to', 'template'] },
);

/** Valid rules of different names, some switched off, some with `stop`. */
export const randomRules: fc.Arbitrary<RuleDefinition[]> = fc
  .array(
    fc.record({
      enabled: fc.constantFrom(true, true, true, false),
      on: fc.constant('transcript.completed' as const),
      when,
      actions: fc.array(fc.oneof(email, sms), { minLength: 1, maxLength: 2 }),
      stop: fc.constantFrom(false, false, false, true),
      order: fc.integer({ min: 1, max: 3 }),
    }),
    { minLength: 1, maxLength: 5 },
  )
  .map((rules) => rules.map((rule, i) => ({ name: `rule ${String(i)}`, ...rule })));

/** What two people say in turn, with the tags of the job. */
export interface RandomCall {
  turns: string[][];
  tags: Record<string, string>;
}

export const randomCall: fc.Arbitrary<RandomCall> = fc.record({
  turns: fc.array(fc.array(word, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 4 }),
  tags: fc.record(
    {
      tier: fc.constantFrom('gold', 'silver'),
      email: fc.constantFrom('kim@clinic.example', 'no address', 'Kim <KIM@Clinic.example>'),
      phone: fc.constantFrom('+12125550144', '12', ''),
      amount: fc.constantFrom('2', '7', 'many'),
    },
    { requiredKeys: [] },
  ),
});
