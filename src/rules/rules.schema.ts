import { z } from 'zod';
import { pageQuery } from '../http/page.js';
import { isUuid } from '../ids.js';
import { ruleComment } from './rule-comment.js';
import { RuleSchema } from './rule.schema.js';

/**
 * Any JSON: `parseRule` looks at the form and the meaning together, and tells all problems of both at once with 422.
 * The examples are for the documentation.
 */
export const ruleBody = z.unknown().meta({
  examples: [
    {
      name: 'refund-risk',
      comment: 'asked for by billing',
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

export const enabledBody = z
  .strictObject({ enabled: z.boolean(), comment: ruleComment })
  .meta({ examples: [{ enabled: false, comment: 'too many messages' }] });
export type EnabledBody = z.infer<typeof enabledBody>;

export const deleteQuery = z.strictObject({ comment: ruleComment });
export type DeleteQuery = z.output<typeof deleteQuery>;

export const IF_MATCH = { name: 'If-Match', required: true, example: '"v1"', description: 'The ETag that was read' };

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

export const versionNumber = z.coerce.number().int().min(1).max(2_147_483_647);

export const rollbackBody = z
  .strictObject({ version: z.int().min(1).max(2_147_483_647), comment: ruleComment })
  .meta({ examples: [{ version: 2, comment: 'the new wording missed calls' }] });
export type RollbackBody = z.output<typeof rollbackBody>;

export const shownRule = RuleSchema.extend({
  id: z.uuid(),
  version: z.int(),
  createdAt: z.iso.datetime(),
  updatedAt: z.iso.datetime(),
  /** Why the rule, valid when it was saved, cannot run any more. */
  problem: z.string().optional(),
});

/** What a rule that is saved may do otherwise than it reads, with the place in the condition. */
const warnings = z
  .array(z.object({ pointer: z.string(), message: z.string(), line: z.int().optional(), column: z.int().optional() }))
  .optional();

export const savedRule = shownRule.extend({ warnings });

const shownSave = z.object({
  version: z.int(),
  author: z.string(),
  comment: z.string().optional(),
  createdAt: z.iso.datetime(),
});

/** `rule` is absent in the version that deleted it. */
export const shownRuleVersion = shownSave.extend({ rule: RuleSchema.optional() });

export const shownDiff = z.object({
  from: shownSave,
  to: shownSave,
  changes: z
    .array(z.object({ path: z.string(), before: z.unknown(), after: z.unknown() }))
    .meta({ examples: [[{ path: '/actions/0/to/1', before: null, after: 'group:billing' }]] }),
});

const match = z.object({
  text: z.string(),
  speaker: z.string().optional(),
  channel: z.int(),
  start: z.number(),
  end: z.number(),
  /** Of the least certain word; where the condition asked for a confidence. */
  confidence: z.number().optional(),
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
      state: z.enum(['queued', 'waiting', 'dead', 'suppressed']),
      /** When it would go; only of what waits. */
      dueAt: z.iso.datetime().optional(),
      /** Of a rule that escalates: 0 for its own actions, then the step. */
      step: z.int().optional(),
      reason: z.string().optional(),
    }),
  ),
  skipped: z.array(z.object({ action: z.int(), to: z.string(), reason: z.string() })),
});

export const shownCheck = z.object({ valid: z.literal(true), rule: RuleSchema, warnings, trial: trial.optional() });
