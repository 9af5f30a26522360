import { Module } from '@nestjs/common';
import { TranscriptPageController } from './transcript-page.controller.js';
import { TranscriptsController } from './transcripts.controller.js';
import { TranscriptsStore } from './transcripts.store.js';

/** Transcripts and their page. Needs RAW_BODIES and LINK_SECRET from a global module. */
@Module({
  controllers: [TranscriptsController, TranscriptPageController],
  providers: [TranscriptsStore],
  exports: [TranscriptsStore],
})
export class TranscriptsModule {}
