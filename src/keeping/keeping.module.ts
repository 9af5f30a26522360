import { Module } from '@nestjs/common';
import { JobsModule } from '../jobs/jobs.module.js';
import { ClockGuard } from './clock-guard.service.js';
import { ContentStore } from './content.store.js';
import { Purge } from './purge.service.js';
import { PurgeStore } from './purge.store.js';
import { RetentionController } from './retention.controller.js';

/** What is kept, for how long, and how it is erased. Needs, from global modules: settings, the database and the blobs. */
@Module({
  imports: [JobsModule],
  controllers: [RetentionController],
  providers: [ClockGuard, ContentStore, Purge, PurgeStore],
})
export class KeepingModule {}
