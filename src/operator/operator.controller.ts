import { Controller, Get, HttpCode, Post } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { RequireScope } from '../http/api-key.guard.js';
import { isoTime } from '../iso-time.js';
import { AlertLoop } from './alert-loop.service.js';
import { AlertOutlets } from './alert-outlets.service.js';
import { PROBLEM_KINDS, SEVERITIES, type DatedProblem } from './problem.js';
import { Problems } from './problems.service.js';

const PATHS = ['webhook', 'mail'] as const;

const ShownProblem = z.object({
  key: z.string(),
  kind: z.enum(PROBLEM_KINDS),
  severity: z.enum(SEVERITIES),
  since: z.iso.datetime(),
  /** How many rows are concerned; more than 1000 are not counted. */
  count: z.int().optional(),
  summary: z.string(),
  /** What to do. */
  action: z.string(),
});

const ShownHealth = z
  .object({
    /** `down`: nothing can be stored. `degraded`: something is wrong. */
    status: z.enum(['ok', 'degraded', 'down']),
    checkedAt: z.iso.datetime(),
    problems: z.array(ShownProblem),
    /** What nothing could be found out about. */
    unchecked: z.array(z.enum(PROBLEM_KINDS)),
    /** How the operator is told; empty: by the log alone. */
    alerts: z.array(z.enum(PATHS)),
  })
  .meta({
    examples: [
      {
        status: 'degraded',
        checkedAt: '2026-11-21T12:00:00.000Z',
        problems: [
          {
            key: 'deliveries.dead',
            kind: 'deliveries.dead',
            severity: 'warning',
            since: '2026-11-21T11:58:12.000Z',
            count: 3,
            summary: '3 deliveries have died in the last 24 hours: those messages were not sent.',
            action: 'GET /v1/deliveries?state=dead gives the reasons; after the repair POST /v1/deliveries/{id}/retry.',
          },
        ],
        unchecked: [],
        alerts: ['webhook'],
      },
    ],
  });
type ShownHealth = z.infer<typeof ShownHealth>;

const ShownTest = z
  .object({
    /** The log holds it in any case. */
    paths: z.array(z.object({ path: z.enum(PATHS), ok: z.boolean(), code: z.string().optional(), ms: z.number() })),
  })
  .meta({
    examples: [
      {
        paths: [
          { path: 'webhook', ok: true, ms: 84 },
          { path: 'mail', ok: false, code: 'ECONNREFUSED', ms: 3 },
        ],
      },
    ],
  });
type ShownTest = z.infer<typeof ShownTest>;

@ApiTags('health')
@Controller('v1')
export class OperatorController {
  constructor(
    private readonly problems: Problems,
    private readonly alerts: AlertLoop,
    private readonly outlets: AlertOutlets,
  ) {}

  /** Answers without the database as well, to HERALD_ADMIN_KEY: other keys are looked up there. */
  @Get('health')
  @RequireScope('jobs:read')
  @ApiOperation({ summary: 'What is wrong now, since when, and what to do' })
  @ApiOkResponse({ standardSchema: ShownHealth })
  async health(): Promise<ShownHealth> {
    const { at, problems, unchecked } = await this.problems.find();
    const down = problems.some(({ kind }) => kind === 'database');
    return {
      status: down ? 'down' : problems.length > 0 ? 'degraded' : 'ok',
      checkedAt: isoTime(at),
      problems: problems.map(show),
      unchecked: [...unchecked],
      alerts: this.outlets.names,
    };
  }

  /** Waits for the answers: up to 20 seconds. */
  @Post('alerts/test')
  @HttpCode(200)
  @RequireScope('admin')
  @ApiOperation({ summary: 'Send a test alert over every configured path, and say what became of it' })
  @ApiOkResponse({ standardSchema: ShownTest })
  async test(): Promise<ShownTest> {
    return { paths: await this.alerts.test() };
  }
}

function show({ key, kind, severity, since, count, summary, action }: DatedProblem): ShownHealth['problems'][number] {
  return { key, kind, severity, since: isoTime(since), ...(count === undefined ? {} : { count }), summary, action };
}
