import { Injectable } from '@nestjs/common';
import { ChannelsRegistry } from '../channels/channels.registry.service.js';
import { Clock } from '../clock.js';
import { NotFoundError } from '../errors.js';
import { isoTime } from '../iso-time.js';
import { StoredFactsReader } from '../jobs/stored-facts.service.js';
import type { ContentLevel } from '../recipients/content-level.js';
import { RecipientsStore } from '../recipients/recipients.store.js';
import { inSlices } from '../slices.service.js';
import type { Facts } from '../transcripts/facts.js';
import { planStepwise, type Notification } from './plan.js';
import type { ResolveBody } from './resolve.schema.js';
import { RuleCheck } from './rule-check.service.js';
import type { Rule, RuleMatch } from './rule.js';
import { RulesStore } from './rules.store.js';

export interface Resolved {
  enabled?: boolean;
  recipients: ResolvedRecipient[];
  skipped: { action: number; to: string; reason: string }[];
}

interface ResolvedRecipient extends Pick<Notification, 'action' | 'channel' | 'kind' | 'to' | 'template' | 'state'> {
  name?: string;
  at?: string;
  reason?: string;
  content: ContentLevel;
}

/** Who would get a message: what the planner says of a rule that matched, with nothing stored and nothing sent. */
@Injectable()
export class Resolver {
  constructor(
    private readonly rules: RulesStore,
    private readonly check: RuleCheck,
    private readonly recipients: RecipientsStore,
    private readonly channels: ChannelsRegistry,
    private readonly storedFacts: StoredFactsReader,
    private readonly clock: Clock,
  ) {}

  /** @throws NotFoundError for a rule, UnprocessableError for a job that does not exist; RuleInvalidError for actions */
  async resolve(body: ResolveBody): Promise<Resolved> {
    const now = body.at ?? this.clock.now();
    const rule = await this.ruleOf(body, now);
    const facts = await this.factsOf(body, now);
    const directory = await this.recipients.directory();
    const steps = planStepwise([matchOf(rule)], facts, directory, this.channels.all(), now);
    const { notifications, skipped } = await inSlices(steps);
    return {
      ...(body.rule !== undefined && { enabled: rule.enabled }),
      recipients: notifications.map(show),
      skipped: skipped.map(({ action, to, reason }) => ({ action, to, reason })),
    };
  }

  private async ruleOf({ rule: named, actions, on }: ResolveBody, now: number): Promise<Rule> {
    if (named !== undefined) {
      const found = (await this.rules.list()).find(({ rule }) => rule.id === named || rule.name === named);
      if (!found) throw new NotFoundError('There is no rule of this id or name');
      return found.rule;
    }
    const definition = await this.check.parse({ name: 'resolve', actions, ...(on !== undefined && { on }) });
    return { ...definition, id: 'resolve', version: 0, createdAt: now, updatedAt: now };
  }

  private async factsOf({ jobId, tags }: ResolveBody, now: number): Promise<Facts> {
    if (jobId !== undefined) return (await this.storedFacts.read(jobId)).facts;
    return { job: { id: 'resolve', origin: 'api', tags: tags ?? {}, options: {}, createdAt: now } };
  }
}

function matchOf(rule: Rule): RuleMatch {
  const { id: ruleId, name: ruleName, version: ruleVersion } = rule;
  return { rule, evaluation: { ruleId, ruleName, ruleVersion, matched: true, conditions: [], matches: [] } };
}

function show(notification: Notification): ResolvedRecipient {
  const { action, channel, kind, to, template, state, recipient, dueAt, reason } = notification;
  return {
    action,
    channel,
    kind,
    to,
    template,
    state,
    ...(recipient.name !== undefined && { name: recipient.name }),
    ...((state === 'queued' || state === 'waiting') && { at: isoTime(dueAt) }),
    ...(reason !== undefined && { reason }),
    content: recipient.content ?? 'full',
  };
}
