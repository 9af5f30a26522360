import { Body, Controller, Get, Headers, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import { ApiHeader, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { NotFoundError, RuleInvalidError } from '../errors.js';
import { Actor, RequireScope, type Principal } from '../http/api-key.guard.js';
import { etagOf } from '../http/etag.js';
import { pageOf } from '../http/openapi.js';
import type { Page } from '../http/page.js';
import { isoTime } from '../iso-time.js';
import { RuleCheck } from './rule-check.service.js';
import { ruleChanges, type FieldChange } from './rule-diff.js';
import type { RuleVersionEntity } from './rule.entity.js';
import type { RuleDefinition } from './rule.js';
import { RuleVersionsStore } from './rule-versions.store.js';
import {
  IF_MATCH,
  rollbackBody,
  ruleId,
  shownDiff,
  shownRule,
  shownRuleVersion,
  versionNumber,
  versionsQuery,
  type RollbackBody,
  type VersionsQuery,
} from './rules.schema.js';
import { RulesStore } from './rules.store.js';
import { showRule, type ShownRule } from './rule-view.js';

interface ShownSave {
  version: number;
  author: string;
  comment?: string;
  createdAt: string;
}

type ShownVersion = ShownSave & { rule?: RuleDefinition };

interface ShownDiff {
  from: ShownSave;
  to: ShownSave;
  changes: FieldChange[];
}

/** Each save of a rule is a version; a delivery names the one that planned it. */
@ApiTags('rules')
@RequireScope('admin')
@Controller('v1/rules')
export class RuleVersionsController {
  constructor(
    private readonly rules: RulesStore,
    private readonly stored: RuleVersionsStore,
    private readonly check: RuleCheck,
  ) {}

  @Get(':id/versions')
  @ApiOperation({ summary: 'List the saves of a rule, newest first, with author, time and comment' })
  @ApiOkResponse({ standardSchema: pageOf(shownRuleVersion) })
  async versions(
    @Param('id', { schema: ruleId }) id: string,
    @Query({ schema: versionsQuery }) { limit, cursor }: VersionsQuery,
  ): Promise<Page<ShownVersion>> {
    const found = await this.stored.list(id, limit + 1, cursor);
    if (found.length === 0 && cursor === undefined) throw new NotFoundError('There is no such rule');
    const shown = found.slice(0, limit);
    const last = shown.at(-1);
    return {
      items: shown.map(showVersion),
      ...(found.length > limit && last ? { nextCursor: String(last.version) } : {}),
    };
  }

  @Get(':id/versions/:a/diff/:b')
  @ApiOperation({ summary: 'What differs between two versions of a rule, field by field' })
  @ApiOkResponse({ standardSchema: shownDiff })
  async diff(
    @Param('id', { schema: ruleId }) id: string,
    @Param('a', { schema: versionNumber }) a: number,
    @Param('b', { schema: versionNumber }) b: number,
  ): Promise<ShownDiff> {
    const [from, to] = await Promise.all([this.find(id, a), this.find(id, b)]);
    return { from: showSave(from), to: showSave(to), changes: ruleChanges(from.definition, to.definition) };
  }

  /** The past stays as it is: what is rolled back to becomes the newest version. */
  @Post(':id/rollback')
  @HttpCode(200)
  @ApiOperation({ summary: 'Make an earlier version of a rule its newest; 422 when it is not valid any more' })
  @ApiHeader(IF_MATCH)
  @ApiOkResponse({ standardSchema: shownRule })
  async rollback(
    @Param('id', { schema: ruleId }) id: string,
    @Body({ schema: rollbackBody }) { version, comment }: RollbackBody,
    @Headers('if-match') ifMatch: string | undefined,
    @Actor() actor: Principal,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ShownRule> {
    await this.rules.get(id);
    const before = await this.find(id, version);
    if (before.definition === null)
      throw new RuleInvalidError(`Version ${String(version)} is a deletion: there is nothing to roll back to`, {
        errors: [{ pointer: '/version', message: 'must be a version that holds a rule' }],
      });
    const definition = await this.check.parse(before.definition);
    const why = comment ?? `back to version ${String(version)}`;
    const rule = await this.rules.replace(actor.name, id, ifMatch, () => definition, why);
    void reply.header('etag', etagOf(rule.version));
    return showRule({ rule });
  }

  private async find(id: string, version: number): Promise<RuleVersionEntity> {
    const found = await this.stored.find(id, version);
    if (found) return found;
    throw new NotFoundError(
      `There is no version ${String(version)} of such a rule; GET /v1/rules/${id}/versions lists them`,
    );
  }
}

function showVersion(version: RuleVersionEntity): ShownVersion {
  const { definition } = version;
  return { ...showSave(version), ...(definition === null ? {} : { rule: definition }) };
}

function showSave({ version, author, comment, createdAt }: RuleVersionEntity): ShownSave {
  return { version, author, ...(comment === null ? {} : { comment }), createdAt: isoTime(createdAt) };
}
