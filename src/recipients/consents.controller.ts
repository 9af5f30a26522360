import { Body, Controller, Get, Param, Post, Query, Res } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Actor, RequireScope, type Principal } from '../http/api-key.guard.js';
import { pageOf } from '../http/openapi.js';
import { toPage, type Page } from '../http/page.js';
import { isoTime } from '../iso-time.js';
import {
  consentBody,
  listConsents,
  shownConsent,
  type ConsentBody,
  type ListConsents,
  type ShownConsent,
} from './consents.schema.js';
import { ConsentsStore } from './consents.store.js';
import type { ConsentEntity } from './contact.entity.js';
import { rowId } from './recipients.schema.js';

/** The ledger of consent: nothing in it is changed or deleted, but by the erasure of a person. */
@ApiTags('directory')
@RequireScope('admin')
@Controller('v1/consents')
export class ConsentsController {
  constructor(private readonly consents: ConsentsStore) {}

  @Get()
  @ApiOperation({ summary: 'List entries, newest first; `current=true` shows where each address stands' })
  @ApiOkResponse({ standardSchema: pageOf(shownConsent) })
  async list(@Query({ schema: listConsents }) query: ListConsents): Promise<Page<ShownConsent>> {
    return toPage(await this.consents.list(query), query.limit, show);
  }

  @Get(':id')
  @ApiOperation({ summary: 'Read an entry' })
  @ApiOkResponse({ standardSchema: shownConsent })
  async get(@Param('id', { schema: rowId }) id: string): Promise<ShownConsent> {
    return show(await this.consents.get(id));
  }

  @Post()
  @ApiOperation({
    summary: 'Note that an address has given or withdrawn consent, or is to be asked',
    description:
      'The latest entry of an address counts. With `HERALD_SMS_CONSENT=double`, `pending` sends the person a text message, and only the ' +
      'answer YES gives consent. STOP withdraws it.',
  })
  @ApiCreatedResponse({ standardSchema: shownConsent })
  async add(
    @Body({ schema: consentBody }) body: ConsentBody,
    @Actor() actor: Principal,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ShownConsent> {
    const row = await this.consents.add(actor.name, body);
    void reply.header('location', `/v1/consents/${row.id}`);
    return show(row);
  }
}

function show({ id, kind, address, state, how, evidence, actor, givenAt, createdAt }: ConsentEntity): ShownConsent {
  return {
    id,
    kind,
    address,
    state,
    how,
    at: isoTime(givenAt),
    ...(evidence === null ? {} : { evidence }),
    actor,
    createdAt: isoTime(createdAt),
  };
}
