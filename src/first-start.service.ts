import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type { Settings } from './config/env.js';
import { SETTINGS } from './config/settings.js';
import { ApiKeysStore } from './http/api-keys.store.js';
import { RecipientsStore } from './recipients/recipients.store.js';
import { RulesStore } from './rules/rules.store.js';

/** What a new installation gets before it takes its first request: an admin key, the operator's contact, the default rules. */
@Injectable()
export class FirstStart implements OnModuleInit {
  /** Shown once by whoever started the process, and forgotten; undefined when there was a key. */
  adminKey: string | undefined;

  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly keys: ApiKeysStore,
    private readonly recipients: RecipientsStore,
    private readonly rules: RulesStore,
  ) {}

  async onModuleInit(): Promise<void> {
    this.adminKey = await this.keys.ensureAdminKey();
    if (this.settings.operatorEmail !== undefined) await this.recipients.ensureOperator(this.settings.operatorEmail);
    await this.rules.ensureDefaults();
  }
}
