import { Controller, Get, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { Clock } from '../clock.js';
import { DAY } from '../duration.js';
import { RequireScope } from '../http/api-key.guard.js';
import { pageOf } from '../http/openapi.js';
import type { Page } from '../http/page.js';
import { isoTime } from '../iso-time.js';
import type { CompiledRule } from './evaluate.js';
import { adviceFor, FINDINGS, ruleFindings } from './rule-health.js';
import { RuleHealthStore } from './rule-health.store.js';
import { listRules, pageOfRules } from './rules-page.js';
import { RulesStore } from './rules.store.js';

const healthQuery = listRules.extend({ days: z.coerce.number().int().min(1).max(90).default(7) });
type HealthQuery = z.output<typeof healthQuery>;

const shownHealth = z.object({
  ruleId: z.string(),
  name: z.string(),
  version: z.int(),
  enabled: z.boolean(),
  /** What came before does not count: before the window, or before the last change of the rule. */
  since: z.iso.datetime(),
  /** Jobs that it was looked at for. */
  evaluated: z.int(),
  matched: z.int(),
  /** Jobs for which its condition could not be evaluated. */
  failed: z.int(),
  /** In the days asked for, by whatever version. */
  lastMatchedAt: z.iso.datetime().nullable(),
  changedAt: z.iso.datetime(),
  findings: z.array(z.enum(FINDINGS)),
  /** What to do about the findings. */
  advice: z.string().nullable(),
  /** Why its condition is not valid any more. */
  problem: z.string().optional(),
});
type ShownHealth = z.infer<typeof shownHealth>;

/** Rules that nobody hears of, or too often. */
@ApiTags('rules')
@RequireScope('admin')
@Controller('v1/rules')
export class RuleHealthController {
  constructor(
    private readonly rules: RulesStore,
    private readonly health: RuleHealthStore,
    private readonly clock: Clock,
  ) {}

  @Get('health')
  @ApiOperation({ summary: 'Rules that never fire, fire on most jobs, fail, or were changed lately' })
  @ApiOkResponse({ standardSchema: pageOf(shownHealth) })
  async list(@Query({ schema: healthQuery }) { days, ...query }: HealthQuery): Promise<Page<ShownHealth>> {
    const { items, ...next } = pageOfRules(await this.rules.list(), query);
    const now = this.clock.now();
    const window = await this.health.window(days);
    const show = (item: CompiledRule): ShownHealth => {
      const { rule, fault } = item;
      const counts = window.counts(rule);
      const findings = ruleFindings(item, counts, now);
      return {
        ruleId: rule.id,
        name: rule.name,
        version: rule.version,
        enabled: rule.enabled,
        since: isoTime(Math.max(now - days * DAY, rule.updatedAt)),
        ...counts,
        lastMatchedAt: isoTime(window.lastMatchedAt(rule.id)),
        changedAt: isoTime(rule.updatedAt),
        findings,
        advice: adviceFor(findings, counts),
        ...(fault === undefined ? {} : { problem: fault }),
      };
    };
    return { items: items.map(show), ...next };
  }
}
