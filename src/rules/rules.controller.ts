import { Body, Controller, Delete, Get, Headers, HttpCode, Param, Patch, Post, Put, Query, Res } from '@nestjs/common';
import {
  ApiCreatedResponse,
  ApiHeader,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
} from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { NotFoundError } from '../errors.js';
import { Actor, RequireScope, type Principal } from '../http/api-key.guard.js';
import { etagOf } from '../http/etag.js';
import { pageOf } from '../http/openapi.js';
import type { Page } from '../http/page.js';
import type { CompiledRule } from './evaluate.js';
import { RuleCheck, type Trial } from './rule-check.service.js';
import type { RuleVersionEntity } from './rule.entity.js';
import type { Rule, RuleDefinition } from './rule.js';
import { listRules, pageOfRules, type ListRules } from './rules-page.js';
import {
  checkQuery,
  enabledBody,
  ruleBody,
  ruleId,
  shownCheck,
  shownRule,
  shownRuleVersion,
  versionsQuery,
  type CheckQuery,
  type EnabledBody,
  type VersionsQuery,
} from './rules.schema.js';
import { RulesStore } from './rules.store.js';

type ShownRule = Omit<Rule, 'createdAt' | 'updatedAt'> & { createdAt: string; updatedAt: string; problem?: string };

interface ShownVersion {
  version: number;
  rule?: RuleDefinition;
  author: string;
  createdAt: string;
}

interface ShownCheck {
  valid: true;
  rule: RuleDefinition;
  trial?: Trial;
}

const IF_MATCH = { name: 'If-Match', required: true, example: '"v1"', description: 'The ETag that was read' };

/** Rules can hold addresses: every route needs `admin`. */
@ApiTags('rules')
@RequireScope('admin')
@Controller('v1/rules')
export class RulesController {
  constructor(
    private readonly rules: RulesStore,
    private readonly check: RuleCheck,
  ) {}

  @Get()
  @ApiOperation({ summary: 'List rules in the order in which they are evaluated' })
  @ApiOkResponse({ standardSchema: pageOf(shownRule) })
  async list(@Query({ schema: listRules }) query: ListRules): Promise<Page<ShownRule>> {
    const { items, ...next } = pageOfRules(await this.rules.list(), query);
    return { items: items.map(show), ...next };
  }

  @Get(':id')
  @ApiOperation({ summary: 'Read a rule; its ETag is what If-Match takes' })
  @ApiOkResponse({ standardSchema: shownRule })
  async get(
    @Param('id', { schema: ruleId }) id: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ShownRule> {
    const compiled = await this.rules.get(id);
    void reply.header('etag', etagOf(compiled.rule.version));
    return show(compiled);
  }

  @Post()
  @ApiOperation({ summary: 'Make a rule; 422 tells every problem with its place' })
  @ApiCreatedResponse({ standardSchema: shownRule })
  async create(
    @Body({ schema: ruleBody }) body: unknown,
    @Actor() actor: Principal,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ShownRule> {
    const rule = await this.rules.create(actor.name, await this.check.parse(body));
    void reply.header('location', `/v1/rules/${rule.id}`).header('etag', etagOf(rule.version));
    return show({ rule });
  }

  @Post('check')
  @HttpCode(200)
  @ApiOperation({ summary: 'Check a rule without saving it; with `jobId`, try it on a stored job' })
  @ApiOkResponse({ standardSchema: shownCheck })
  async checkRule(
    @Body({ schema: ruleBody }) body: unknown,
    @Query({ schema: checkQuery }) { jobId }: CheckQuery,
  ): Promise<ShownCheck> {
    const rule = await this.check.parse(body);
    if (jobId === undefined) return { valid: true, rule };
    return { valid: true, rule, trial: await this.check.tryOn(rule, jobId) };
  }

  @Put(':id')
  @ApiOperation({ summary: 'Replace a rule' })
  @ApiHeader(IF_MATCH)
  @ApiOkResponse({ standardSchema: shownRule })
  async replace(
    @Param('id', { schema: ruleId }) id: string,
    @Body({ schema: ruleBody }) body: unknown,
    @Headers('if-match') ifMatch: string | undefined,
    @Actor() actor: Principal,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ShownRule> {
    await this.rules.get(id);
    const definition = await this.check.parse(body);
    const rule = await this.rules.replace(actor.name, id, ifMatch, () => definition);
    void reply.header('etag', etagOf(rule.version));
    return show({ rule });
  }

  /** A rule that is not valid any more can still be switched off. */
  @Patch(':id')
  @ApiOperation({ summary: 'Switch a rule on or off' })
  @ApiHeader(IF_MATCH)
  @ApiOkResponse({ standardSchema: shownRule })
  async enable(
    @Param('id', { schema: ruleId }) id: string,
    @Body({ schema: enabledBody }) { enabled }: EnabledBody,
    @Headers('if-match') ifMatch: string | undefined,
    @Actor() actor: Principal,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ShownRule> {
    const rule = await this.rules.replace(actor.name, id, ifMatch, (before) => ({ ...before, enabled }));
    void reply.header('etag', etagOf(rule.version));
    return show({ rule });
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiOperation({ summary: 'Delete a rule; its versions can still be read' })
  @ApiHeader(IF_MATCH)
  @ApiNoContentResponse()
  delete(
    @Param('id', { schema: ruleId }) id: string,
    @Headers('if-match') ifMatch: string | undefined,
    @Actor() actor: Principal,
  ): Promise<void> {
    return this.rules.delete(actor.name, id, ifMatch);
  }

  @Get(':id/versions')
  @ApiOperation({ summary: 'List the saves of a rule, newest first, with author and time' })
  @ApiOkResponse({ standardSchema: pageOf(shownRuleVersion) })
  async versions(
    @Param('id', { schema: ruleId }) id: string,
    @Query({ schema: versionsQuery }) { limit, cursor }: VersionsQuery,
  ): Promise<Page<ShownVersion>> {
    const found = await this.rules.versions(id, limit + 1, cursor);
    if (found.length === 0 && cursor === undefined) throw new NotFoundError('There is no such rule');
    const shown = found.slice(0, limit);
    const last = shown.at(-1);
    return {
      items: shown.map(showVersion),
      ...(found.length > limit && last ? { nextCursor: String(last.version) } : {}),
    };
  }
}

function show({ rule, fault }: CompiledRule): ShownRule {
  return {
    ...rule,
    createdAt: new Date(rule.createdAt).toISOString(),
    updatedAt: new Date(rule.updatedAt).toISOString(),
    ...(fault === undefined ? {} : { problem: fault }),
  };
}

function showVersion({ version, definition, author, createdAt }: RuleVersionEntity): ShownVersion {
  return {
    version,
    ...(definition === null ? {} : { rule: definition }),
    author,
    createdAt: new Date(createdAt).toISOString(),
  };
}
