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

function conditionOf(leaves: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc
    .letrec<{ condition: string }>((tie) => ({
      condition: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        leaves,
        leaves.map((one) => `!(${one})`),
        fc
          .tuple(tie('condition'), fc.constantFrom('&&', '||'), tie('condition'))
          .map(([a, operator, b]) => `(${a} ${operator} ${b})`),
      ),
    }))
    .condition.filter(isSound);
}

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
      when: conditionOf(leaf),
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

// ---- calls after each other ----

/** No two calls of a series are exactly so far apart: {@link randomSeries} takes whole ten minutes. */
const window = fc.constantFrom('35m', '75m', '1205m');

const seriesLeaf = fc.oneof(
  fc
    .tuple(leaf, window, fc.integer({ min: 1, max: 3 }))
    .map(([one, within, n]) => `count(${one}, "${within}") >= ${String(n)}`),
  fc
    .tuple(word, window, fc.integer({ min: 2, max: 4 }))
    .map(([said, within, n]) => `count(speech.says('${said}'), "${within}", "client") < ${String(n)}`),
  word.map((said) => `changed(speech.says('${said}'), "client")`),
  fc.constant('changed(job.tags.tier, "client")'),
  leaf,
);

const person = fc.constantFrom('contact:night', 'contact:digest', 'contact:away', 'group:all');
const toPeople = fc
  .tuple(fc.oneof(email, sms), fc.uniqueArray(person, { minLength: 1, maxLength: 2 }), fc.boolean())
  .map(([action, people, urgent]): Action => ({ ...action, to: [...people, ...action.to.slice(0, 1)], urgent }));

const throttle = fc.record({
  times: fc.integer({ min: 1, max: 3 }),
  within: window,
  per: fc.constantFrom('rule' as const, 'recipient' as const, 'tag:client' as const),
});
const escalate = fc.array(fc.record({ after: window, actions: fc.tuple(toPeople) }), { minLength: 1, maxLength: 2 });

/** Of what keeps rules from sharing a message only one at a time, or few would. */
const apart: fc.Arbitrary<Partial<RuleDefinition>> = fc.oneof(
  fc.constant({}),
  fc.constant({}),
  fc.record({ throttle }),
  fc.record({ escalate }),
  fc.record({ merge: fc.constant(false as const), throttle }),
);

/** Rules whose outcome hangs on the calls before, on the hour and on each other. */
const rememberingRules: fc.Arbitrary<RuleDefinition[]> = fc
  .array(
    fc
      .record({
        when: conditionOf(seriesLeaf),
        actions: fc.array(toPeople, { minLength: 1, maxLength: 2 }),
        stop: fc.constantFrom(false, false, false, true),
        order: fc.integer({ min: 1, max: 3 }),
        apart,
      })
      .map(({ apart: more, ...rule }) => ({ enabled: true, on: 'transcript.completed' as const, ...rule, ...more })),
    { minLength: 2, maxLength: 4 },
  )
  .map((rules) => rules.map((rule, i) => ({ name: `rule ${String(i)}`, ...rule })));

/** Calls in their order, each so many minutes after the first. */
export interface RandomSeries {
  rules: RuleDefinition[];
  calls: (RandomCall & { minutes: number })[];
}

export const randomSeries: fc.Arbitrary<RandomSeries> = fc.record({
  rules: rememberingRules,
  calls: fc
    .array(fc.tuple(randomCall, fc.constantFrom('acme', 'birch', undefined), fc.constantFrom(0, 10, 20, 60, 300)), {
      minLength: 4,
      maxLength: 8,
    })
    .map((drawn) => {
      let minutes = 0;
      return drawn.map(([{ turns, tags }, client, pause]) => {
        minutes += pause;
        return { turns, tags: { ...tags, ...(client !== undefined && { client }) }, minutes };
      });
    }),
});
