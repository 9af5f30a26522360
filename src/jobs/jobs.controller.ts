import type { Readable } from 'node:stream';
import { Controller, Delete, Get, Headers, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiHeader,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
} from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { NotFoundError, RequestInvalidError, UnsupportedMediaTypeError } from '../errors.js';
import { Actor, RequireScope, type Principal } from '../http/api-key.guard.js';
import { toPage, type Page } from '../http/page.js';
import { jsonPointer, toFieldErrors } from '../http/schema-issues.js';
import { JsonLimitError, parseJson } from '../json.js';
import type { JobEntity } from './job.entity.js';
import { JobErasureStore } from './job-erasure.store.js';
import { JobTimelineStore, type JobTimeline } from './job-timeline.store.js';
import { jobView } from './job-view.js';
import { JOB_PAGE, ONE_JOB, SUBMIT_BODY, SUBMITTED } from './jobs.docs.js';
import { IdempotencyKey, JobId, ListJobs, SubmitUpload, SubmitUrl, TAG_NAME } from './jobs.schema.js';
import { JobsService, type Submitted } from './jobs.service.js';
import { JobsStore } from './jobs.store.js';
import { receiveMultipart } from './multipart.service.js';
import { parseRawQuery } from './raw-query.js';

/** Checked by hand, with pointers into the query: which names are right depends on the form of the request. */
const AnyQuery = z.record(z.string(), z.union([z.string(), z.array(z.string())]));
type AnyQuery = z.infer<typeof AnyQuery>;

type JobView = ReturnType<typeof jobView>;

@ApiTags('jobs')
@Controller('v1/jobs')
@RequireScope('jobs:read')
export class JobsController {
  constructor(
    private readonly service: JobsService,
    private readonly jobs: JobsStore,
    private readonly timelines: JobTimelineStore,
    private readonly erasure: JobErasureStore,
  ) {}

