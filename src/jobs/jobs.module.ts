import { Module } from '@nestjs/common';
import { JobEvaluationsController } from './job-evaluations.controller.js';
import { JobEvaluationsStore } from './job-evaluations.store.js';
import { JobErasureStore } from './job-erasure.store.js';
import { JobSubmitter } from './job-submitter.service.js';
import { JobTimelineStore } from './job-timeline.store.js';
import { JobsController } from './jobs.controller.js';
import { JobsService } from './jobs.service.js';
import { JobsStore } from './jobs.store.js';
import { LateJobsStore } from './late-jobs.store.js';
import { OccasionsStore } from './occasions.store.js';
import { JobWatchdog } from './watchdog.service.js';

@Module({
  controllers: [JobsController, JobEvaluationsController],
  providers: [
    JobErasureStore,
    JobEvaluationsStore,
    JobSubmitter,
    JobTimelineStore,
    JobsService,
    JobsStore,
    JobWatchdog,
    LateJobsStore,
    OccasionsStore,
  ],
  exports: [JobErasureStore, JobsStore, JobSubmitter, JobWatchdog, LateJobsStore, OccasionsStore],
})
export class JobsModule {}
