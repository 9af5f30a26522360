import { Module } from '@nestjs/common';
import { TranscriptPageController } from './transcript-page.controller.js';
import { TranscriptsController } from './transcripts.controller.js';
import { TranscriptFiles } from './transcript-files.service.js';
import { TranscriptsStore } from './transcripts.store.js';

/** Transcripts and their page. Needs RAW_BODIES and LINK_SECRET from a global module. */
@Module({
  controllers: [TranscriptsController, TranscriptPageController],
  providers: [TranscriptsStore, TranscriptFiles],
  exports: [TranscriptsStore, TranscriptFiles],
})
export class TranscriptsModule {}
