import { Module } from '@nestjs/common';
import { JobErasureStore } from './job-erasure.store.js';
import { JobSubmitter } from './job-submitter.service.js';
import { JobTimelineStore } from './job-timeline.store.js';
import { JobsController } from './jobs.controller.js';
import { JobsService } from './jobs.service.js';
import { JobsStore } from './jobs.store.js';
import { LateJobsStore } from './late-jobs.store.js';
import { JobWatchdog } from './watchdog.service.js';

@Module({
  controllers: [JobsController],
  providers: [JobErasureStore, JobSubmitter, JobTimelineStore, JobsService, JobsStore, JobWatchdog, LateJobsStore],
  exports: [JobErasureStore, JobsStore, JobSubmitter, JobWatchdog, LateJobsStore],
})
export class JobsModule {}
