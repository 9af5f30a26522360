import type { Readable } from 'node:stream';
import { Controller, HttpCode, Inject, Param, Post, Put, Req } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import pLimit from 'p-limit';
import { z } from 'zod';
import { BLOBS, type BlobStore } from '../blobs/blob-store.js';
import type { Settings } from '../config/env.js';
import { SETTINGS } from '../config/settings.js';
import { storageFaultOf } from '../database/storage-fault.js';
import { BodyTooLargeError, NotFoundError, StorageUnavailableError, UnauthorizedError } from '../errors.js';
import { Public } from '../http/api-key.guard.js';
import { FailureLimiter } from '../http/failure-limiter.service.js';
import { isUuid } from '../ids.js';
import { Log } from '../log.service.js';
import { Metrics } from '../metrics.service.js';
import { holdsCallbackSecret } from './body-secret.js';
import { receiveBody, type ReceivedBody } from './body-reader.service.js';
import { CallbackInbox } from './callback-inbox.service.js';
import { verifyBasic, verifyHookCredential, type CredentialCheck } from './hook-credential.js';
import { HOOK_SECRET } from './tokens.js';

const CHALLENGE = 'Basic realm="herald"';
const JobParam = z.string().max(64);
/** Wrong credentials from one address before it is told to slow down. A right one always passes. */
const FAILURES_A_MINUTE = 120;

interface Acknowledgement {
  callback: string;
}

/**
 * Deepgram's callback. What happens before the 200 is all that may: the credential is checked, the untouched bytes are
 * committed. Whatever the body holds is found out later (settle), because any answer but 2xx makes Deepgram call ten times
 * more and then drop the only copy.
 */
@Public()
@ApiExcludeController()
@Controller('hook')
export class HookController {
  private readonly failures = new FailureLimiter(FAILURES_A_MINUTE, 'Too many requests with a wrong credential');
  /** Of all the large bodies whose sender is not known yet, one is in memory. */
  private readonly unproven = pLimit(1);

  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    @Inject(HOOK_SECRET) private readonly secret: string,
    @Inject(BLOBS) private readonly blobs: BlobStore,
    private readonly inbox: CallbackInbox,
    private readonly metrics: Metrics,
    private readonly log: Log,
  ) {}

  @Post(':jobId')
  @HttpCode(200)
  post(@Param('jobId', { schema: JobParam }) jobId: string, @Req() request: FastifyRequest): Promise<Acknowledgement> {
    return this.receiveForJob(jobId, request);
  }

  @Put(':jobId')
  @HttpCode(200)
  put(@Param('jobId', { schema: JobParam }) jobId: string, @Req() request: FastifyRequest): Promise<Acknowledgement> {
    return this.receiveForJob(jobId, request);
  }

  @Post()
  @HttpCode(200)
  postShared(@Req() request: FastifyRequest): Promise<Acknowledgement> {
    return this.receiveShared(request);
  }

  @Put()
  @HttpCode(200)
  putShared(@Req() request: FastifyRequest): Promise<Acknowledgement> {
    return this.receiveShared(request);
  }

  private async receiveForJob(jobId: string, request: FastifyRequest): Promise<Acknowledgement> {
    const started = performance.now();
    const check = verifyHookCredential(request.headers.authorization, jobId, this.secret);
    // An id that Herald cannot have made is refused like a wrong password: the answer tells nothing about which jobs exist.
    await this.require(isUuid(jobId) ? check : 'wrong', request);
    return this.store(jobId, request, await this.receive(request), started);
  }

  /** Callbacks of jobs that someone submitted to Deepgram themselves. */
  private async receiveShared(request: FastifyRequest): Promise<Acknowledgement> {
    const started = performance.now();
    const password = this.settings.hookPassword;
    if (password === undefined) {
      throw new NotFoundError(
        'POST /hook is off: set HERALD_HOOK_PASSWORD to take callbacks of jobs that Herald did not submit',
      );
    }
    const check = verifyBasic(request.headers.authorization, password);
    if (check !== 'missing') {
      await this.require(check, request);
      return this.store('', request, await this.receive(request), started);
    }
    const body = await this.receive(request);
    const holdsSecret = await this.holdsSecret(body, password);
    if (!holdsSecret && body.blobKey !== undefined) await this.blobs.delete(body.blobKey);
    await this.require(holdsSecret ? 'ok' : 'missing', request);
    return this.store('', request, body, started);
  }

  private receive(request: FastifyRequest): Promise<ReceivedBody> {
    const length = request.headers['content-length'];
    return receiveBody((request.body as Readable | undefined) ?? request.raw, {
      declared: length === undefined ? undefined : Number(length),
      maxBytes: this.settings.maxCallbackBytes,
      blobs: this.blobs,
    }).catch((error: unknown) => {
      if (error instanceof BodyTooLargeError) this.tellTooLarge(length, request);
      throw error;
    });
  }

  /** Deepgram keeps no copy: unless the limit is raised within five minutes, the transcript is lost. */
  private tellTooLarge(length: string | undefined, request: FastifyRequest): void {
    this.metrics.callbacks.inc({ outcome: 'too-large' });
    this.log.error('callback.too-large', {
      bytes: length === undefined ? undefined : Number(length),
      maxBytes: this.settings.maxCallbackBytes,
      requestId: request.id,
    });
  }

  private async store(
    jobId: string,
    request: FastifyRequest,
    body: ReceivedBody,
    started: number,
  ): Promise<Acknowledgement> {
    const appended = await this.inbox
      .append({
        jobId,
        method: request.method,
        contentType: request.headers['content-type'],
        contentEncoding: request.headers['content-encoding'],
        ...body,
      })
      .catch(async (error: unknown) => {
        if (body.blobKey !== undefined && wasSurelyRefused(error)) await this.blobs.delete(body.blobKey);
        throw error;
      });
    if (appended.repeated && body.blobKey !== undefined) await this.blobs.delete(body.blobKey);
    const ms = performance.now() - started;
    const outcome = appended.repeated ? 'repeated' : 'stored';
    this.metrics.callbacks.inc({ outcome });
    this.metrics.callbackBytes.observe(body.bytes);
    this.metrics.ackSeconds.observe(ms / 1000);
    this.log.info('callback.received', {
      callbackId: appended.id,
      ...(jobId === '' ? {} : { jobId }),
      outcome,
      bytes: body.bytes,
      ms: Math.round(ms * 100) / 100,
      requestId: request.id,
    });
    return { callback: appended.id };
  }

  private async require(check: CredentialCheck, request: FastifyRequest): Promise<void> {
    if (check === 'ok') return;
    this.metrics.authFailures.inc({ area: 'hook' });
    // Only wrong ones: a client that sends its credential when asked must be asked, however often it comes.
    if (check === 'wrong') await this.failures.count(request.ip);
    throw new UnauthorizedError(
      check === 'missing'
        ? 'The callback needs Basic Auth: put https://herald:PASSWORD@host/hook… into the callback URL'
        : 'The credential of the callback is wrong',
      CHALLENGE,
    );
  }

  private async holdsSecret({ body, blobKey }: ReceivedBody, password: string): Promise<boolean> {
    if (body) return holdsCallbackSecret(body, password);
    if (blobKey === undefined) return false;
    return this.unproven(async () => holdsCallbackSecret(await this.blobs.read(blobKey), password));
  }
}

/** Only then may the bytes go: a commit that was broken off may be there. */
function wasSurelyRefused(error: unknown): boolean {
  const fault = error instanceof StorageUnavailableError ? storageFaultOf(error.cause) : undefined;
  return fault === 'full' || fault === 'locked';
}
