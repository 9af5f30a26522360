import { z } from 'zod';
import { CHANNEL_KINDS } from '../channels/channel.js';
import { timeQuery } from '../http/page.js';
import { Tags } from '../jobs/jobs.schema.js';
import { CONTENT_LEVELS } from '../recipients/content-level.js';
import { TRIGGERS } from '../transcripts/facts.js';

const YEAR_9999 = Date.UTC(9999, 11, 31);

/** What actions are is said by the check of rules. */
export const resolveBody = z
  .strictObject({
    /** Id or name of a saved rule. */
    rule: z.string().min(1).max(100).optional(),
    /** Instead of a saved rule: actions as a rule has them. */
    actions: z.array(z.unknown()).min(1).max(20).optional(),
    /** What such actions would be taken on. */
    on: z.enum(TRIGGERS).optional(),
    /** A stored job, for recipients that are looked up in its facts. */
    jobId: z.uuid().optional(),
    /** Instead of a stored job: tags that one would have. */
    tags: Tags.optional(),
    /** The moment of the question; absent: now. */
    at: timeQuery.pipe(z.number().min(0).max(YEAR_9999)).optional(),
  })
  .refine(({ rule, actions }) => (rule === undefined) !== (actions === undefined), {
    error: 'name a rule, or give actions: one of the two',
  })
  .refine(({ rule, on }) => rule === undefined || on === undefined, {
    path: ['on'],
    error: 'belongs to actions; a saved rule has its own',
  })
  .refine(({ jobId, tags }) => jobId === undefined || tags === undefined, {
    path: ['tags'],
    error: 'would be instead of those of the job: leave out one of the two',
  })
  .meta({
    examples: [
      {
        actions: [{ channel: 'sms', to: ['group:billing', '{{job.tags.phone}}'], template: 'transcript-ready' }],
        tags: { phone: '+15550142000' },
        at: '2026-11-21T23:30:00Z',
      },
    ],
  });
export type ResolveBody = z.output<typeof resolveBody>;

export const shownResolved = z.object({
  /** Of a saved rule: whether it is switched on. */
  enabled: z.boolean().optional(),
  recipients: z.array(
    z.object({
      /** Index into the actions. */
      action: z.int(),
      channel: z.string(),
      kind: z.enum(CHANNEL_KINDS),
      name: z.string().optional(),
      to: z.string(),
      template: z.string(),
      state: z.enum(['queued', 'waiting', 'suppressed', 'dead']),
      /** When it would go; absent for what would not go. */
      at: z.iso.datetime().optional(),
      /** Why it would wait, or not go. */
      reason: z.string().optional(),
      /** How much of the transcript the recipient is sent. */
      content: z.enum(CONTENT_LEVELS),
    }),
  ),
  /** Recipients of actions that lead to nobody. */
  skipped: z.array(z.object({ action: z.int(), to: z.string(), reason: z.string() })),
});
