import { z } from 'zod';
import { CHANNEL_KINDS } from '../channels/channel.js';
import { timeQuery } from '../http/page.js';
import { isUuid } from '../ids.js';
import { shownMasked } from '../redaction/redactions.schema.js';

/** More messages than anybody reads; what is beyond is counted all the same. */
const LIMIT_MAX = 1_000;
const RULES_MAX = 2_000;

/** Rules are looked at by `parseRule`, which tells all problems at once with 422. */
export const simulateBody = z
  .strictObject({
    rule: z.unknown().optional(),
    id: z.string().refine(isUuid, { error: 'must be the id of a rule' }).optional(),
    rules: z.array(z.unknown()).max(RULES_MAX).optional(),
    from: timeQuery.optional(),
    to: timeQuery.optional(),
    limit: z.int().min(0).max(LIMIT_MAX).default(100),
  })
  .refine(({ rule, id, rules }) => rules === undefined || (rule === undefined && id === undefined), {
    path: ['rules'],
    error: 'is the whole set: leave "rule" and "id" out, or send them alone',
  })
  .prefault({})
  .meta({
    examples: [
      {
        rule: {
          name: 'refund-risk',
          when: "speech.by('1').says('refund')",
          actions: [{ channel: 'email', to: ['group:billing'], template: 'transcript-ready' }],
        },
        from: '2026-11-14T00:00:00Z',
      },
      { id: '01933333-3333-7333-8333-333333333333', limit: 20 },
    ],
  });
export type SimulateBody = z.output<typeof simulateBody>;

const at = z.iso.datetime();
const count = z.int().min(0);
const match = z.object({
  text: z.string(),
  speaker: z.string().optional(),
  channel: z.int(),
  start: z.number(),
  end: z.number(),
});

const message = z.object({
  jobId: z.uuid(),
  /** When the job's transcript, or its failure, came. */
  at,
  on: z.string(),
  /** Absent: the rule is not saved. */
  ruleId: z.uuid().optional(),
  ruleName: z.string(),
  action: z.int(),
  /** Names of the other rules that the message speaks for. */
  alsoFor: z.array(z.string()).optional(),
  channel: z.string(),
  kind: z.enum(CHANNEL_KINDS),
  to: z.string(),
  template: z.string(),
  attach: z.array(z.string()),
  state: z.string(),
  reason: z.string().optional(),
  dueAt: at,
  /** The words that made the rule match. */
  matches: z.array(match),
  /** The beginning of the message; absent when nothing would be sent. */
  preview: z
    .object({
      subject: z.string().optional(),
      text: z.string(),
      segments: z.int().optional(),
      cut: z.boolean(),
      /** Places that the channel's redaction policy masked; absent where none is in force. */
      masked: shownMasked.optional(),
    })
    .optional(),
  /** Why the message could not be made. */
  problem: z.string().optional(),
});

const changedMessage = message.extend({
  before: z.object({
    channel: z.string(),
    template: z.string(),
    attach: z.array(z.string()),
    previewSegments: z.int().optional(),
    state: z.string(),
    dueAt: at,
  }),
});

const figures = {
  /** How many were looked at: transcripts, and for rules on them failures and overdue jobs. */
  transcripts: count,
  /** How many of those a rule that is looked at matches. */
  matched: count,
  totals: z.object({ messages: count, added: count, removed: count, changed: count }),
};

const lists = {
  messages: z.array(message),
  added: z.array(message),
  removed: z.array(message),
  changed: z.array(changedMessage),
};

const summary = {
  range: z.object({ from: at, to: at }),
  ...figures,
  rules: z.array(
    z.object({ ruleName: z.string(), matched: count, messages: count, added: count, removed: count, changed: count }),
  ),
  /** Recipients of matching rules that nothing could be planned for. */
  skipped: z.array(
    z.object({ ruleName: z.string(), action: z.int(), to: z.string(), reason: z.string(), count, jobId: z.uuid() }),
  ),
  /** Rules that failed at run time, and on what. */
  faults: z.array(z.object({ ruleName: z.string(), error: z.string(), count, jobId: z.uuid() })),
  /** The condition held, but a rule with `stop` matched before it. */
  stopped: z.array(z.object({ by: z.string(), count })),
  /** Transcripts that could not be looked at within the limits of time and memory. */
  unreadable: count,
  /** True: the lists do not hold all that was counted. */
  truncated: z.boolean(),
  ms: count,
};

export const shownSimulation = z.object({ ...summary, ...lists });
export const simulationLine = z.discriminatedUnion('type', [
  z.object({ type: z.literal('progress'), of: count, ...figures }),
  z.object({ type: z.literal('job'), jobId: z.uuid(), at, on: z.string(), ...lists }),
  z.object({ type: z.literal('summary'), ...summary }),
  z.object({ type: z.literal('error'), problem: z.object({ code: z.string(), status: z.int(), detail: z.string() }) }),
]);

export type ShownMessage = z.infer<typeof message>;
export type ShownChange = z.infer<typeof changedMessage>;
export type ShownLists = { [name in keyof typeof lists]: z.infer<(typeof lists)[name]> };
export type SimulationLine = z.infer<typeof simulationLine>;
export type SimulationSummary = Extract<SimulationLine, { type: 'summary' }>;
