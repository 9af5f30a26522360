import { Controller, Get, Param, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { NotFoundError } from '../errors.js';
import { RequireScope } from '../http/api-key.guard.js';
import { pageQuery, toPage, type Page } from '../http/page.js';
import { JobEvaluationsStore, OUTCOMES, type ShownEvaluation } from './job-evaluations.store.js';
import { EVALUATION_PAGE } from './jobs.docs.js';
import { JobId } from './jobs.schema.js';
import { JobsStore } from './jobs.store.js';

const listEvaluations = z.strictObject({ ...pageQuery, outcome: z.enum(OUTCOMES).optional() });

/** What every rule made of a job; the job itself shows the first of them. */
@ApiTags('jobs')
@RequireScope('jobs:read')
@Controller('v1/jobs')
export class JobEvaluationsController {
  constructor(
    private readonly jobs: JobsStore,
    private readonly evaluations: JobEvaluationsStore,
  ) {}

  @Get(':id/evaluations')
  @ApiOperation({ summary: 'List what each rule made of a job, in the order in which the rules were evaluated' })
  @ApiOkResponse(EVALUATION_PAGE)
  async list(
    @Param('id', { schema: JobId }) id: string,
    @Query({ schema: listEvaluations }) query: z.output<typeof listEvaluations>,
  ): Promise<Page<ShownEvaluation>> {
    if (!(await this.jobs.find(id))) throw new NotFoundError('There is no such job');
    return toPage(await this.evaluations.page(id, query), query.limit, (one) => one);
  }
}
