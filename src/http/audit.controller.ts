import { Controller, Get, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import type { AuditEntity } from '../database/audit.entity.js';
import { RequireScope } from './api-key.guard.js';
import { AuditReader } from './audit-reader.store.js';
import { pageOf } from './openapi.js';
import { pageQuery, toPage, type Page } from './page.js';

const AuditQuery = z.strictObject({
  ...pageQuery,
  action: z
    .string()
    .regex(/^[a-z-]{1,40}\.[a-z-]{1,40}$/, 'must be an action such as rule.created')
    .optional(),
});

const ShownAudit = z.object({
  id: z.uuid(),
  at: z.iso.datetime(),
  actor: z.string(),
  action: z.string(),
  subject: z.string(),
  detail: z.record(z.string(), z.json()),
});
/** A row as it is shown. Its detail is what was recorded: ids, names and versions. */
type ShownAudit = Omit<z.infer<typeof ShownAudit>, 'detail'> & { detail: object };

/** Who changed what, newest first. */
@ApiTags('administration')
@RequireScope('admin')
@Controller('v1/audit')
export class AuditController {
  constructor(private readonly audit: AuditReader) {}

  @Get()
  @ApiOperation({ summary: 'List what was changed, and by whose key' })
  @ApiOkResponse({ standardSchema: pageOf(ShownAudit) })
  async list(@Query({ schema: AuditQuery }) query: z.output<typeof AuditQuery>): Promise<Page<ShownAudit>> {
    return toPage(await this.audit.list(query), query.limit, show);
  }
}

function show({ id, at, actor, action, subject, detail }: AuditEntity): ShownAudit {
  return { id, at: new Date(at).toISOString(), actor, action, subject, detail };
}
