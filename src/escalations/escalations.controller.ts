import { Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Actor, RequireScope, type Principal } from '../http/api-key.guard.js';
import { pageOf } from '../http/openapi.js';
import { toPage, type Page } from '../http/page.js';
import { Acknowledgements } from './acknowledgements.service.js';
import { escalationView } from './escalation-view.js';
import type { EscalationEntity } from './escalation.entity.js';
import { EscalationId, ListEscalations, shownEscalation } from './escalations.schema.js';
import { EscalationsQueryStore } from './escalations.query.store.js';

type EscalationView = ReturnType<typeof escalationView>;

/** Rules that go on until somebody acknowledges. */
@ApiTags('escalations')
@Controller('v1/escalations')
@RequireScope('jobs:read')
export class EscalationsController {
  constructor(
    private readonly queries: EscalationsQueryStore,
    private readonly acknowledgements: Acknowledgements,
  ) {}

  @Get()
  @ApiOperation({
    summary: 'List escalations, newest first: what still waits is `state=open`, what nobody took `state=exhausted`',
  })
  @ApiOkResponse({ standardSchema: pageOf(shownEscalation) })
  async list(@Query({ schema: ListEscalations }) query: ListEscalations): Promise<Page<EscalationView>> {
    const { limit, cursor, ...filter } = query;
    const found = await this.queries.list(filter, { limit, cursor });
    const acknowledgers = await this.queries.acknowledgers(found);
    return toPage(found, limit, (escalation) => escalationView(escalation, acknowledgers));
  }

  @Get(':id')
  @ApiOperation({ summary: 'Read an escalation: which steps were taken, and who acknowledged it' })
  @ApiOkResponse({ standardSchema: shownEscalation })
  async show(@Param('id', { schema: EscalationId }) id: string): Promise<EscalationView> {
    return this.view(await this.acknowledgements.find(id));
  }

  @Post(':id/acknowledge')
  @ApiOperation({
    summary: 'Acknowledge an escalation: no further step is taken',
    description:
      'What its steps have planned and nobody has sent yet is cancelled. The first one counts: a second call answers with the first, and ' +
      'an escalation that was stopped with 409. Takes no body.',
  })
  @ApiOkResponse({ standardSchema: shownEscalation })
  @HttpCode(200)
  @RequireScope('jobs:write')
  async acknowledge(
    @Param('id', { schema: EscalationId }) id: string,
    @Actor() actor: Principal,
  ): Promise<EscalationView> {
    return this.view(await this.acknowledgements.byKey(id, actor.name));
  }

  private async view(escalation: EscalationEntity): Promise<EscalationView> {
    return escalationView(escalation, await this.queries.acknowledgers([escalation]));
  }
}
