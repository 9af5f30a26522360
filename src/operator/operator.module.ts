import { Module } from '@nestjs/common';
import { DeliveriesModule } from '../deliveries/deliveries.module.js';
import { HealthModule } from '../health/health.module.js';
import { AlertLoop } from './alert-loop.service.js';
import { AlertOutlets } from './alert-outlets.service.js';
import { AlertsStore } from './alerts.store.js';
import { BacklogStore } from './backlog.store.js';
import { OperatorController } from './operator.controller.js';
import { Problems } from './problems.service.js';
import { RefusedCallbacks } from './refused-callbacks.service.js';
import { ToldBook } from './told-book.service.js';

/** Needs, from global modules: DatabaseModule, SETTINGS, Log, Metrics, EventBus. */
@Module({
  imports: [HealthModule, DeliveriesModule],
  controllers: [OperatorController],
  providers: [AlertLoop, AlertOutlets, AlertsStore, BacklogStore, Problems, RefusedCallbacks, ToldBook],
})
export class OperatorModule {}
