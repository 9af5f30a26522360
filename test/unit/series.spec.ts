import { describe, expect, it } from '@jest/globals';
import { RuleInvalidError } from '../../src/errors.js';
import { DAY } from '../../src/duration.js';
import { compileRule, evaluateRules, seriesOf, type Evaluated } from '../../src/rules/evaluate.js';
import { compileCondition } from '../../src/rules/language.js';
import { SeriesMemory } from '../../src/rules/series.js';
import { toFacts } from '../../src/transcripts/facts.js';
import { toSpeech } from '../../src/transcripts/speech.js';
import { callTranscript } from '../support/transcript.js';
import { rule } from '../support/rules.js';

/** Calls one after the other, as they would be settled. */
class Calls {
  private readonly memory = new SeriesMemory();
  private readonly rules;
  private number = 0;

  constructor(...conditions: string[]) {
    this.rules = conditions.map((when, i) => compileRule(rule({ name: String(i), when })));
  }

  call(
    text: string,
    over: { tags?: Record<string, string>; at?: number; id?: string; language?: string } = {},
  ): Evaluated {
    const { tags = {}, at = ++this.number, id = String(at), language = 'en' } = over;
    const transcript = callTranscript(text, { language });
    const job = { id, origin: 'api' as const, tags, options: {}, createdAt: 0 };
    const series = this.memory.before(seriesOf(this.rules), job, at);
    const evaluated = evaluateRules(this.rules, toFacts(job, { transcript }), toSpeech(transcript), series);
    this.memory.add(evaluated.observations, id, at);
    return evaluated;
  }

  matched(...args: Parameters<Calls['call']>): boolean[] {
    return this.call(...args).evaluations.map(({ matched }) => matched);
  }
}

function problems(when: string): [message: string, column: number | undefined, suggestion?: string][] {
  try {
    compileCondition(when, 'transcript.completed');
    return [];
  } catch (error) {
    if (!(error instanceof RuleInvalidError)) throw error;
    return error.errors.map(({ message, column, suggestion }) =>
      suggestion === undefined ? [message, column] : [message, column, suggestion],
    );
  }
}

describe('count()', () => {
  it('says in how many calls of the time a condition held, this one too', () => {
    const calls = new Calls(`count(speech.says('refund'), "7d") == 2`);
    expect(['a refund', 'nothing', 'refund again', 'a refund'].map((text) => calls.matched(text))).toEqual([
      [false],
      [false],
      [true],
      [false],
    ]);
  });

  it('forgets calls that were before its time', () => {
    const calls = new Calls(`count(speech.says('refund'), "7d") >= 2`);
    expect(calls.matched('refund', { at: DAY })).toEqual([false]);
    expect(calls.matched('refund', { at: 8 * DAY })).toEqual([false]);
    expect(calls.matched('refund', { at: 15 * DAY - 1 })).toEqual([true]);
  });

  it('looks at calls with the same tag only; a job without the tag stands alone', () => {
    const calls = new Calls(`count(speech.says('refund'), "7d", "client") >= 2`);
    expect(calls.matched('refund', { tags: { client: 'acme' } })).toEqual([false]);
    expect(calls.matched('refund', { tags: { client: 'birch' } })).toEqual([false]);
    expect(calls.matched('refund')).toEqual([false]);
    expect(calls.matched('refund')).toEqual([false]);
    expect(calls.matched('refund', { tags: { client: 'acme' } })).toEqual([true]);
  });

  it('counts also when the rule never came to the question', () => {
    const calls = new Calls(`transcript.duration > 1000 && count(speech.says('refund'), "7d") > 0`);
    calls.call('refund');
    expect(calls.call('refund').observations).toHaveLength(1);
    const asked = new Calls(`transcript.words > 3 && count(speech.says('refund'), "7d") >= 2`);
    expect(asked.matched('refund')).toEqual([false]);
    expect(asked.matched('a refund if you please')).toEqual([true]);
  });

  it('counts a call once, however often it is settled', () => {
    const calls = new Calls(`count(speech.says('refund'), "7d") >= 2`);
    for (const at of [1, 2, 3]) expect(calls.matched('refund', { id: 'one', at })).toEqual([false]);
    expect(calls.matched('refund', { id: 'two', at: 4 })).toEqual([true]);
  });

  it('is one series for all rules that ask the same, however they space it and however far they look back', () => {
    const calls = new Calls(
      `count(speech.says('refund'), "7d") >= 2`,
      `count( speech . says( 'refund' ) , "1d" ) >= 2 // a comment`,
    );
    expect(calls.call('refund', { at: 0 }).observations).toMatchObject([{ windowMs: 7 * DAY }]);
    expect(calls.matched('refund', { at: 2 * DAY })).toEqual([true, false]);
  });

  it('shows the words of this call that it counted', () => {
    const calls = new Calls(`count(speech.says('refund'), "7d") >= 1 && transcript.duration > 0`);
    expect(calls.call('a refund please').matches[0]?.evaluation.matches.map(({ text }) => text)).toEqual(['refund']);
  });

  it('can be negated, compared with another count, and stand beside anything', () => {
    const calls = new Calls(
      `!(count(speech.says('refund'), "7d") > 1)`,
      `count(speech.says('refund'), "7d") < count(true, "7d") && speech.says('bye')`,
    );
    expect(calls.matched('refund bye')).toEqual([true, false]);
    expect(calls.matched('bye')).toEqual([true, true]);
    expect(calls.matched('refund')).toEqual([false, false]);
  });

  it('does not count a call of which it cannot be told, and the rule says why', () => {
    const calls = new Calls(`count(transcript.speakers[5].talk > 1, "7d") > 0`);
    const { evaluations, observations } = calls.call('refund');
    expect(evaluations[0]?.error).toBe('there is no such item in transcript.speakers[5]');
    expect(observations).toEqual([]);
  });

  it('is named as it was written when what is around it fails', () => {
    const calls = new Calls(`10 / (count(speech.says('refund'), "7d") - 1) > 2`);
    expect(calls.call('refund').evaluations[0]?.error).toBe('division by zero in 10 / (count(…) - 1');
  });
});

