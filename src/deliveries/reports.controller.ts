import { Body, Controller, HttpCode, Inject, Param, Post, Query, UseGuards } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { z } from 'zod';
import type { DeliveryReport } from '../channels/channel.js';
import { classifyReport } from '../channels/sms/twilio-errors.js';
import { parseTwilioReport } from '../channels/sms/twilio-report.js';
import { Clock } from '../clock.js';
import { UnprocessableError } from '../errors.js';
import { EventBus } from '../event-bus.service.js';
import { Public } from '../http/api-key.guard.js';
import { Log } from '../log.service.js';
import { ChannelGate } from './channel-gate.service.js';
import { DISPATCHER, type DeliveryDispatcher } from './delivery-dispatcher.js';
import { DeliveryId } from './deliveries.schema.js';
import { ReportsStore } from './reports.store.js';
import { TwilioForm, TwilioSignatureGuard } from './twilio-signature.guard.js';

/** `a`: number of the attempt that the report is about; Herald put it there, and the signature covers it. */
const ReportQuery = z.object({ a: z.coerce.number().int().min(1).max(1_000_000).optional() });

/** Twilio's status callbacks. */
@Public()
@ApiExcludeController()
@UseGuards(TwilioSignatureGuard)
@Controller('reports/twilio')
export class ReportsController {
  constructor(
    @Inject(DISPATCHER) private readonly dispatcher: DeliveryDispatcher,
    private readonly reports: ReportsStore,
    private readonly gate: ChannelGate,
    private readonly clock: Clock,
    private readonly events: EventBus,
    private readonly log: Log,
  ) {}

  @Post(':deliveryId')
  @HttpCode(204)
  async report(
    @Param('deliveryId', { schema: DeliveryId }) deliveryId: string,
    @Query({ schema: ReportQuery }) query: z.infer<typeof ReportQuery>,
    @Body({ schema: TwilioForm }) form: TwilioForm,
  ): Promise<void> {
    const report = parseTwilioReport(form);
    if (!report) throw new UnprocessableError('This is not a status callback of an outbound message');
    const from = typeof form.From === 'string' ? form.From : undefined;
    const outcome = await this.reports.apply(deliveryId, query.a, report, from);
    if (outcome === 'applied') await this.follow(deliveryId, report);
    this.log.info('delivery.reported', { deliveryId, status: report.status, code: report.code, outcome });
  }

  private async follow(deliveryId: string, report: DeliveryReport): Promise<void> {
    await this.pauseIfRefused(deliveryId, report);
    this.dispatcher.wake();
    this.events.publish({ type: 'delivery.reported', id: deliveryId, state: report.status });
  }

  /** What is wrong with the account would fail every message: the channel waits, as after a refused send. */
  private async pauseIfRefused(deliveryId: string, { status, code }: DeliveryReport): Promise<void> {
    if (status !== 'undelivered' && status !== 'failed') return;
    const error = classifyReport(status, code, this.clock.now());
    if (error?.vendorClass !== 'CONFIG') return;
    const delivery = await this.reports.find(deliveryId);
    if (delivery) await this.gate.refused(delivery.channel, error.vendorCode, error.message);
  }
}
