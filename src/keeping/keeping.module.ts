import { Module } from '@nestjs/common';
import { JobsModule } from '../jobs/jobs.module.js';
import { RecipientsModule } from '../recipients/recipients.module.js';
import { BlobSweep } from './blob-sweep.service.js';
import { ClockGuard } from './clock-guard.service.js';
import { ContentStore } from './content.store.js';
import { ErasureService } from './erasure.service.js';
import { ErasuresController } from './erasures.controller.js';
import { ErasuresStore } from './erasures.store.js';
import { FindingsStore } from './findings.store.js';
import { PersonErasureStore } from './person-erasure.store.js';
import { Purge } from './purge.service.js';
import { PurgeStore } from './purge.store.js';
import { RetentionController } from './retention.controller.js';

/** What is kept, for how long, and how it is erased. Needs, from global modules: settings, the database, callbacks and blobs. */
@Module({
  imports: [JobsModule, RecipientsModule],
  controllers: [RetentionController, ErasuresController],
  providers: [
    BlobSweep,
    ClockGuard,
    ContentStore,
    ErasureService,
    ErasuresStore,
    FindingsStore,
    PersonErasureStore,
    Purge,
    PurgeStore,
  ],
})
export class KeepingModule {}
