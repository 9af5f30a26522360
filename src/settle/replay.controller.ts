import { Body, Controller, HttpCode, Param, Post } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { Actor, RequireScope, type Principal } from '../http/api-key.guard.js';
import { isoTime } from '../iso-time.js';
import { JobId } from '../jobs/jobs.schema.js';
import type { Notification } from '../rules/plan.js';
import { TRIGGERS } from '../transcripts/facts.js';
import { JobReplayer } from './job-replayer.service.js';

const replayBody = z
  .strictObject({
    /** `then`: the rules in force when the callback came; `now`: those of today. */
    rules: z.enum(['then', 'now']),
    dryRun: z.boolean().default(true),
  })
  .meta({ examples: [{ rules: 'now', dryRun: true }] });
type ReplayBody = z.output<typeof replayBody>;

/** More messages than this are counted only. */
const SHOWN_MAX = 200;

const shownMessage = z.object({
  ruleId: z.string(),
  ruleName: z.string(),
  ruleVersion: z.int(),
  action: z.int(),
  channel: z.string(),
  to: z.string(),
  template: z.string(),
  state: z.string(),
  reason: z.string().optional(),
});

const shownReplay = z
  .object({
    jobId: z.uuid(),
    on: z.enum(TRIGGERS),
    rules: z.enum(['then', 'now']),
    /** The rules as they were at this time; null for those of today. */
    rulesAt: z.iso.datetime().nullable(),
    dryRun: z.boolean(),
    /** How many rules were evaluated. */
    evaluated: z.int(),
    matched: z.array(z.object({ ruleId: z.string(), ruleName: z.string(), ruleVersion: z.int() })),
    /** Messages that nothing was planned for yet; at most 200 of `newCount`. */
    new: z.array(shownMessage),
    newCount: z.int(),
    /** Messages that were planned before, whatever version of the rule planned them. */
    known: z.int(),
    skipped: z.array(z.object({ ruleId: z.string(), action: z.int(), to: z.string(), reason: z.string() })),
    /** Deliveries that were made; 0 for a dry run. */
    planned: z.int(),
  })
  .meta({
    examples: [
      {
        jobId: '01933333-3333-7333-8333-333333333333',
        on: 'transcript.completed',
        rules: 'now',
        rulesAt: null,
        dryRun: true,
        evaluated: 4,
        matched: [{ ruleId: '01933333-7777-7333-8333-333333333333', ruleName: 'refund-risk', ruleVersion: 4 }],
        new: [
          {
            ruleId: '01933333-7777-7333-8333-333333333333',
            ruleName: 'refund-risk',
            ruleVersion: 4,
            action: 1,
            channel: 'sms',
            to: '+12125550143',
            template: 'transcript-ready',
            state: 'queued',
          },
        ],
        newCount: 1,
        known: 1,
        skipped: [],
        planned: 0,
      },
    ],
  });
type ShownReplay = z.infer<typeof shownReplay>;

/** A job, evaluated once more. Rules hold addresses: it needs `admin`. */
@ApiTags('jobs')
@RequireScope('admin')
@Controller('v1/jobs')
export class ReplayController {
  constructor(private readonly replayer: JobReplayer) {}

  @Post(':id/replay')
  @HttpCode(200)
  @ApiOperation({ summary: 'Evaluate a job once more, by the rules of its day or of today, and send only what is new' })
  @ApiOkResponse({ standardSchema: shownReplay })
  async replay(
    @Param('id', { schema: JobId }) jobId: string,
    @Body({ schema: replayBody }) { rules, dryRun }: ReplayBody,
    @Actor() actor: Principal,
  ): Promise<ShownReplay> {
    const { rulesAt, fresh, ...rest } = await this.replayer.replay(jobId, rules, dryRun ? undefined : actor.name);
    return {
      jobId,
      rules,
      dryRun,
      ...rest,
      rulesAt: isoTime(rulesAt),
      new: fresh.slice(0, SHOWN_MAX).map(showMessage),
      newCount: fresh.length,
    };
  }
}

function showMessage(notification: Notification): z.infer<typeof shownMessage> {
  const { ruleId, ruleName, ruleVersion, action, channel, to, template, state, reason } = notification;
  const message = { ruleId, ruleName, ruleVersion, action, channel, to, template, state };
  return reason === undefined ? message : { ...message, reason };
}
