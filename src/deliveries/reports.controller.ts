import { Body, Controller, HttpCode, Inject, Param, Post, Query, Req } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { parseTwilioReport, verifyTwilioSignature } from '../channels/sms/twilio-report.js';
import type { Settings } from '../config/env.js';
import { SETTINGS } from '../config/settings.js';
import { ForbiddenError, NotFoundError, UnprocessableError } from '../errors.js';
import { EventBus } from '../event-bus.service.js';
import { Public } from '../http/api-key.guard.js';
import { Log } from '../log.service.js';
import { Metrics } from '../metrics.service.js';
import { DISPATCHER, type DeliveryDispatcher } from './delivery-dispatcher.js';
import { DeliveryId } from './deliveries.schema.js';
import { ReportsStore } from './reports.store.js';

/** Twilio adds parameters without notice, and all of them are signed: nothing is stripped or trimmed before the check. */
const Form = z.record(z.string(), z.union([z.string(), z.array(z.string())]));

/** `a`: number of the attempt that the report is about; Herald put it there, and the signature covers it. */
const ReportQuery = z.object({ a: z.coerce.number().int().min(1).max(1_000_000).optional() });

/** Twilio's status callbacks. The signature is checked against the configured public URL, never against the request's host. */
@Public()
@ApiExcludeController()
@Controller('reports/twilio')
export class ReportsController {
  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    @Inject(DISPATCHER) private readonly dispatcher: DeliveryDispatcher,
    private readonly reports: ReportsStore,
    private readonly events: EventBus,
    private readonly metrics: Metrics,
    private readonly log: Log,
  ) {}

  @Post(':deliveryId')
  @HttpCode(204)
  async report(
    @Param('deliveryId', { schema: DeliveryId }) deliveryId: string,
    @Query({ schema: ReportQuery }) query: z.infer<typeof ReportQuery>,
    @Body({ schema: Form }) form: z.infer<typeof Form>,
    @Req() request: FastifyRequest,
  ): Promise<void> {
    const { twilio, publicUrl } = this.settings;
    if (!twilio || publicUrl === undefined) throw new NotFoundError('SMS is not configured');
    const signature = request.headers['x-twilio-signature'];
    const url = `${publicUrl}${request.url}`;
    if (!verifyTwilioSignature([twilio.authToken], url, form, Array.isArray(signature) ? signature[0] : signature)) {
      this.metrics.authFailures.inc({ area: 'twilio' });
      throw new ForbiddenError(
        'X-Twilio-Signature does not fit: it is checked with TWILIO_AUTH_TOKEN against HERALD_PUBLIC_URL',
      );
    }
    const report = parseTwilioReport(form);
    if (!report) throw new UnprocessableError('This is not a status callback of an outbound message');
    const outcome = await this.reports.apply(deliveryId, query.a, report);
    this.dispatcher.wake();
    if (outcome === 'applied') this.events.publish({ type: 'delivery.reported', id: deliveryId, state: report.status });
    this.log.info('delivery.reported', { deliveryId, status: report.status, code: report.code, outcome });
  }
}
