import { Controller, Get, Inject, Param, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Public } from '../http/api-key.guard.js';
import { LINK_SECRET, readLinkToken } from './link.js';
import { TranscriptFiles } from './transcript-files.service.js';
import { linkToken } from './transcripts.schema.js';
import { TranscriptsStore } from './transcripts.store.js';

/** Nothing runs and nothing is fetched; the one style sheet stands in the page. */
const POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const GONE = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex"><meta name="color-scheme" content="light dark"><title>No transcript here</title>
<style>:root{color-scheme:light dark}body{font:17px/1.5 sans-serif;max-width:32rem;margin:15vh auto;padding:0 16px}</style></head>
<body><h1>There is no transcript here</h1>
<p>The link may be cut off or mistyped, or the transcript was erased. Open the link from the message once more; if it still
leads here, ask whoever sent it to you.</p></body></html>
`;

/** The page behind links in messages. The link is the credential: whoever has it may read this one transcript. */
@Public()
@ApiExcludeController()
@Controller('t')
export class TranscriptPageController {
  constructor(
    private readonly transcripts: TranscriptsStore,
    private readonly files: TranscriptFiles,
    @Inject(LINK_SECRET) private readonly secret: string,
  ) {}

  @Get(':token')
  async show(@Param('token', { schema: linkToken }) token: string, @Res() reply: FastifyReply): Promise<void> {
    const jobId = readLinkToken(token, this.secret);
    const stored = jobId === undefined ? undefined : await this.transcripts.findStored(jobId);
    void reply.type('text/html; charset=utf-8').headers({
      'cache-control': 'no-store',
      'content-security-policy': POLICY,
      'referrer-policy': 'no-referrer',
      'x-robots-tag': 'noindex, nofollow, noarchive',
    });
    if (!stored) {
      await reply.code(404).send(GONE);
      return;
    }
    await reply.send(
      await this.files.make(stored, { format: 'page', title: 'Transcript', createdAt: stored.createdAt }),
    );
  }
}
