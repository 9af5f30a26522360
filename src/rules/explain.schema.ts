import { z } from 'zod';
import { TRIGGERS } from '../transcripts/facts.js';

export const explainQuery = z.strictObject({
  /** Id of the rule, or the name that it has or had. */
  rule: z
    .string()
    .min(1)
    .max(100)
    .meta({ examples: ['refund-risk'] }),
  /** Default: the one that was evaluated, else the newest. */
  version: z.coerce.number().int().min(1).max(2_147_483_647).optional(),
});
export type ExplainQuery = z.output<typeof explainQuery>;

const KINDS = ['and', 'or', 'not', 'choice', 'compare', 'call', 'loop', 'fact', 'literal', 'calculation'] as const;

const heard = z.object({
  text: z.string(),
  speaker: z.string().optional(),
  /** Name of the speaker. */
  label: z.string().optional(),
  channel: z.int(),
  /** Seconds. */
  start: z.number(),
  end: z.number(),
});

const node = z.object({
  /** The part as written. */
  text: z.string(),
  kind: z.enum(KINDS),
  /** null: a value that is neither, an error, or not reached. */
  result: z.boolean().nullable(),
  /** An earlier part had decided. */
  notReached: z.literal(true).optional(),
  /** What it saw: texts are cut after 200 characters, lists after 20 items. */
  value: z.json().optional(),
  /** Characters or items of the whole, when `value` is only the beginning. */
  size: z.int().optional(),
  matches: z.array(heard).optional(),
  error: z.string().optional(),
  /** Parts of the same form, in the order of the source. */
  parts: z.array(z.unknown()).optional(),
});

export const shownExplanation = z
  .object({
    jobId: z.uuid(),
    rule: z.object({
      id: z.string(),
      name: z.string(),
      version: z.int(),
      on: z.enum(TRIGGERS),
      when: z.string(),
      enabled: z.boolean(),
      savedAt: z.iso.datetime(),
    }),
    evaluated: z
      .object({
        version: z.int(),
        matched: z.boolean(),
        at: z.iso.datetime(),
        error: z.string().optional(),
        skippedBy: z.string().optional(),
        skipped: z.array(z.object({ action: z.int(), to: z.string(), reason: z.string() })),
      })
      .nullable(),
    matched: z.boolean(),
    /** Why it does not match: the first part that decided. null when it matches. */
    reason: z.string().nullable(),
    note: z.string().optional(),
    error: z.string().optional(),
    tree: node.nullable(),
  })
  .meta({
    examples: [
      {
        jobId: '01933333-3333-7333-8333-333333333333',
        rule: {
          id: '01933333-7777-7333-8333-333333333333',
          name: 'refund-risk',
          version: 3,
          on: 'transcript.completed',
          when: "speech.by('1').says('refund') && transcript.duration > 90",
          enabled: true,
          savedAt: '2026-11-01T08:00:00.000Z',
        },
        evaluated: { version: 3, matched: false, at: '2026-11-01T09:00:07.200Z', skipped: [] },
        matched: false,
        reason: '“transcript.duration > 90” is not true: transcript.duration is 62',
        tree: {
          text: "speech.by('1').says('refund') && transcript.duration > 90",
          kind: 'and',
          result: false,
          parts: [
            {
              text: "speech.by('1').says('refund')",
              kind: 'call',
              result: true,
              matches: [{ text: 'refund', speaker: '1', label: 'Speaker 2', channel: 0, start: 28.8, end: 29.2 }],
            },
            {
              text: 'transcript.duration > 90',
              kind: 'compare',
              result: false,
              parts: [{ text: 'transcript.duration', kind: 'fact', result: null, value: 62 }],
            },
          ],
        },
      },
    ],
  });
