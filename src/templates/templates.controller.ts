import { Body, Controller, Delete, Get, Headers, HttpCode, Param, Post, Put, Query, Res } from '@nestjs/common';
import { ApiHeader, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { NotFoundError } from '../errors.js';
import { Actor, RequireScope, type Principal } from '../http/api-key.guard.js';
import { etagOf } from '../http/etag.js';
import { pageOf } from '../http/openapi.js';
import { pageQuery, type Page } from '../http/page.js';
import { nearest } from '../suggestion.js';
import { RenderPool } from './render-pool.service.js';
import { TemplatePreview } from './template-preview.service.js';
import type { TemplateEntity } from './template.entity.js';
import { kindsOf, type Template, type TemplateParts } from './template.js';
import {
  previewBody,
  shownPreview,
  shownTemplate,
  shownTemplateVersion,
  shownTemplateWithParts,
  templateBody,
  templateName,
  type PreviewBody,
  type ShownPreview,
  type ShownTemplate,
  type ShownTemplateVersion,
  type ShownTemplateWithParts,
  type TemplateBody,
} from './templates.schema.js';
import { TemplatesStore } from './templates.store.js';

const listQuery = z.strictObject({ limit: pageQuery.limit, cursor: templateName.optional() });
const versionsQuery = z.strictObject({
  limit: pageQuery.limit,
  cursor: z.coerce.number().int().min(1).max(2_147_483_647).optional(),
});

@ApiTags('templates')
@RequireScope('admin')
@Controller('v1/templates')
export class TemplatesController {
  constructor(
    private readonly templates: TemplatesStore,
    private readonly renderer: RenderPool,
    private readonly previews: TemplatePreview,
  ) {}

  @Get()
  @ApiOperation({ summary: 'List templates by name, files and saved ones' })
  @ApiOkResponse({ standardSchema: pageOf(shownTemplate) })
  async list(
    @Query({ schema: listQuery }) { limit, cursor }: z.output<typeof listQuery>,
  ): Promise<Page<ShownTemplate>> {
    const all = await this.templates.list();
    const rest = cursor === undefined ? all : all.filter(({ name }) => name > cursor);
    const shown = rest.slice(0, limit);
    const last = shown.at(-1);
    return { items: shown.map(show), ...(rest.length > limit && last ? { nextCursor: last.name } : {}) };
  }

  @Get(':name')
  @ApiOperation({ summary: 'Read a template as it is sent now; its ETag is what If-Match takes' })
  @ApiOkResponse({ standardSchema: shownTemplateWithParts })
  async get(
    @Param('name', { schema: templateName }) name: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ShownTemplateWithParts> {
    const template = await this.find(name);
    void reply.header('etag', etagOf(template.version));
    return showWithParts(template);
  }

  /** 201 for a new name, 200 for the next version of one. */
  @Put(':name')
  @ApiOperation({ summary: 'Save a template: a new one, or the next version of one (then with If-Match)' })
  @ApiHeader({ name: 'If-Match', required: false, example: '"v0"' })
  @ApiOkResponse({ standardSchema: shownTemplateWithParts })
  async save(
    @Param('name', { schema: templateName }) name: string,
    @Body({ schema: templateBody }) { description, parts }: TemplateBody,
    @Headers('if-match') ifMatch: string | undefined,
    @Actor() actor: Principal,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ShownTemplateWithParts> {
    const existed = (await this.templates.current(name)) !== undefined;
    await this.renderer.check(parts);
    const content = { description, parts: parts as TemplateParts };
    const template = await this.templates.save(actor.name, name, content, ifMatch);
    if (!existed) void reply.code(201).header('location', `/v1/templates/${name}`);
    void reply.header('etag', etagOf(template.version));
    return showWithParts(template);
  }

  /** 200 with the file that counts again, 204 when there is none. */
  @Delete(':name')
  @ApiOperation({ summary: 'Go back to the file; without one the template is gone. Needs If-Match' })
  @ApiHeader({ name: 'If-Match', required: true, example: '"v1"' })
  @ApiOkResponse({ standardSchema: shownTemplateWithParts })
  async revert(
    @Param('name', { schema: templateName }) name: string,
    @Headers('if-match') ifMatch: string | undefined,
    @Actor() actor: Principal,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ShownTemplateWithParts | undefined> {
    const file = await this.templates.revert(actor.name, name, ifMatch);
    if (!file) {
      void reply.code(204);
      return undefined;
    }
    void reply.header('etag', etagOf(file.version));
    return showWithParts(file);
  }

  @Get(':name/versions')
  @ApiOperation({ summary: 'List the saved versions of a template, newest first' })
  @ApiOkResponse({ standardSchema: pageOf(shownTemplateVersion) })
  async versions(
    @Param('name', { schema: templateName }) name: string,
    @Query({ schema: versionsQuery }) { limit, cursor }: z.output<typeof versionsQuery>,
  ): Promise<Page<ShownTemplateVersion>> {
    const found = await this.templates.versions(name, limit + 1, cursor);
    if (found.length === 0) await this.find(name);
    const shown = found.slice(0, limit);
    const last = shown.at(-1);
    return {
      items: shown.map(showVersion),
      ...(found.length > limit && last ? { nextCursor: String(last.version) } : {}),
    };
  }

  @Post(':name/preview')
  @HttpCode(200)
  @ApiOperation({ summary: 'Render a template, saved or not, with a stored job or the sample facts; nothing is sent' })
  @ApiOkResponse({ standardSchema: shownPreview })
  async preview(
    @Param('name', { schema: templateName }) name: string,
    @Body({ schema: previewBody }) { parts, ...request }: PreviewBody,
  ): Promise<ShownPreview> {
    if (parts === undefined) return this.previews.preview((await this.find(name)).parts, request);
    await this.renderer.check(parts);
    return this.previews.preview(parts, request);
  }

  /** @throws NotFoundError with the name that was probably meant */
  private async find(name: string): Promise<Template> {
    const template = await this.templates.current(name);
    if (template) return template;
    const names = (await this.templates.list()).map((one) => one.name);
    const suggestion = nearest(name, names);
    throw new NotFoundError(
      'There is no template of this name',
      suggestion === undefined
        ? {}
        : { errors: [{ pointer: 'name', message: `did you mean ${suggestion}?`, suggestion }] },
    );
  }
}

function show({ name, version, description, parts, updatedAt }: Template): ShownTemplate {
  const kinds = kindsOf(parts);
  return version === 0
    ? { name, version, description, kinds, source: 'file' }
    : { name, version, description, kinds, source: 'stored', updatedAt: new Date(updatedAt).toISOString() };
}

function showWithParts(template: Template): ShownTemplateWithParts {
  return { ...show(template), parts: { ...template.parts } };
}

function showVersion({ version, description, parts, author, createdAt }: TemplateEntity): ShownTemplateVersion {
  return {
    version,
    description,
    ...(parts === null ? {} : { parts: { ...parts } }),
    author,
    createdAt: new Date(createdAt).toISOString(),
  };
}
