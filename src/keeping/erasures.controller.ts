import { Body, Controller, Get, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { NotFoundError } from '../errors.js';
import { Actor, RequireScope, type Principal } from '../http/api-key.guard.js';
import { pageOf } from '../http/openapi.js';
import { toPage, type Page } from '../http/page.js';
import { isoTime } from '../iso-time.js';
import { ErasureService } from './erasure.service.js';
import {
  erasureId,
  erasureRequest,
  listErasures,
  shownCheck,
  shownErased,
  shownErasure,
  type ErasureRequest,
  type ListErasures,
  type ShownCheck,
  type ShownErased,
  type ShownErasure,
} from './erasures.schema.js';
import { ErasuresStore, type Erasure } from './erasures.store.js';

/** Erasure of a person or a tag, and the proofs of it. */
@ApiTags('administration')
@RequireScope('admin')
@Controller('v1/erasures')
export class ErasuresController {
  constructor(
    private readonly service: ErasureService,
    private readonly erasures: ErasuresStore,
  ) {}

  @Post()
  @ApiOperation({
    summary: 'Erase everything that concerns an address or a tag, and get a proof; answers when it is done',
  })
  @ApiCreatedResponse({ standardSchema: shownErased })
  async create(
    @Body({ schema: erasureRequest }) body: ErasureRequest,
    @Actor() actor: Principal,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ShownErased> {
    const { proof, remains } = await this.service.erase(body, actor.name);
    void reply.header('location', `/v1/erasures/${proof.id}`);
    return { ...show(proof), remains };
  }

  @Post('check')
  @HttpCode(200)
  @ApiOperation({ summary: 'Which proofs cover an address or a tag, and what concerns it now' })
  @ApiOkResponse({ standardSchema: shownCheck })
  async check(@Body({ schema: erasureRequest }) body: ErasureRequest): Promise<ShownCheck> {
    const { proofs, found, ...rest } = await this.service.check(body);
    const nothingLeft = Object.values(found).every((count) => count === 0);
    return { ...rest, proofs: proofs.map(show), nothingLeft, found };
  }

  @Get()
  @ApiOperation({ summary: 'List proofs of erasure, newest first' })
  @ApiOkResponse({ standardSchema: pageOf(shownErasure) })
  async list(@Query({ schema: listErasures }) query: ListErasures): Promise<Page<ShownErasure>> {
    return toPage(await this.erasures.list(query), query.limit, show);
  }

  @Get(':id')
  @ApiOperation({ summary: 'Read a proof of erasure' })
  @ApiOkResponse({ standardSchema: shownErasure })
  async get(@Param('id', { schema: erasureId }) id: string): Promise<ShownErasure> {
    const erasure = await this.erasures.find(id);
    if (!erasure) throw new NotFoundError('There is no such proof of erasure');
    return show(erasure);
  }
}

function show({ at, ...erasure }: Erasure): ShownErasure {
  return { ...erasure, at: isoTime(at) };
}
