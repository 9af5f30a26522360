import { Controller, Get, Inject, Param, Query, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { searchWords } from '../database/dialect.js';
import { GoneError, NotFoundError } from '../errors.js';
import { RequireScope } from '../http/api-key.guard.js';
import { pageOf } from '../http/openapi.js';
import type { Page } from '../http/page.js';
import { isoTime } from '../iso-time.js';
import { RAW_BODIES, type RawBodies } from './raw-bodies.js';
import { snippetOf } from './snippet.js';
import { CONTENT_TYPES } from './transcript-file.js';
import { TranscriptFiles } from './transcript-files.service.js';
import {
  jobIdParam,
  listTranscripts,
  shownTranscriptItem,
  transcriptFile,
  type ListTranscripts,
  type ShownTranscriptItem,
  type TranscriptFile,
} from './transcripts.schema.js';
import { TranscriptsStore, type StoredTranscript, type TranscriptRow } from './transcripts.store.js';

/** Encodings that an answer may repeat: a client undoes them and has the provider's JSON. */
const ENCODINGS = ['gzip', 'deflate', 'br'];

@ApiTags('transcripts')
@RequireScope('jobs:read')
@Controller('v1/transcripts')
export class TranscriptsController {
  constructor(
    private readonly transcripts: TranscriptsStore,
    private readonly files: TranscriptFiles,
    @Inject(RAW_BODIES) private readonly rawBodies: RawBodies,
  ) {}

  @Get()
  @ApiOperation({ summary: 'List transcripts, newest first; `q` searches their text' })
  @ApiOkResponse({ standardSchema: pageOf(shownTranscriptItem) })
  async list(@Query({ schema: listTranscripts }) query: ListTranscripts): Promise<Page<ShownTranscriptItem>> {
    const found = await this.transcripts.list(query);
    const shown = found.slice(0, query.limit);
    const words = searchWords(query.q ?? '');
    const last = shown.at(-1);
    return {
      items: shown.map((row) => showItem(row, words)),
      ...(found.length > query.limit && last ? { nextCursor: last.jobId } : {}),
    };
  }

  /** The transcript as JSON, or, with a suffix, as a file. */
  @Get(':file')
  @ApiOperation({ summary: 'Read a transcript by the id of its job: JSON, or a file with .txt, .srt or .vtt' })
  @ApiProduces('application/json', 'text/plain', 'application/x-subrip', 'text/vtt')
  async get(
    @Param('file', { schema: transcriptFile }) { jobId, format }: TranscriptFile,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    void reply.type(CONTENT_TYPES[format]);
    if (format === 'json') {
      await reply.send((await this.files.json(jobId)) ?? (await this.missing(jobId)));
      return;
    }
    const file = await this.files.make(await this.find(jobId), { format });
    await reply.header('content-disposition', `attachment; filename="${jobId}.${format}"`).send(file);
  }

  /** The body of the callback as the provider sent it, byte for byte. Not for a browser to show: it is a stranger's text. */
  @Get(':jobId/raw')
  @ApiOperation({ summary: 'The untouched body of the callback' })
  async raw(@Param('jobId', { schema: jobIdParam }) jobId: string, @Res() reply: FastifyReply): Promise<void> {
    const { callbackId } = await this.find(jobId);
    const raw = await this.rawBodies.read(callbackId);
    if (!raw) throw new NotFoundError('The body of the callback is not kept any more');
    const isJson = /^application\/json\b/i.test(raw.contentType ?? '');
    void reply
      .header('content-disposition', `attachment; filename="${jobId}.${isJson ? 'raw.json' : 'raw'}"`)
      .type(isJson ? 'application/json' : 'application/octet-stream');
    if (ENCODINGS.includes(raw.contentEncoding?.toLowerCase() ?? ''))
      void reply.header('content-encoding', raw.contentEncoding);
    await reply.send(raw.body);
  }

  private async find(jobId: string): Promise<StoredTranscript> {
    return (await this.transcripts.findStored(jobId)) ?? this.missing(jobId);
  }

  private async missing(jobId: string): Promise<never> {
    const droppedAt = await this.transcripts.droppedAt(jobId);
    if (droppedAt !== undefined)
      throw new GoneError(
        `The words of this transcript were dropped at ${isoTime(droppedAt)} (HERALD_CONTENT_RETENTION_DAYS); GET /v1/jobs/${jobId} shows what is kept`,
      );
    throw new NotFoundError('There is no transcript of this job: it is not completed, or it was erased');
  }
}

function showItem(
  { jobId, requestId, language, duration, text, createdAt }: TranscriptRow,
  words: string[],
): ShownTranscriptItem {
  return {
    jobId,
    requestId,
    ...(language === null ? {} : { language }),
    duration,
    snippet: snippetOf(text, words),
    createdAt: new Date(createdAt).toISOString(),
  };
}
