import { Module } from '@nestjs/common';
import { HealthController } from './health.controller.js';
import { MetricsController } from './metrics.controller.js';
import { Readiness } from './readiness.service.js';

/** Needs, from global modules: DatabaseModule, Metrics, and ChannelsRegistry. */
@Module({ controllers: [HealthController, MetricsController], providers: [Readiness] })
export class HealthModule {}
