import { Controller, Get, Param, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { RequireScope } from '../http/api-key.guard.js';
import { JobId } from '../jobs/jobs.schema.js';
import { explainQuery, shownExplanation, type ExplainQuery } from './explain.schema.js';
import { JobExplainer, type JobExplanation } from './job-explainer.service.js';

/** What rules made of a job, for who asks why. */
@ApiTags('jobs')
@RequireScope('jobs:read')
@Controller('v1/jobs')
export class ExplainController {
  constructor(private readonly explainer: JobExplainer) {}

  @Get(':id/explain')
  @ApiOperation({ summary: 'Why a rule matched a job, or why not: its condition as a tree, with what each part saw' })
  @ApiOkResponse({ standardSchema: shownExplanation })
  explain(
    @Param('id', { schema: JobId }) id: string,
    @Query({ schema: explainQuery }) query: ExplainQuery,
  ): Promise<JobExplanation> {
    return this.explainer.explain(id, query);
  }
}
