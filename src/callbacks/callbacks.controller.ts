import { Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiAcceptedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { AuditStore } from '../database/audit.store.js';
import { Database } from '../database/database.service.js';
import { ConflictError, GoneError, NotFoundError } from '../errors.js';
import { Actor, RequireScope, type Principal } from '../http/api-key.guard.js';
import { pageOf } from '../http/openapi.js';
import { pageQuery, timeQuery, toPage, type Page } from '../http/page.js';
import { isoTime } from '../iso-time.js';
import { CallbackArrivals } from './arrivals.service.js';
import { CALLBACK_STATES, type CallbackEntity } from './callback.entity.js';
import { CallbacksStore } from './callbacks.store.js';

const CallbackId = z.uuid();
const ListCallbacks = z.strictObject({
  ...pageQuery,
  state: z.enum(CALLBACK_STATES).optional(),
  jobId: z.uuid().optional(),
  from: timeQuery.optional(),
  to: timeQuery.optional(),
});

/** For the documentation. */
const shownCallback = z.object({
  id: z.uuid(),
  jobId: z.uuid().nullable(),
  state: z.enum(CALLBACK_STATES),
  reason: z.string().nullable(),
  method: z.enum(['POST', 'PUT']),
  contentType: z.string().nullable(),
  bytes: z.number().int(),
  sha256: z.string(),
  repeats: z.number().int(),
  receivedAt: z.iso.datetime(),
  settledAt: z.iso.datetime().nullable(),
});

/** A callback as the API shows it, without its body. */
function callbackView(callback: CallbackEntity) {
  return {
    id: callback.id,
    jobId: callback.jobId === '' ? null : callback.jobId,
    state: callback.state,
    reason: callback.reason,
    method: callback.method,
    contentType: callback.contentType,
    bytes: callback.bytes,
    sha256: callback.sha256,
    repeats: callback.repeats,
    receivedAt: isoTime(callback.receivedAt),
    settledAt: isoTime(callback.settledAt),
  };
}
type CallbackView = ReturnType<typeof callbackView>;

/** The inbox with its quarantine. */
@ApiTags('callbacks')
@Controller('v1/callbacks')
@RequireScope('jobs:read')
export class CallbacksController {
  constructor(
    private readonly callbacks: CallbacksStore,
    private readonly database: Database,
    private readonly audit: AuditStore,
    private readonly arrivals: CallbackArrivals,
  ) {}

  @Get()
  @ApiOperation({ summary: 'List the inbox; state=quarantined shows what could not be read' })
  @ApiOkResponse({ standardSchema: pageOf(shownCallback) })
  async list(@Query({ schema: ListCallbacks }) query: z.infer<typeof ListCallbacks>): Promise<Page<CallbackView>> {
    return toPage(await this.callbacks.list(query), query.limit, callbackView);
  }

  @Get(':id')
  @ApiOperation({ summary: 'Read a callback, without its body' })
  @ApiOkResponse({ standardSchema: shownCallback })
  async show(@Param('id', { schema: CallbackId }) id: string): Promise<CallbackView> {
    const callback = await this.callbacks.find(id);
    if (!callback) throw new NotFoundError('There is no such callback');
    return callbackView(callback);
  }

  /** Settles it again: a quarantined one after the repair, a settled one by the rules of today. Nobody is told twice. */
  @Post(':id/replay')
  @ApiOperation({ summary: 'Settle a callback again; nobody is told twice by the same rule' })
  @ApiAcceptedResponse({ standardSchema: shownCallback })
  @HttpCode(202)
  @RequireScope('admin')
  async replay(@Param('id', { schema: CallbackId }) id: string, @Actor() actor: Principal): Promise<CallbackView> {
    await this.show(id);
    if (!(await this.callbacks.hasBody(id)))
      throw new GoneError('The bytes of this callback were dropped by age (HERALD_CONTENT_RETENTION_DAYS)');
    const waiting = await this.database.uow.run(async (tx) => {
      const replayed = await this.callbacks.replay(tx, id);
      if (replayed) await this.audit.record(tx, actor.name, 'callback.replayed', id);
      return replayed;
    });
    if (!waiting) throw new ConflictError('The callback waits to be settled already');
    this.arrivals.tell();
    return this.show(id);
  }
}
