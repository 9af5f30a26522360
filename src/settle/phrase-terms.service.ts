import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type { Settings } from '../config/env.js';
import { SETTINGS } from '../config/settings.js';
import { JobSubmitter } from '../jobs/job-submitter.service.js';
import { errorFields, Log } from '../log.service.js';
import type { CompiledRule } from '../rules/evaluate.js';
import { RulesStore } from '../rules/rules.store.js';
import { termsOf, withTerms } from '../rules/spoken-terms.js';

/** Sends the phrases of enabled rules to the provider with every job, so that it listens for them. `HERALD_PHRASES` */
@Injectable()
export class PhraseTerms implements OnModuleInit {
  private known: { rules: readonly CompiledRule[]; terms: string[] } | undefined;

  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly submitter: JobSubmitter,
    private readonly rules: RulesStore,
    private readonly log: Log,
  ) {}

  onModuleInit(): void {
    const { phrases } = this.settings.deepgram;
    if (phrases === 'off') return;
    this.submitter.onOptions(async (options) => {
      try {
        return withTerms(options, phrases, await this.terms(phrases));
      } catch (error) {
        // A job is transcribed without them rather than not at all.
        this.log.warn('job.phrases-left-out', errorFields(error));
        return options;
      }
    });
  }

  /** The list of rules is the same until one of them is saved. */
  private async terms(kind: 'keyterm' | 'search'): Promise<string[]> {
    const rules = await this.rules.compiled('transcript.completed');
    if (this.known?.rules !== rules) this.known = { rules, terms: termsOf(rules, kind) };
    return this.known.terms;
  }
}
