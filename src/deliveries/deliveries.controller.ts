import { Body, Controller, Get, HttpCode, Inject, Param, Post, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { ConflictError, NotFoundError } from '../errors.js';
import { EventBus } from '../event-bus.service.js';
import { Actor, RequireScope, type Principal } from '../http/api-key.guard.js';
import { pageOf } from '../http/openapi.js';
import { toPage, type Page } from '../http/page.js';
import type { z } from 'zod';
import {
  DeliveryId,
  ListDeliveries,
  RetryMany,
  RetryOne,
  SettleOne,
  shownDelivery,
  shownRetry,
  shownSummary,
} from './deliveries.schema.js';
import { Deaths } from './deaths.service.js';
import { DeliveriesQueryStore } from './deliveries.query.store.js';
import { DeliveriesStore } from './deliveries.store.js';
import { DISPATCHER, type DeliveryDispatcher } from './delivery-dispatcher.js';
import { deliverySummary, deliveryView } from './delivery-view.js';
import type { DeliveryEntity } from './delivery.entity.js';
import { UnknownStore } from './unknown.store.js';

type DeliveryView = ReturnType<typeof deliveryView>;
type DeliverySummary = ReturnType<typeof deliverySummary>;

/** Deliveries hold addresses and words: `admin` to change, `jobs:read` to look. */
@ApiTags('deliveries')
@Controller('v1/deliveries')
@RequireScope('jobs:read')
export class DeliveriesController {
  constructor(
    private readonly deliveries: DeliveriesStore,
    private readonly queries: DeliveriesQueryStore,
    private readonly unknowns: UnknownStore,
    private readonly deaths: Deaths,
    private readonly events: EventBus,
    @Inject(DISPATCHER) private readonly dispatcher: DeliveryDispatcher,
  ) {}

  @Get()
  @ApiOperation({ summary: 'List deliveries, newest first' })
  @ApiOkResponse({ standardSchema: pageOf(shownSummary) })
  async list(@Query({ schema: ListDeliveries }) query: ListDeliveries): Promise<Page<DeliverySummary>> {
    const { limit, cursor, ...filter } = query;
    return toPage(await this.queries.list(filter, { limit, cursor }), limit, deliverySummary);
  }

  @Get(':id')
  @ApiOperation({ summary: 'Read a delivery with its attempts and the message as rendered' })
  @ApiOkResponse({ standardSchema: shownDelivery })
  async show(@Param('id', { schema: DeliveryId }) id: string): Promise<DeliveryView> {
    return deliveryView(await this.find(id), await this.deliveries.attempts(id));
  }

  @Post('retry')
  @ApiOperation({ summary: 'Put back all dead, cancelled, suppressed or held deliveries that fit a filter' })
  @ApiOkResponse({ standardSchema: shownRetry })
  @HttpCode(200)
  @RequireScope('admin')
  async retryMany(
    @Body({ schema: RetryMany }) body: RetryMany,
    @Actor() actor: Principal,
  ): Promise<{ dryRun: boolean; count: number }> {
    const { dryRun, ...filter } = body;
    if (dryRun) return { dryRun, count: await this.queries.count(filter) };
    const retried = await this.queries.retryMany(filter, actor.name);
    this.dispatcher.wake();
    return { dryRun, count: retried.length };
  }

  @Post(':id/retry')
  @ApiOperation({ summary: 'Put a delivery back; its message is rendered anew. One that waits for hours goes at once' })
  @ApiOkResponse({ standardSchema: shownDelivery })
  @HttpCode(200)
  @RequireScope('admin')
  async retry(
    @Param('id', { schema: DeliveryId }) id: string,
    @Body({ schema: RetryOne }) body: z.infer<typeof RetryOne>,
    @Actor() actor: Principal,
  ): Promise<DeliveryView> {
    const delivery = await this.find(id);
    if (!(await this.queries.retry(id, actor.name, body.mayDuplicate))) {
      throw new ConflictError(
        delivery.state === 'unknown'
          ? 'This message may have been sent. Send {"mayDuplicate": true} to send it again all the same'
          : `The delivery is ${delivery.state}; only dead, cancelled, suppressed, held or waiting ones can be retried`,
      );
    }
    this.dispatcher.wake();
    return this.show(id);
  }

  @Post(':id/cancel')
  @ApiOperation({ summary: 'Cancel a delivery that was not sent' })
  @ApiOkResponse({ standardSchema: shownDelivery })
  @HttpCode(200)
  @RequireScope('admin')
  async cancel(@Param('id', { schema: DeliveryId }) id: string, @Actor() actor: Principal): Promise<DeliveryView> {
    const delivery = await this.find(id);
    if (!(await this.queries.cancel(id, actor.name))) {
      throw new ConflictError(
        `The delivery is ${delivery.state}; only queued, waiting, held or unknown ones can be cancelled`,
      );
    }
    return this.show(id);
  }

  @Post(':id/settle')
  @ApiOperation({
    summary: 'Say what became of a message that may have been sent',
    description:
      'For a delivery that is `unknown`, once you have looked at the vendor: `sent` ends it, `dead` ends it and fires its `delivery.dead` ' +
      'rules. To send it again, which may be a second time, see `retry`. What the vendor reports afterwards still counts.',
  })
  @ApiOkResponse({ standardSchema: shownDelivery })
  @HttpCode(200)
  @RequireScope('admin')
  async settle(
    @Param('id', { schema: DeliveryId }) id: string,
    @Body({ schema: SettleOne }) { state }: z.infer<typeof SettleOne>,
    @Actor() actor: Principal,
  ): Promise<DeliveryView> {
    const delivery = await this.find(id);
    if (!(await this.deaths.write(delivery, (died) => this.unknowns.settle(id, actor.name, state, died)))) {
      throw new ConflictError(`The delivery is ${(await this.find(id)).state}; only unknown ones can be settled`);
    }
    this.events.publish({ type: 'delivery.settled', id, jobId: delivery.jobId, state });
    this.dispatcher.wake();
    return this.show(id);
  }

  private async find(id: string): Promise<DeliveryEntity> {
    const delivery = await this.deliveries.find(id);
    if (!delivery) throw new NotFoundError('There is no such delivery');
    return delivery;
  }
}
