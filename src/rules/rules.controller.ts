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
import type { FieldError } from '../errors.js';
import { Actor, RequireScope, type Principal } from '../http/api-key.guard.js';
import { etagOf } from '../http/etag.js';
import { pageOf } from '../http/openapi.js';
import type { Page } from '../http/page.js';
import { RuleCheck, type Trial } from './rule-check.service.js';
import { withoutComment } from './rule-comment.js';
import type { RuleDefinition } from './rule.js';
import { showRule, type ShownRule } from './rule-view.js';
import { listRules, pageOfRules, type ListRules } from './rules-page.js';
import {
  checkQuery,
  deleteQuery,
  enabledBody,
  IF_MATCH,
  ruleBody,
  ruleId,
  savedRule,
  shownCheck,
  shownRule,
  type CheckQuery,
  type DeleteQuery,
  type EnabledBody,
} from './rules.schema.js';
import { RulesStore } from './rules.store.js';

/** What was saved, and what the person who did should know of it. */
type SavedRule = ShownRule & { warnings?: FieldError[] };

interface ShownCheck {
  valid: true;
  rule: RuleDefinition;
  warnings?: FieldError[];
  trial?: Trial;
}

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
    return { items: items.map(showRule), ...next };
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
    return showRule(compiled);
  }

  @Post()
  @ApiOperation({ summary: 'Make a rule; 422 tells every problem with its place' })
  @ApiCreatedResponse({ standardSchema: savedRule })
  async create(
    @Body({ schema: ruleBody }) body: unknown,
    @Actor() actor: Principal,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<SavedRule> {
    const { rule: input, comment } = withoutComment(body);
    const rule = await this.rules.create(actor.name, await this.check.parse(input), comment);
    void reply.header('location', `/v1/rules/${rule.id}`).header('etag', etagOf(rule.version));
    return { ...showRule({ rule }), ...(await this.warningsOf(rule)) };
  }

  @Post('check')
  @HttpCode(200)
  @ApiOperation({ summary: 'Check a rule without saving it; with `jobId`, try it on a stored job' })
  @ApiOkResponse({ standardSchema: shownCheck })
  async checkRule(
    @Body({ schema: ruleBody }) body: unknown,
    @Query({ schema: checkQuery }) { jobId }: CheckQuery,
  ): Promise<ShownCheck> {
    const rule = await this.check.parse(withoutComment(body).rule);
    const warnings = await this.warningsOf(rule);
    if (jobId === undefined) return { valid: true, rule, ...warnings };
    return { valid: true, rule, ...warnings, trial: await this.check.tryOn(rule, jobId) };
  }

  @Put(':id')
  @ApiOperation({ summary: 'Replace a rule' })
  @ApiHeader(IF_MATCH)
  @ApiOkResponse({ standardSchema: savedRule })
  async replace(
    @Param('id', { schema: ruleId }) id: string,
    @Body({ schema: ruleBody }) body: unknown,
    @Headers('if-match') ifMatch: string | undefined,
    @Actor() actor: Principal,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<SavedRule> {
    await this.rules.get(id);
    const { rule: input, comment } = withoutComment(body);
    const definition = await this.check.parse(input);
    const rule = await this.rules.replace(actor.name, id, ifMatch, () => definition, comment);
    void reply.header('etag', etagOf(rule.version));
    return { ...showRule({ rule }), ...(await this.warningsOf(rule)) };
  }

  /** A rule that is not valid any more can still be switched off. */
  @Patch(':id')
  @ApiOperation({ summary: 'Switch a rule on or off' })
  @ApiHeader(IF_MATCH)
  @ApiOkResponse({ standardSchema: shownRule })
  async enable(
    @Param('id', { schema: ruleId }) id: string,
    @Body({ schema: enabledBody }) { enabled, comment }: EnabledBody,
    @Headers('if-match') ifMatch: string | undefined,
    @Actor() actor: Principal,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ShownRule> {
    const rule = await this.rules.replace(actor.name, id, ifMatch, (before) => ({ ...before, enabled }), comment);
    void reply.header('etag', etagOf(rule.version));
    return showRule({ rule });
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiOperation({ summary: 'Delete a rule; its versions can still be read' })
  @ApiHeader(IF_MATCH)
  @ApiNoContentResponse()
  delete(
    @Param('id', { schema: ruleId }) id: string,
    @Query({ schema: deleteQuery }) { comment }: DeleteQuery,
    @Headers('if-match') ifMatch: string | undefined,
    @Actor() actor: Principal,
  ): Promise<void> {
    return this.rules.delete(actor.name, id, ifMatch, comment);
  }

  private async warningsOf(rule: RuleDefinition): Promise<{ warnings?: FieldError[] }> {
    const warnings = await this.check.warnings(rule);
    return warnings.length === 0 ? {} : { warnings };
  }
}
