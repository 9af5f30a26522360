import { z } from 'zod';
import { jsonPointer, toFieldErrors } from '../http/schema-issues.js';
import type { FolderProblem } from './problem-place.js';
import type { YamlSource } from './yaml-source.js';

const text = z.union([z.string(), z.number()], { error: 'must be a text' }).transform(String);
const moment = z.iso.datetime({ offset: true, error: 'must be ISO 8601 with a zone (2026-01-31T09:00:00Z)' });

const turn = z.strictObject({
  speaker: text.optional(),
  text: z.string().min(1),
  /** Seconds from the start of the recording; absent: when the turn before has ended. */
  start: z.number().min(0).max(1e6).optional(),
});

const said = z
  .strictObject({
    /** All that is said, by one speaker. */
    text: z.string().optional(),
    turns: z.array(turn).max(10_000).optional(),
    language: z.string().optional(),
    summary: z.string().optional(),
    topics: z.array(z.string()).optional(),
    sentiment: z.strictObject({ label: z.string(), score: z.number() }).optional(),
    /** Seconds; absent: until the last word. */
    duration: z.number().min(0).max(1e7).optional(),
  })
  .refine((one) => (one.text === undefined) !== (one.turns === undefined), {
    error: 'needs either "text" or "turns"',
  });

const expectedMessage = z.strictObject({
  channel: z.string(),
  to: z.string(),
  template: z.string().optional(),
  /** Absent: that it goes, now or when the hours of the recipient allow it. */
  state: z.enum(['queued', 'waiting', 'dead', 'suppressed']).optional(),
  /** Of a rule that escalates: 0 for its own actions, then the step. */
  step: z.int().min(0).optional(),
  /** Texts that subject or text hold, letter case aside. */
  contains: z.union([text.transform((one) => [one]), z.array(text)]).optional(),
});

const SOURCES = ['transcript', 'deepgram', 'failure', 'overdue'] as const;

const ruleTest = z
  .strictObject({
    name: z.string().min(1).max(200),
    transcript: said.optional(),
    /** A body as Deepgram sends it: a JSON file beside the test. */
    deepgram: z.string().min(1).optional(),
    failure: z.strictObject({ code: z.string(), message: z.string() }).optional(),
    overdue: z.strictObject({ minutes: z.int().min(0), resubmissions: z.int().min(0).default(0) }).optional(),
    tags: z.record(z.string(), z.string({ error: 'must be a text: put it into quotes' })).default({}),
    /** When the transcript came: the hours of recipients depend on it. */
    at: moment.default('2026-01-05T12:00:00Z'),
    expect: z.strictObject({
      matched: z.boolean(),
      /** All messages, in any order; absent: they do not matter. */
      messages: z.array(expectedMessage).optional(),
      /** Words that have to be among those that matched. */
      words: z.array(text).optional(),
    }),
  })
  .refine((one) => SOURCES.filter((name) => one[name] !== undefined).length === 1, {
    error: `needs one of ${SOURCES.join(', ')}`,
  });

/** What must come out of one rule for one call. */
export type RuleTest = z.output<typeof ruleTest>;
export type ExpectedMessage = z.output<typeof expectedMessage>;
export type Said = z.output<typeof said>;

const ruleTests = z.array(ruleTest).min(1).max(1_000);

/** The tests of a file, or what is wrong with it. */
export function parseRuleTests(source: YamlSource): { tests: RuleTest[]; problems: FolderProblem[] } {
  const parsed = ruleTests.safeParse(source.value);
  if (parsed.success) return { tests: parsed.data, problems: [] };
  const faults = toFieldErrors(parsed.error.issues, ruleTests, jsonPointer);
  return { tests: [], problems: faults.map((fault) => source.problem(fault)) };
}

/** The file of the rule that a file of tests stands beside. */
export function testedFiles(testFile: string): string[] {
  const base = testFile.replace(/\.test\.ya?ml$/, '');
  return [`${base}.yaml`, `${base}.yml`];
}
