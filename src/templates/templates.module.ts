import { Module } from '@nestjs/common';
import type { Settings } from '../config/env.js';
import { SETTINGS } from '../config/settings.js';
import { StoredFactsModule } from '../jobs/stored-facts.service.js';
import { RedactionModule } from '../redaction/redaction.module.js';
import { MessageRenderer } from './message-renderer.service.js';
import { RenderPool } from './render-pool.service.js';
import { loadTemplateFiles, PACKAGED_TEMPLATES, type TemplateFiles } from './template-files.service.js';
import { TemplatePreview } from './template-preview.service.js';
import { TemplatesController } from './templates.controller.js';
import { TemplatesStore } from './templates.store.js';
import { TEMPLATE_FILES } from './tokens.js';

/** Reads the template files once, at start: one that cannot be used ends it, with every problem. */
@Module({
  imports: [StoredFactsModule, RedactionModule],
  controllers: [TemplatesController],
  providers: [
    TemplatesStore,
    TemplatePreview,
    MessageRenderer,
    {
      provide: TEMPLATE_FILES,
      inject: [SETTINGS],
      useFactory: (settings: Pick<Settings, 'templatesDir'>) =>
        loadTemplateFiles(settings.templatesDir ?? PACKAGED_TEMPLATES),
    },
    {
      provide: RenderPool,
      inject: [TEMPLATE_FILES],
      useFactory: ({ partials }: TemplateFiles) => new RenderPool({ partials }),
    },
  ],
  exports: [TemplatesStore, RenderPool, MessageRenderer],
})
export class TemplatesModule {}
