import { Module } from '@nestjs/common';
import { HealthController } from './health.controller.js';
import { MetricsController } from './metrics.controller.js';
import { Readiness } from './readiness.service.js';
import { StorageProbe } from './storage-probe.service.js';

/** Needs, from global modules: DatabaseModule, SETTINGS, Metrics, and ChannelsRegistry. */
@Module({
  controllers: [HealthController, MetricsController],
  providers: [Readiness, StorageProbe],
  exports: [StorageProbe],
})
export class HealthModule {}
