import { Module } from '@nestjs/common';
import { RecipientsModule } from '../recipients/recipients.module.js';
import { TranscriptsModule } from '../transcripts/transcripts.module.js';
import { Policies } from './policies.service.js';
import { RedactionsController } from './redactions.controller.js';
import { RedactionsStore } from './redactions.store.js';
import { Redactor } from './redactor.service.js';

@Module({
  imports: [RecipientsModule, TranscriptsModule],
  controllers: [RedactionsController],
  providers: [RedactionsStore, Policies, Redactor],
  exports: [Policies, Redactor],
})
export class RedactionModule {}