describe('changed()', () => {
  it('says whether a value differs from that of the last call with the tag; not at the first', () => {
    const calls = new Calls(`has(transcript.language) && changed(transcript.language, "client")`);
    const of = (client: string, language: string): boolean[] => calls.matched('x', { tags: { client }, language });
    expect([of('acme', 'en'), of('acme', 'en'), of('birch', 'de'), of('acme', 'de'), of('acme', 'de')].flat()).toEqual([
      false,
      false,
      false,
      true,
      false,
    ]);
  });

  it('takes a condition as a value', () => {
    const calls = new Calls(`changed(speech.says('refund'), "client")`);
    const of = (text: string): boolean[] => calls.matched(text, { tags: { client: 'acme' } });
    expect([of('hello'), of('refund'), of('refund'), of('hello')].flat()).toEqual([false, true, false, true]);
  });

  it('keeps nothing that was said, and no tag', () => {
    const calls = new Calls(
      `changed(transcript.text, "client")`,
      `count(job.tags.client == 'acme', "7d", "client") > 3`,
    );
    const { observations } = calls.call('my card is lost', { tags: { client: 'acme' } });
    expect(observations).toHaveLength(2);
    expect(JSON.stringify(observations)).not.toMatch(/card|acme/);
  });
});

describe('a condition over many calls that is wrong', () => {
  const USAGE = `it is written count(speech.says('refund'), "7d", "client")`;

  it.each<[when: string, ...ReturnType<typeof problems>[0]]>([
    [`count(speech.says('refund')) > 2`, USAGE, 1],
    [`count(speech.says('refund'), "7d", "client", "x") > 2`, USAGE, 1],
    [`changed(transcript.text) `, `it is written changed(transcript.language, "client")`, 1],
    [
      `count(speech.says('a'), "week") > 2`,
      'count() looks back over a time from "1s" to "90d", written in quotes',
      25,
      '"7d"',
    ],
    [
      `count(speech.says('a'), "91d") > 2`,
      'count() looks back over a time from "1s" to "90d", written in quotes',
      25,
      '"7d"',
    ],
    [
      `count(speech.says('a'), transcript.text) > 2`,
      'count() looks back over a time from "1s" to "90d", written in quotes',
      25,
      '"7d"',
    ],
    [`count(speech.says('a'), "7d", job.tags.client) > 2`, 'a tag is named in quotes, as in "client"', 31],
    [`count(speech.says('a'), "7d", "") > 2`, 'a tag is named in quotes, as in "client"', 31],
    [`count(count(true, "7d") > 1, "7d") > 2`, 'count() and changed() cannot stand inside each other', 7],
    [
      `transcript.topics.exists(t, count(t == 'a', "7d") > 2)`,
      'count() looks at whole calls: it cannot stand inside a loop',
      29,
    ],
    [`count(speech.say('a'), "7d") > 2`, 'there is no function "say" on speech', 14, 'says'],
    [`count(transcript.duraton > 2, "7d") > 2`, 'transcript has no field "duraton"', 18, 'duration'],
    [
      `count(transcript.words, "7d") > 2`,
      `count() does not take this; it is written count(speech.says('refund'), "7d", "client")`,
      1,
    ],
    [`count(speech.says('a'), "7d")`, 'a condition is true or false; this is a number', 1],
    [
      `changed(transcript.summary, "client")`,
      'transcript.summary may be absent; ask first: has(transcript.summary) && …',
      20,
      'has(transcript.summary)',
    ],
    [`__series.count(0) > 1`, '"__series" is not known here; known are job, transcript, speech', 1],
  ])('%s', (when, ...problem) => {
    expect(problems(when)).toContainEqual(problem);
  });
});
