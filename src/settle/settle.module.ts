import { Module } from '@nestjs/common';
import { CallbacksModule } from '../callbacks/callbacks.module.js';
import { DeliveriesModule } from '../deliveries/deliveries.module.js';
import { EscalationsModule } from '../escalations/escalations.module.js';
import { JobsModule } from '../jobs/jobs.module.js';
import { StoredFactsModule } from '../jobs/stored-facts.service.js';
import { RecipientsModule } from '../recipients/recipients.module.js';
import { RulesModule } from '../rules/rules.module.js';
import { TranscriptsModule } from '../transcripts/transcripts.module.js';
import { JobOutcomes } from './job-outcomes.service.js';
import { CallbackReader } from './callback-reader.service.js';
import { JobReplayer } from './job-replayer.service.js';
import { EscalationLoop } from './escalation-loop.service.js';
import { EscalationSteps } from './escalation-steps.service.js';
import { NotifyService } from './notify.service.js';
import { PhraseTerms } from './phrase-terms.service.js';
import { ReplayController } from './replay.controller.js';
import { ReplayStore } from './replay.store.js';
import { SettleLoop } from './settle-loop.service.js';
import { SettleService } from './settle.service.js';
import { SimulationPreview } from './simulation-preview.service.js';
import { SimulationSets } from './simulation-sets.service.js';
import { SimulationController } from './simulation.controller.js';
import { Simulations } from './simulation.service.js';

/** From a stored callback to stored deliveries; and the same way without storing anything. */
@Module({
  imports: [
    CallbacksModule,
    DeliveriesModule,
    EscalationsModule,
    JobsModule,
    RecipientsModule,
    RulesModule,
    StoredFactsModule,
    TranscriptsModule,
  ],
  controllers: [ReplayController, SimulationController],
  providers: [
    CallbackReader,
    JobReplayer,
    NotifyService,
    PhraseTerms,
    ReplayStore,
    SettleService,
    SettleLoop,
    JobOutcomes,
    Simulations,
    SimulationSets,
    SimulationPreview,
    EscalationSteps,
    EscalationLoop,
  ],
})
export class SettleModule {}
