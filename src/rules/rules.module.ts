import { Module } from '@nestjs/common';
import { StoredFactsModule } from '../jobs/stored-facts.service.js';
import { RecipientsModule } from '../recipients/recipients.module.js';
import { TranscriptsModule } from '../transcripts/transcripts.module.js';
import { TemplatesModule } from '../templates/templates.module.js';
import { EvaluationsStore } from './evaluations.store.js';
import { ReadingThread } from './reading-thread.service.js';
import { RuleCheck } from './rule-check.service.js';
import { RulesController } from './rules.controller.js';
import { RulesStore } from './rules.store.js';

@Module({
  imports: [RecipientsModule, StoredFactsModule, TemplatesModule, TranscriptsModule],
  controllers: [RulesController],
  providers: [EvaluationsStore, RulesStore, RuleCheck, ReadingThread],
  exports: [EvaluationsStore, RulesStore, ReadingThread],
})
export class RulesModule {}
