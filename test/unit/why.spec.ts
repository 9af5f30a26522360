import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { compileRule, evaluateRules } from '../../src/rules/evaluate.js';
import type { Why, WhyNode } from '../../src/rules/why-node.js';
import { whyStepwise } from '../../src/rules/why.js';
import type { Facts, Trigger } from '../../src/transcripts/facts.js';
import { callSpeech, completedFacts, rule } from '../support/rules.js';

function why(when: string, facts: Facts = completedFacts(), on: Trigger = 'transcript.completed'): Why {
  const steps = whyStepwise({ when, on }, facts, facts.transcript && callSpeech());
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

function nodes(node: WhyNode | null): WhyNode[] {
  return node === null ? [] : [node, ...(node.parts ?? []).flatMap(nodes)];
}

function nodeOf(when: string, text: string, facts?: Facts): WhyNode | undefined {
  return nodes(why(when, facts).tree).find((node) => node.text === text);
}

describe('the tree of a condition', () => {
  it('has a node for each part, with its kind, its outcome and what it saw', () => {
    expect(why("speech.by('1').says('refund') && transcript.duration > 300 && has(transcript.summary)").tree).toEqual({
      text: "speech.by('1').says('refund') && transcript.duration > 300 && has(transcript.summary)",
      kind: 'and',
      result: false,
      parts: [
        {
          text: "speech.by('1').says('refund')",
          kind: 'call',
          result: true,
          matches: [{ text: 'Refund,', speaker: '1', label: 'Speaker 2', channel: 0, start: 18, end: 18.8 }],
        },
        {
          text: 'transcript.duration > 300',
          kind: 'compare',
          result: false,
          parts: [{ text: 'transcript.duration', kind: 'fact', result: null, value: 100 }],
        },
        { text: 'has(transcript.summary)', kind: 'call', result: null, notReached: true },
      ],
    });
  });

  it('goes on below !, ( ) and ? :, and shows the words of what must not be said', () => {
    const { tree } = why("!(speech.says('resolved') || transcript.duration < 5) ? true : job.tags.tier == 'gold'");
    expect(tree).toMatchObject({
      kind: 'choice',
      result: true,
      parts: [
        {
          text: "!(speech.says('resolved') || transcript.duration < 5)",
          kind: 'not',
          result: false,
          parts: [
            {
              text: "speech.says('resolved') || transcript.duration < 5",
              kind: 'or',
              result: true,
              parts: [{ kind: 'call', result: true, matches: [{ text: 'resolved', start: 92 }] }, { notReached: true }],
            },
          ],
        },
        { text: 'true', notReached: true },
        { text: "job.tags.tier == 'gold'", result: true, parts: [{ text: 'job.tags.tier', value: 'gold' }] },
      ],
    });
  });

  it('keeps the parentheses that a part needs to be read alone', () => {
    const when = "(job.origin == 'api' || transcript.words > 3) && ((transcript.talk + 1) * 2) > (3 - 1)";
    expect(nodes(why(when).tree).map(({ text }) => text)).toEqual([
      when,
      "job.origin == 'api' || transcript.words > 3",
      "job.origin == 'api'",
      'job.origin',
      'transcript.words > 3',
      '((transcript.talk + 1) * 2) > (3 - 1)',
      '(transcript.talk + 1) * 2',
      'transcript.talk + 1',
      'transcript.talk',
      '3 - 1',
    ]);
    expect(nodeOf(when, '(transcript.talk + 1) * 2')).toMatchObject({ kind: 'calculation', value: 44 });
  });

  it('shows the list that a loop went over, and not its variable', () => {
    const loop = "transcript.topics.exists(t, t == 'legal')";
    expect(nodeOf(loop, loop)).toEqual({
      text: loop,
      kind: 'loop',
      result: false,
      parts: [{ text: 'transcript.topics', kind: 'fact', result: null, value: ['billing', 'refunds'] }],
    });
  });

  it('cuts texts after 200 characters and lists after 20 items, and says how long they are', () => {
    const facts = completedFacts({
      transcript: { text: 'x'.repeat(5_000), topics: Array.from({ length: 50 }, (_, i) => `topic ${String(i)}`) },
    });
    const text = nodeOf("transcript.text.contains('refund')", 'transcript.text', facts);
    expect(text).toMatchObject({ value: `${'x'.repeat(200)}…`, size: 5_000 });
    const topics = nodeOf('size(transcript.topics) > 60', 'transcript.topics', facts);
    expect(topics?.value).toHaveLength(20);
    expect(topics?.size).toBe(50);
    expect(nodeOf('size(transcript.topics) > 60', 'size(transcript.topics)', facts)?.value).toBe(50);
  });

  it('shows what could not be evaluated, and what it could be evaluated without', () => {
    const fails = 'transcript.speakers[9].talk > 1';
    expect(why(`${fails} || speech.says('refund')`)).toMatchObject({ matched: true, tree: { result: true } });
    const { matched, error, reason, tree } = why(`${fails} && speech.says('refund')`);
    expect({ matched, error }).toEqual({ matched: false, error: 'there is no such item in transcript.speakers[9]' });
    expect(reason).toBe(error);
    expect(tree).toMatchObject({ result: null, parts: [{ text: fails, result: null, error }, { result: true }] });
  });

  it('of a condition that is not valid any more says why', () => {
    expect(why('transcript.gone == 1')).toMatchObject({ matched: false, tree: null });
    expect(why('transcript.gone == 1').reason).toContain('no field "gone"');
  });

  it('sees what each trigger knows', () => {
    const { job } = completedFacts();
    const overdue = { job, overdue: { minutes: 95, resubmissions: 2 } };
    expect(why('overdue.minutes > 30', overdue, 'job.overdue')).toMatchObject({
      matched: true,
      tree: { parts: [{ text: 'overdue.minutes', value: 95 }] },
    });
    const failed = { job, failure: { code: 'UNREADABLE', message: 'no audio' } };
    expect(why("failure.code == 'OTHER'", failed, 'transcript.failed').reason).toBe(
      "“failure.code == 'OTHER'” is not true: failure.code is “UNREADABLE”",
    );
    const dead = { job, delivery: { id: '1', channel: 'sms', ruleName: 'r', reason: 'rejected' } };
    expect(why("delivery.channel == 'sms'", dead, 'delivery.dead').matched).toBe(true);
  });
});

describe('the reason why a rule did not match', () => {
  it.each([
    [
      "speech.by('1').says('refund') && transcript.duration > 300",
      '“transcript.duration > 300” is not true: transcript.duration is 100',
    ],
    ["job.tags.tier == 'silver'", "“job.tags.tier == 'silver'” is not true: job.tags.tier is “gold”"],
    ["job.tags.region == 'eu'", "“job.tags.region == 'eu'” is not true: job.tags.region is empty"],
    ["speech.says('lawyer')", '“lawyer” is not said'],
    ["speech.anyForm().by('0').says('lawyers')", "“lawyers” is not said in any form by Speaker 1 ('0')"],
    ["speech.then('refund', 'lawyer', 10)", '“refund” is not followed by “lawyer” within 10 seconds'],
    ["speech.saysWithout('want', ['I', 'don’t'], 2)", '“want” is not said without one of those words near it'],
    ['speech.silence(75)', 'there is no silence of 75 seconds'],
    ["speech.heard('refund', 0.9)", "Deepgram's search did not find “refund” with enough confidence"],
    ["speech.confident(0.995).says('refund')", '“refund” is not said with a confidence of 0.995'],
    ["speech.by('0').first(30).says('refund')", "“refund” is not said by Speaker 1 ('0') in the first 30 seconds"],
    [
      "speech.by('7').says('refund')",
      "“refund” is not said by '7', whom this transcript does not have (the speakers are '0', '1')",
    ],
    ["speech.saysAny(['lawyer', 'court'])", 'none of “lawyer”, “court” is said'],
    ["speech.near('refund', 'goodbye', 3)", '“refund” and “goodbye” are not said within 3 words of each other'],
    [
      "!speech.says('resolved')",
      "“resolved” is said by Speaker 1 at 1:32, and “speech.says('resolved')” must not hold",
    ],
    ['!(transcript.duration > 30)', '“transcript.duration > 30” holds, and must not: transcript.duration is 100'],
    ['has(job.tags.phone)', 'the job has no tag “phone”'],
    ['has(transcript.summary)', 'transcript.summary is absent'],
    ["transcript.topics.exists(t, t == 'legal')", "no item of transcript.topics meets (t == 'legal')"],
    ["transcript.intents.exists(t, t == 'cancel')", 'transcript.intents is empty'],
    [
      "speech.says('lawyer') || transcript.duration > 300",
      'none of 2 alternatives holds: “lawyer” is not said; “transcript.duration > 300” is not true: transcript.duration is 100',
    ],
    ["has(transcript.summary) ? true : speech.says('lawyer')", '“lawyer” is not said'],
    ["speech.then('goodbye', 'refund', 10)", '“goodbye” is not followed by “refund” within 10 seconds'],
    ["speech.saysWithout('lawyer', ['no'], 3)", '“lawyer” is not said without one of those words near it'],
    ['speech.silence(300)', 'there is no silence of 300 seconds'],
    ["speech.heard('acme', 0.9)", "Deepgram's search did not find “acme” with enough confidence"],
    ["speech.anyForm('en').by('0').says('lawyer')", "“lawyer” is not said in any form by Speaker 1 ('0')"],
    ["speech.count('refund') > 3", "“speech.count('refund') > 3” is not true: speech.count('refund') is 1"],
    ['false', '“false” is not true'],
  ])('of %s is one sentence', (when, reason) => {
    expect(why(when)).toMatchObject({ matched: false, reason });
  });

  it('is none for a rule that matched', () => {
    expect(why("speech.says('refund')").reason).toBeNull();
  });

  it('stays readable for a condition of 500 nodes', () => {
    const when = Array.from({ length: 120 }, (_, i) => `speech.says('word${String(i)}')`).join(' || ');
    const { reason, tree } = why(when);
    expect(reason).toBe(
      'none of 120 alternatives holds: “word0” is not said; “word1” is not said; “word2” is not said; and 117 more',
    );
    expect(tree?.parts).toHaveLength(120);
  });
});

describe('the tree and the evaluation', () => {
  const atom = fc.constantFrom(
    'true',
    'false',
    "speech.says('refund')",
    "speech.by('0').says('lawyer')",
    'transcript.duration > 50',
    'transcript.talk * 2 == 42',
    "job.tags.tier in ['silver', 'bronze']",
    'has(transcript.summary)',
    'transcript.speakers[9].talk > 1',
    'int(job.tags.tier) > 3',
    "transcript.topics.exists(t, t == 'billing')",
    'transcript.utterances.all(u, u.confidence > 0.8)',
  );
  const { condition } = fc.letrec<{ condition: string }>((tie) => ({
    condition: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      atom,
      fc
        .tuple(tie('condition'), fc.constantFrom('&&', '||'), tie('condition'))
        .map(([a, op, b]) => `(${a}) ${op} (${b})`),
      fc.tuple(atom, fc.constantFrom('&&', '||'), tie('condition')).map(([a, op, b]) => `${a} ${op} (${b})`),
      tie('condition').map((inner) => `!(${inner})`),
      fc.tuple(tie('condition'), tie('condition'), tie('condition')).map(([a, b, c]) => `((${a}) ? (${b}) : (${c}))`),
    ),
  }));

  it('never disagree, whatever the condition', () => {
    fc.assert(
      fc.property(condition, (when) => {
        const one = rule({ when });
        const [evaluation] = evaluateRules([compileRule(one)], completedFacts(), callSpeech()).evaluations;
        const { matched, error, tree, reason } = why(when);
        expect({ matched, error }).toEqual({ matched: evaluation?.matched, error: evaluation?.error });
        expect(tree?.result).toBe(error === undefined ? matched : null);
        expect(reason === null).toBe(matched);
      }),
      { numRuns: 300 },
    );
  });
});
