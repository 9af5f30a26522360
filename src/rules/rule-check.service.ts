import { Inject, Injectable } from '@nestjs/common';
import { ChannelsRegistry } from '../channels/channels.registry.service.js';
import { Clock } from '../clock.js';
import type { Settings } from '../config/env.js';
import { SETTINGS } from '../config/settings.js';
import { RecipientInvalidError, UnprocessableError, type FieldError } from '../errors.js';
import { isoTime } from '../iso-time.js';
import { StoredFactsReader, type StoredFacts } from '../jobs/stored-facts.service.js';
import type { Presets } from '../providers/deepgram/presets.js';
import { PRESETS } from '../providers/provider.js';
import { RecipientsStore } from '../recipients/recipients.store.js';
import { kindsOf } from '../templates/template.js';
import { TemplatesStore } from '../templates/templates.store.js';
import { toSpeech } from '../transcripts/speech.js';
import type { Facts, Trigger } from '../transcripts/facts.js';
import type { Transcript } from '../transcripts/transcript.js';
import { TranscriptsStore } from '../transcripts/transcripts.store.js';
import { compileRule, evaluateRules, seriesOf } from './evaluate.js';
import { planNotifications, type Notification } from './plan.js';
import { parseRule, type RuleContext } from './rule.schema.js';
import { ReadingThread } from './reading-thread.service.js';
import { ruleWarnings } from './rule-warnings.js';
import { stepWarnings, type AckContext } from './step-warnings.js';
import { withSteps } from './steps.js';
import { SeriesStore } from './series.store.js';
import type { ConditionOutcome, Evaluation, Rule, RuleDefinition, SpeechMatch } from './rule.js';

/** What a rule would have done on a stored job; nothing is stored and nothing sent. */
export interface Trial {
  matched: boolean;
  conditions: ConditionOutcome[];
  matches: SpeechMatch[];
  error?: string;
  /** Those of later steps as well: what would be sent if nobody acknowledged. */
  notifications: (Pick<Notification, 'channel' | 'to' | 'template' | 'state' | 'step'> & {
    dueAt?: string;
    reason?: string;
  })[];
  skipped: { action: number; to: string; reason: string }[];
}

/** Checks rules against what is there: channels, templates, contacts and groups. */
@Injectable()
export class RuleCheck {
  constructor(
    private readonly channels: ChannelsRegistry,
    private readonly templates: TemplatesStore,
    private readonly recipients: RecipientsStore,
    private readonly storedFacts: StoredFactsReader,
    private readonly transcripts: TranscriptsStore,
    private readonly reading: ReadingThread,
    private readonly series: SeriesStore,
    private readonly clock: Clock,
    @Inject(PRESETS) private readonly presets: Presets,
    @Inject(SETTINGS) private readonly settings: Settings,
  ) {}

  /** @throws RuleInvalidError with every problem */
  async parse(input: unknown): Promise<RuleDefinition> {
    return parseRule(input, await this.context());
  }

  /** {@link parse} for many rules, on what there is now. */
  async parser(): Promise<(input: unknown) => RuleDefinition> {
    const context = await this.context();
    return (input) => parseRule(input, context);
  }

  /** What a person should know of a rule that is valid. */
  async warnings(definition: RuleDefinition): Promise<FieldError[]> {
    const requested = { presets: this.presets, searches: this.settings.deepgram.phrases === 'search' };
    const warnings = ruleWarnings(definition, requested);
    return definition.escalate ? [...warnings, ...stepWarnings(definition, await this.ackContext())] : warnings;
  }

  private async ackContext(): Promise<AckContext> {
    return {
      hasLinks: this.settings.publicUrl !== undefined,
      channels: this.channels.all(),
      templates: await this.templates.list(),
      partials: this.templates.partials,
    };
  }

  /** @throws UnprocessableError when the job has not what the rule looks at */
  async tryOn(definition: RuleDefinition, jobId: string): Promise<Trial> {
    const { facts, transcript } = factsFor(definition.on, await this.storedFacts.read(jobId));
    const now = this.clock.now();
    // Tried also while it is switched off: that is when rules are written.
    const rule = { ...definition, enabled: true, id: 'trial', version: 0, createdAt: now, updatedAt: now };
    const [evaluation] = await this.evaluate(rule, jobId, facts, transcript);
    const matches = evaluation?.matched === true ? withSteps({ rule, evaluation }) : [];
    const directory = await this.recipients.directory();
    const { notifications, skipped } = planNotifications(matches, facts, directory, this.channels.all(), now);
    return {
      matched: evaluation?.matched ?? false,
      conditions: evaluation?.conditions ?? [],
      matches: evaluation?.matches ?? [],
      ...(evaluation?.error === undefined ? {} : { error: evaluation.error }),
      notifications: notifications.map(({ channel, to, template, state, step, dueAt, reason }) => ({
        channel,
        to,
        template,
        state,
        ...(state === 'waiting' ? { dueAt: isoTime(dueAt) } : {}),
        ...(step === undefined ? {} : { step }),
        ...(reason === undefined ? {} : { reason }),
      })),
      skipped: skipped.map(({ action, to, reason }) => ({ action, to, reason })),
    };
  }

  /** The whole of a very large transcript is looked at in the reading thread. */
  private async evaluate(
    rule: Rule,
    jobId: string,
    facts: Facts,
    transcript: Transcript | undefined,
  ): Promise<Evaluation[]> {
    const compiled = [compileRule(rule)];
    const { snapshot } = await this.series.before(seriesOf(compiled), facts.job);
    const packed = transcript?.whole && (await this.transcripts.findJson(jobId))?.packed;
    if (packed)
      return (await this.reading.evaluate({ packed, job: facts.job, rules: [rule], series: snapshot })).evaluations;
    return evaluateRules(compiled, facts, transcript && toSpeech(transcript), snapshot).evaluations;
  }

  private async context(): Promise<RuleContext> {
    const [directory, templates] = await Promise.all([this.recipients.directory(), this.templates.list()]);
    return {
      channels: this.channels.all(),
      templates: templates.map(({ name, parts }) => ({ name, kinds: kindsOf(parts) })),
      directory,
      parseRecipient: (name, address) => {
        const channel = this.channels.get(name);
        if (!channel) throw new RecipientInvalidError('The channel is not known');
        return channel.parseRecipient(address);
      },
    };
  }
}

/** Only what the trigger declares: a rule on failures must not see a transcript. */
function factsFor(on: Trigger, { facts, transcript }: StoredFacts): StoredFacts {
  const { job, failure } = facts;
  switch (on) {
    case 'transcript.completed':
      if (transcript) return { facts: { job, ...(facts.transcript && { transcript: facts.transcript }) }, transcript };
      throw unfit('has no transcript; take a completed job');
    case 'transcript.failed':
      if (failure) return { facts: { job, failure } };
      throw unfit('has not failed; take a failed job');
    case 'job.overdue':
      return { facts: { job, overdue: facts.overdue ?? { minutes: 0, resubmissions: 0 } } };
    case 'delivery.dead':
      throw unfit('cannot stand for a dead delivery: rules on delivery.dead are checked without jobId');
  }
}

function unfit(message: string): UnprocessableError {
  return new UnprocessableError('The rule cannot be tried on this job', { errors: [{ pointer: 'jobId', message }] });
}