  /** One route, three forms: JSON with a URL, raw audio, multipart. */
  @Post()
  @ApiOperation({
    summary: 'Submit audio: a URL in JSON, the raw bytes, or a multipart upload',
    requestBody: SUBMIT_BODY,
  })
  @ApiHeader({ name: 'Idempotency-Key', required: false, description: 'The same key and request give the same job' })
  @ApiAcceptedResponse(SUBMITTED)
  @HttpCode(202)
  @RequireScope('jobs:write')
  async submit(
    @Query({ schema: AnyQuery }) query: AnyQuery,
    @Headers('idempotency-key') key: string | undefined,
    @Req() request: FastifyRequest,
    @Actor() actor: Principal,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<JobView & { warnings: string[] }> {
    const idempotencyKey = scopedKey(key, actor);
    const submitted = await this.take(query, request, idempotencyKey);
    void reply.header('location', `/v1/jobs/${submitted.job.id}`);
    if (submitted.replayed) void reply.header('idempotent-replayed', 'true');
    return { ...jobView(submitted.job), warnings: submitted.warnings };
  }

  @Get()
  @ApiOperation({ summary: 'List jobs; tags filter as tag.NAME=value' })
  @ApiOkResponse(JOB_PAGE)
  async list(@Query({ schema: ListJobs }) query: z.infer<typeof ListJobs>): Promise<Page<JobView>> {
    const { limit, cursor, state, origin, from, to, ...rest } = query;
    const filter = {
      limit,
      tags: tagFilter(rest),
      ...(cursor === undefined ? {} : { cursor }),
      ...(state === undefined ? {} : { state }),
      ...(origin === undefined ? {} : { origin }),
      ...(from === undefined ? {} : { from }),
      ...(to === undefined ? {} : { to }),
    };
    return toPage(await this.jobs.list(filter), limit, jobView);
  }

  @Get(':id')
  @ApiOperation({ summary: 'Read a job with its callbacks, evaluations and deliveries' })
  @ApiOkResponse(ONE_JOB)
  async show(@Param('id', { schema: JobId }) id: string): Promise<JobView & JobTimeline> {
    for (;;) {
      const job = await this.find(id);
      const timeline = await this.timelines.of(id);
      // A settle between the two reads would show a transcript without its completed job, or the other way round.
      const now = await this.find(id);
      if (now.state === job.state && now.settledAt === job.settledAt) return { ...jobView(job), ...timeline };
    }
  }

  @Post(':id/resubmit')
  @ApiOperation({ summary: 'Submit a failed, overdue or silent job again, as long as its audio is there' })
  @ApiAcceptedResponse(SUBMITTED)
  @HttpCode(202)
  @RequireScope('jobs:write')
  async resubmit(@Param('id', { schema: JobId }) id: string): Promise<JobView> {
    return jobView(await this.service.resubmit(id));
  }

  @Delete(':id')
  @ApiOperation({ summary: 'Erase a job: audio, callbacks, transcript, evaluations, deliveries' })
  @ApiNoContentResponse()
  @HttpCode(204)
  @RequireScope('jobs:write')
  async erase(@Param('id', { schema: JobId }) id: string, @Actor() actor: Principal): Promise<void> {
    if (!(await this.erasure.erase(id, actor.name))) throw new NotFoundError('There is no such job');
  }

  private async find(id: string): Promise<JobEntity> {
    const job = await this.jobs.find(id);
    if (!job) throw new NotFoundError('There is no such job');
    return job;
  }

  private take(query: AnyQuery, request: FastifyRequest, idempotencyKey: string | undefined): Promise<Submitted> {
    const type = (request.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
    if (/^application\/([\w.-]+\+)?json$/.test(type)) {
      noQuery(query);
      const { audio, ...rest } = check(SubmitUrl, request.body);
      return this.service.submitUrl(audio.url, rest, idempotencyKey);
    }
    if (type === 'multipart/form-data') {
      noQuery(query);
      return this.takeMultipart(request, idempotencyKey);
    }
    if (/^(audio|video)\/|^application\/octet-stream$/.test(type))
      return this.takeRaw(query, type, request, idempotencyKey);
    throw new UnsupportedMediaTypeError(
      'Send application/json, audio/*, video/*, application/octet-stream or multipart/form-data',
    );
  }

  private async takeRaw(
    query: AnyQuery,
    contentType: string,
    request: FastifyRequest,
    idempotencyKey: string | undefined,
  ): Promise<Submitted> {
    const asked = check(SubmitUpload, parseRawQuery(query));
    // Wrong options are refused before two gigabytes have been sent.
    this.service.check(asked);
    const blob = await this.service.keep(request.body as Readable);
    return this.service.submitUpload(blob, { contentType, name: undefined }, asked, idempotencyKey);
  }

  private async takeMultipart(request: FastifyRequest, idempotencyKey: string | undefined): Promise<Submitted> {
    const upload = await receiveMultipart(request.body as Readable, request.headers, this.service);
    let asked: SubmitUpload;
    try {
      asked = check(SubmitUpload, upload.request === undefined ? {} : parsePart(upload.request));
    } catch (error) {
      await this.service.discard(upload.blob);
      throw error;
    }
    const { contentType, name } = upload;
    return this.service.submitUpload(upload.blob, { contentType, name }, asked, idempotencyKey);
  }
}

function check<Schema extends z.ZodType>(schema: Schema, value: unknown): z.infer<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const errors = toFieldErrors(parsed.error.issues, schema, jsonPointer);
  throw new RequestInvalidError('The request is not as this route takes it; see errors', { errors });
}

function parsePart(text: string): unknown {
  try {
    return parseJson(text);
  } catch (error) {
    throw new RequestInvalidError(
      error instanceof JsonLimitError ? error.message : 'The part "request" is not valid JSON',
    );
  }
}

/** Keys of different clients never meet. */
function scopedKey(key: string | undefined, actor: Principal): string | undefined {
  const parsed = IdempotencyKey.safeParse(key);
  if (!parsed.success) {
    throw new RequestInvalidError('The header Idempotency-Key is not valid', {
      errors: [{ pointer: 'Idempotency-Key', message: parsed.error.issues[0]?.message ?? 'is not valid' }],
    });
  }
  return parsed.data === undefined ? undefined : `${actor.id}:${parsed.data}`;
}

function noQuery(query: AnyQuery): void {
  const [name] = Object.keys(query);
  if (name === undefined) return;
  throw new RequestInvalidError('Options stand in the body here; query parameters are for raw audio', {
    errors: [{ pointer: name, message: 'is not a query parameter of this form; put it into "options"' }],
  });
}

/** `tag.NAME=value` of the list. */
function tagFilter(rest: Record<string, string>): Record<string, string> {
  const tags: Record<string, string> = {};
  for (const [name, value] of Object.entries(rest)) {
    const tag = name.startsWith('tag.') ? name.slice(4) : '';
    if (!TAG_NAME.test(tag)) {
      throw new RequestInvalidError('A query parameter is not known', {
        errors: [{ pointer: name, message: 'known are limit, cursor, state, origin, from, to and tag.NAME' }],
      });
    }
    tags[tag] = value;
  }
  return tags;
}
