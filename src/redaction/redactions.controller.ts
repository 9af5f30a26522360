import { Body, Controller, Delete, Get, Headers, HttpCode, Param, Post, Put, Res } from '@nestjs/common';
import { ApiHeader, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { ChannelsRegistry } from '../channels/channels.registry.service.js';
import { NotFoundError } from '../errors.js';
import { Actor, RequireScope, type Principal } from '../http/api-key.guard.js';
import { etagOf } from '../http/etag.js';
import { nearest } from '../suggestion.js';
import { Policies } from './policies.service.js';
import {
  channelName,
  checkBody,
  policyBody,
  shownChecked,
  shownPolicy,
  type CheckBody,
  type PolicyBody,
  type ShownChecked,
  type ShownPolicy,
} from './redactions.schema.js';
import { RedactionsStore, type StoredPolicy } from './redactions.store.js';
import { Redactor } from './redactor.service.js';

@ApiTags('redactions')
@RequireScope('admin')
@Controller('v1/redactions')
export class RedactionsController {
  constructor(
    private readonly store: RedactionsStore,
    private readonly policies: Policies,
    private readonly redactor: Redactor,
    private readonly channels: ChannelsRegistry,
  ) {}

  @Get()
  @ApiOperation({ summary: 'List redaction policies, by channel' })
  @ApiOkResponse({ standardSchema: z.object({ items: z.array(shownPolicy) }) })
  async list(): Promise<{ items: ShownPolicy[] }> {
    return { items: (await this.store.list()).map(show) };
  }

  @Post('check')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Try rules on a text; nothing is stored or sent',
    description:
      'Names are those of contacts. To see whole messages under a saved policy: POST /v1/templates/{name}/preview.',
  })
  @ApiOkResponse({ standardSchema: shownChecked })
  async check(@Body({ schema: checkBody }) { rules, text }: CheckBody): Promise<ShownChecked> {
    return this.redactor.text(await this.policies.applied({ version: 0, rules }, {}), text);
  }

  @Get(':channel')
  @ApiOperation({ summary: 'Read the policy of a channel; its ETag is what If-Match takes' })
  @ApiOkResponse({ standardSchema: shownPolicy })
  async get(
    @Param('channel', { schema: channelName }) channel: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ShownPolicy> {
    this.require(channel);
    const policy = await this.store.get(channel);
    void reply.header('etag', etagOf(policy.version));
    return show(policy);
  }

  /** 201 for the first policy of a channel, 200 for the next version. */
  @Put(':channel')
  @ApiOperation({
    summary: 'Save what is masked in every message of a channel (then with If-Match)',
    description: 'Holds for every message that is sent after the answer, also for those that wait for another try.',
  })
  @ApiHeader({ name: 'If-Match', required: false, example: '"v1"' })
  @ApiOkResponse({ standardSchema: shownPolicy })
  async save(
    @Param('channel', { schema: channelName }) channel: string,
    @Body({ schema: policyBody }) body: PolicyBody,
    @Headers('if-match') ifMatch: string | undefined,
    @Actor() actor: Principal,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ShownPolicy> {
    this.require(channel);
    const existed = (await this.store.find(channel)) !== undefined;
    const policy = await this.store.save(actor.name, channel, body, ifMatch);
    if (!existed) void reply.code(201).header('location', `/v1/redactions/${channel}`);
    void reply.header('etag', etagOf(policy.version));
    return show(policy);
  }

  @Delete(':channel')
  @HttpCode(204)
  @ApiOperation({ summary: 'Mask nothing in this channel any more. Needs If-Match' })
  @ApiHeader({ name: 'If-Match', required: true, example: '"v1"' })
  @ApiNoContentResponse()
  delete(
    @Param('channel', { schema: channelName }) channel: string,
    @Headers('if-match') ifMatch: string | undefined,
    @Actor() actor: Principal,
  ): Promise<void> {
    return this.store.delete(actor.name, channel, ifMatch);
  }

  /** @throws NotFoundError with the name that was probably meant: a policy for no channel would protect nobody */
  private require(channel: string): void {
    if (this.channels.get(channel)) return;
    const names = this.channels.all().map(({ name }) => name);
    const suggestion = nearest(channel, names);
    throw new NotFoundError(
      `There is no such channel; channels are ${names.join(', ')}`,
      suggestion === undefined ? {} : { errors: [{ pointer: 'channel', message: 'is not a channel', suggestion }] },
    );
  }
}

function show({ channel, version, enabled, rules, author, updatedAt }: StoredPolicy): ShownPolicy {
  return { channel, version, enabled, rules, author, updatedAt: new Date(updatedAt).toISOString() };
}
