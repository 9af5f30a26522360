import { Inject, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { verifyTwilioSignature } from '../channels/sms/twilio-report.js';
import type { Settings } from '../config/env.js';
import { SETTINGS } from '../config/settings.js';
import { ForbiddenError, NotFoundError } from '../errors.js';
import { Metrics } from '../metrics.service.js';

/** Twilio adds parameters without notice, and all of them are signed: nothing is stripped or trimmed before the check. */
export const TwilioForm = z.record(z.string(), z.union([z.string(), z.array(z.string())]));
export type TwilioForm = z.infer<typeof TwilioForm>;

/** Lets in what Twilio has signed. The signature is checked against the configured public URL, never against the request's host. */
@Injectable()
export class TwilioSignatureGuard implements CanActivate {
  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly metrics: Metrics,
  ) {}

  canActivate(context: ExecutionContext): boolean {
    const { twilio, publicUrl } = this.settings;
    if (!twilio || publicUrl === undefined) throw new NotFoundError('SMS is not configured');
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const form = TwilioForm.safeParse(request.body ?? {});
    const header = request.headers['x-twilio-signature'];
    const signature = Array.isArray(header) ? header[0] : header;
    const url = `${publicUrl}${request.url}`;
    if (form.success && verifyTwilioSignature([twilio.authToken], url, form.data, signature)) return true;
    this.metrics.authFailures.inc({ area: 'twilio' });
    throw new ForbiddenError(
      'X-Twilio-Signature does not fit: it is checked with TWILIO_AUTH_TOKEN against HERALD_PUBLIC_URL',
    );
  }
}
