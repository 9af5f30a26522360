import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { NotFoundError } from '../errors.js';
import { SCOPES, type ApiKeyEntity, type Scope } from './api-key.entity.js';
import { Actor, RequireScope, type Principal } from './api-key.guard.js';
import { ApiKeysStore } from './api-keys.store.js';
import { pageOf } from './openapi.js';
import { pageQuery, toPage, type Page } from './page.js';
import { isoTime } from '../iso-time.js';

const NewKey = z
  .strictObject({
    name: z.string().trim().min(1).max(100),
    scopes: z.array(z.enum(SCOPES)).min(1).max(SCOPES.length),
  })
  .meta({ examples: [{ name: 'call-centre', scopes: ['jobs:write'] }] });

const KeysQuery = z.strictObject(pageQuery);

const ShownKey = z.object({
  id: z.uuid(),
  name: z.string(),
  prefix: z.string(),
  scopes: z.array(z.enum(SCOPES)),
  createdAt: z.iso.datetime(),
  lastUsedAt: z.iso.datetime().nullable(),
  revokedAt: z.iso.datetime().nullable(),
});
type ShownKey = z.infer<typeof ShownKey>;

/** Keys of the admin API. A key is shown in the answer that makes it, and never again. */
@ApiTags('administration')
@RequireScope('admin')
@Controller('v1/api-keys')
export class ApiKeysController {
  constructor(private readonly keys: ApiKeysStore) {}

  @Post()
  @ApiOperation({ summary: 'Make an API key; `key` is shown in this answer only' })
  @ApiCreatedResponse({ standardSchema: ShownKey.extend({ key: z.string() }) })
  async create(
    @Body({ schema: NewKey }) { name, scopes }: { name: string; scopes: Scope[] },
    @Actor() actor: Principal,
  ): Promise<ShownKey & { key: string }> {
    const { row, key } = await this.keys.create(actor.name, name, scopes);
    return { ...show(row), key };
  }

  @Get()
  @ApiOperation({ summary: 'List API keys, revoked ones included' })
  @ApiOkResponse({ standardSchema: pageOf(ShownKey) })
  async list(@Query({ schema: KeysQuery }) { limit, cursor }: z.output<typeof KeysQuery>): Promise<Page<ShownKey>> {
    return toPage(await this.keys.list(limit, cursor), limit, show);
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiOperation({ summary: 'Revoke an API key, from now on' })
  @ApiNoContentResponse()
  async revoke(@Param('id', { schema: z.uuid() }) id: string, @Actor() actor: Principal): Promise<void> {
    if (!(await this.keys.revoke(actor.name, id))) throw new NotFoundError('No API key in use has this id');
  }
}

function show(row: ApiKeyEntity): ShownKey {
  const { id, name, prefix, scopes } = row;
  return {
    id,
    name,
    prefix,
    scopes,
    createdAt: isoTime(row.createdAt),
    lastUsedAt: isoTime(row.lastUsedAt),
    revokedAt: isoTime(row.revokedAt),
  };
}
