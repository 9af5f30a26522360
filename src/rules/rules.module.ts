import { Module } from '@nestjs/common';
import { StoredFactsModule } from '../jobs/stored-facts.service.js';
import { RecipientsModule } from '../recipients/recipients.module.js';
import { TranscriptsModule } from '../transcripts/transcripts.module.js';
import { TemplatesModule } from '../templates/templates.module.js';
import { EvaluationsQueryStore } from './evaluations.query.store.js';
import { EvaluationsStore } from './evaluations.store.js';
import { ExplainController } from './explain.controller.js';
import { JobExplainer } from './job-explainer.service.js';
import { ReadingThread } from './reading-thread.service.js';
import { ResolveController } from './resolve.controller.js';
import { Resolver } from './resolve.service.js';
import { RuleCheck } from './rule-check.service.js';
import { RuleHealthController } from './rule-health.controller.js';
import { RuleHealthStore } from './rule-health.store.js';
import { RuleVersionsController } from './rule-versions.controller.js';
import { RuleVersionsStore } from './rule-versions.store.js';
import { RulesController } from './rules.controller.js';
import { RulesStore } from './rules.store.js';
import { SeriesStore } from './series.store.js';
import { SimulationThreads } from './simulation-thread.service.js';
import { ThrottlesStore } from './throttles.store.js';

@Module({
  imports: [RecipientsModule, StoredFactsModule, TemplatesModule, TranscriptsModule],
  controllers: [ExplainController, ResolveController, RuleHealthController, RulesController, RuleVersionsController],
  providers: [
    EvaluationsQueryStore,
    EvaluationsStore,
    JobExplainer,
    Resolver,
    RulesStore,
    RuleCheck,
    RuleHealthStore,
    RuleVersionsStore,
    ReadingThread,
    SeriesStore,
    SimulationThreads,
    ThrottlesStore,
  ],
  exports: [
    EvaluationsStore,
    RulesStore,
    RuleCheck,
    RuleVersionsStore,
    ReadingThread,
    SeriesStore,
    SimulationThreads,
    ThrottlesStore,
  ],
})
export class RulesModule {}
