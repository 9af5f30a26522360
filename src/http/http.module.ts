import { Module } from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_PIPE, DiscoveryModule } from '@nestjs/core';
import { ApiKeyGuard } from './api-key.guard.js';
import { ApiKeysController } from './api-keys.controller.js';
import { ApiKeysStore } from './api-keys.store.js';
import { AuditController } from './audit.controller.js';
import { AuditReader } from './audit-reader.store.js';
import { DocsController } from './docs.controller.js';
import { EventsController } from './events.controller.js';
import { ProblemFilter } from './problem.filter.js';
import { RouteCheck } from './route-check.service.js';
import { ValidationPipe } from './validation.pipe.js';

/**
 * Who may call, what a request may hold, how an error is answered: for every route of the application that imports it.
 * Needs, from global modules: DatabaseModule, SETTINGS, Log, Metrics, EventBus.
 */
@Module({
  imports: [DiscoveryModule],
  controllers: [ApiKeysController, AuditController, EventsController, DocsController],
  providers: [
    ApiKeysStore,
    AuditReader,
    RouteCheck,
    { provide: APP_GUARD, useClass: ApiKeyGuard },
    { provide: APP_PIPE, useClass: ValidationPipe },
    { provide: APP_FILTER, useClass: ProblemFilter },
  ],
  exports: [ApiKeysStore],
})
export class HttpModule {}
