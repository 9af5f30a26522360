import { Module } from '@nestjs/common';
import { JobsModule } from '../jobs/jobs.module.js';
import { AckPageController } from './ack-page.controller.js';
import { Acknowledgements } from './acknowledgements.service.js';
import { EscalationsController } from './escalations.controller.js';
import { EscalationsQueryStore } from './escalations.query.store.js';
import { EscalationsStore } from './escalations.store.js';

/** Rules that go on until somebody acknowledges: what is kept of them, and acknowledging. Their steps are taken by the settle module. */
@Module({
  imports: [JobsModule],
  controllers: [EscalationsController, AckPageController],
  providers: [EscalationsStore, EscalationsQueryStore, Acknowledgements],
  exports: [EscalationsStore, EscalationsQueryStore],
})
export class EscalationsModule {}
