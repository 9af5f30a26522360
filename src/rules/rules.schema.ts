import { z } from 'zod';
import { pageQuery } from '../http/page.js';
import { isUuid } from '../ids.js';
import { RuleSchema } from './rule.schema.js';

/**
 * Any JSON: `parseRule` looks at the form and the meaning together, and tells all problems of both at once with 422.
 * The examples are for the documentation.
 */
export const ruleBody = z.unknown().meta({
  examples: [
    {
      name: 'refund-risk',
      on: 'transcript.completed',
      when: "speech.by('1').says('refund') && transcript.duration > 30",
      actions: [
        {
          channel: 'email',
          to: ['{{job.tags.email}}', 'group:billing'],
          template: 'transcript-ready',
          attach: ['vtt'],
        },
        { channel: 'sms', to: ['contact:on-call'], template: 'transcript-ready', preview: { segments: 1 } },
      ],
    },
  ],
});

export const enabledBody = z.strictObject({ enabled: z.boolean() }).meta({ examples: [{ enabled: false }] });
export type EnabledBody = z.infer<typeof enabledBody>;

export const ruleId = z.string().refine(isUuid, { error: 'must be the id of a rule' });

export const checkQuery = z.strictObject({
  /** A stored job to try the rule on. */
  jobId: z.string().refine(isUuid, { error: 'must be the id of a job' }).optional(),
});
export type CheckQuery = z.infer<typeof checkQuery>;

export const versionsQuery = z.strictObject({
  limit: pageQuery.limit,
  cursor: z.coerce.number().int().min(1).max(2_147_483_647).optional(),
});
export type VersionsQuery = z.output<typeof versionsQuery>;

export const shownRule = RuleSchema.extend({
  id: z.uuid(),
  version: z.int(),
  createdAt: z.iso.datetime(),
  updatedAt: z.iso.datetime(),
  /** Why the rule, valid when it was saved, cannot run any more. */
  problem: z.string().optional(),
});

export const shownRuleVersion = z.object({
  version: z.int(),
  /** Absent in the version that deleted the rule. */
  rule: RuleSchema.optional(),
  author: z.string(),
  createdAt: z.iso.datetime(),
});

const match = z.object({
  text: z.string(),
  speaker: z.string().optional(),
  channel: z.int(),
  start: z.number(),
  end: z.number(),
});

/** What a rule would have done on a stored job. */
const trial = z.object({
  matched: z.boolean(),
  conditions: z.array(
    z.object({
      text: z.string(),
      /** Absent: not reached. */
      result: z.boolean().optional(),
      matches: z.array(match),
      error: z.string().optional(),
    }),
  ),
  matches: z.array(match),
  error: z.string().optional(),
  notifications: z.array(
    z.object({
      channel: z.string(),
      to: z.string(),
      template: z.string(),
      state: z.enum(['queued', 'dead', 'suppressed']),
      reason: z.string().optional(),
    }),
  ),
  skipped: z.array(z.object({ action: z.int(), to: z.string(), reason: z.string() })),
});

export const shownCheck = z.object({ valid: z.literal(true), rule: RuleSchema, trial: trial.optional() });
