import { Global, Module, type DynamicModule } from '@nestjs/common';
import { BLOBS } from './blobs/blob-store.js';
import { CallbacksModule } from './callbacks/callbacks.module.js';
import { hookUrl } from './callbacks/hook-credential.js';
import { HOOK_SECRET } from './callbacks/tokens.js';
import { ChannelsModule } from './channels/channels.module.js';
import type { Settings } from './config/env.js';
import { SETTINGS } from './config/settings.js';
import { DatabaseModule } from './database/database.module.js';
import { DeliveriesModule } from './deliveries/deliveries.module.js';
import { EscalationsModule } from './escalations/escalations.module.js';
import { EventBus } from './event-bus.service.js';
import { FirstStart } from './first-start.service.js';
import { HealthModule } from './health/health.module.js';
import type { HeraldResources } from './herald.options.js';
import { HttpModule } from './http/http.module.js';
import { JobsModule } from './jobs/jobs.module.js';
import { ERASURE_SECRET } from './keeping/subject.js';
import { KeepingModule } from './keeping/keeping.module.js';
import { Log } from './log.service.js';
import { Metrics } from './metrics.service.js';
import { OperatorModule } from './operator/operator.module.js';
import { CALLBACK_URL, PRESETS, PROVIDER } from './providers/provider.js';
import { RecipientsModule } from './recipients/recipients.module.js';
import { RedactionModule } from './redaction/redaction.module.js';
import { RulesModule } from './rules/rules.module.js';
import { SettleModule } from './settle/settle.module.js';
import { TemplatesModule } from './templates/templates.module.js';
import { LINK_SECRET } from './transcripts/link.js';
import { TranscriptsModule } from './transcripts/transcripts.module.js';

/** What every module may ask for: settings, secrets as what they are for, and the things that exist once in a process. */
@Global()
@Module({})
class ResourcesModule {
  static of(resources: HeraldResources): DynamicModule {
    const { settings, secret } = resources;
    const providers = [
      { provide: SETTINGS, useValue: settings },
      { provide: HOOK_SECRET, useValue: secret },
      { provide: LINK_SECRET, useValue: secret },
      { provide: ERASURE_SECRET, useValue: secret },
      { provide: CALLBACK_URL, useValue: (jobId: string) => hookUrl(settings.publicUrl ?? '', jobId, secret) },
      { provide: BLOBS, useValue: resources.blobs },
      { provide: PROVIDER, useValue: resources.provider },
      { provide: PRESETS, useValue: resources.presets },
      { provide: Log, useValue: resources.log },
      Metrics,
      EventBus,
    ];
    return {
      module: ResourcesModule,
      providers,
      exports: providers.map((one) => ('provide' in one ? one.provide : one)),
    };
  }
}

/** Herald as a NestJS module. `openResources` (start.service.ts) makes what it needs. */
@Module({})
export class HeraldModule {
  static of(resources: HeraldResources): DynamicModule {
    return {
      module: HeraldModule,
      imports: [
        ResourcesModule.of(resources),
        DatabaseModule.of(resources.database, resources.clock),
        ChannelsModule.of(resources.channels, configuredSettings(resources.settings)),
        HttpModule,
        RecipientsModule,
        RedactionModule,
        TemplatesModule,
        RulesModule,
        TranscriptsModule,
        JobsModule,
        CallbacksModule,
        DeliveriesModule,
        EscalationsModule,
        SettleModule,
        HealthModule,
        KeepingModule,
        OperatorModule,
      ],
      providers: [FirstStart],
    };
  }
}

function configuredSettings({ smtp, twilio }: Settings): ReadonlySet<string> {
  return new Set([
    ...(smtp ? ['SMTP_URL', 'MAIL_FROM'] : []),
    ...(twilio ? ['TWILIO_ACCOUNT_SID', 'TWILIO_AUTH_TOKEN'] : []),
    ...(twilio?.from === undefined ? [] : ['TWILIO_FROM']),
    ...(twilio?.messagingServiceSid === undefined ? [] : ['TWILIO_MESSAGING_SERVICE_SID']),
    ...(twilio?.baseUrl === undefined ? [] : ['TWILIO_BASE_URL']),
  ]);
}
